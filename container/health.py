"""Health check of the container: 0 if the station's page says that it works, else 1 with what it says.

Python's own library alone, and none of the environment's packages: it runs every half minute.
"""

import os
import sys
import urllib.error
import urllib.request

ADDRESS = os.environ.get("WASTE_EDGE_HEALTH", "http://127.0.0.1:8470/healthz")


def main() -> int:
    """Ask once."""
    try:
        with urllib.request.urlopen(ADDRESS, timeout=4) as answer:
            print(answer.read(2000).decode("utf-8", "replace"))
            return 0
    except urllib.error.HTTPError as error:
        print(error.read(2000).decode("utf-8", "replace"))
    except OSError as error:
        print(f"{ADDRESS}: no answer ({error}); station.toml needs a [page] at port 8470")
    return 1


if __name__ == "__main__":
    sys.exit(main())
