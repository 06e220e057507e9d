"""Versions of signed bundles only rise: an old one, rightly signed once, must not come back by whoever swaps files.

Kept by name in a file of this user's state (`$XDG_STATE_HOME`, else `~/.local/state`), for all verbs alike, once a key
is required.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.errors import BundleError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import open_file
from waste_edge.files.strict import to_json

_MOST_NAMES, _MAX_BYTES = 1000, 1 << 20


def check_version(bundle: Bundle) -> None:
    """Refuse a bundle that is older than one of its name that this device has used.

    Raises:
        BundleError: it is older.
    """
    name, version = bundle.manifest.name, bundle.manifest.version
    newest = _read()
    if name in newest and sort_key(version) < sort_key(newest[name]):
        raise BundleError(
            f"{bundle.source}: is version {version} of {name}, and this device has used {newest[name]}; "
            "an older one is taken with --allow-older (station.toml: allow_older = true)"
        )


def keep_version(bundle: Bundle) -> None:
    """Keep that this device has used a bundle: no older one of its name is taken from now on."""
    name, version = bundle.manifest.name, bundle.manifest.version
    newest = _read()
    if newest.get(name) == version:
        return
    kept = [(key, value) for key, value in newest.items() if key != name][-_MOST_NAMES + 1 :]
    try:
        write_atomically(_path(), to_json({**dict(kept), name: version}))
    except UserError as error:
        print(f"waste-edge: {error}; an older bundle will not be noticed", file=sys.stderr)


def sort_key(version: str) -> list[tuple[int, int, str]]:
    """Orders versions: numbers by their value, words before them and by the alphabet: 1.0-rc1 < 1.0 < 1.0.1 < 1.10."""
    parts = re.findall(r"[0-9]+|[^\W\d_]+", version)
    numbers = [part.lstrip("0") if part.isdecimal() else "" for part in parts]  # int() refuses thousands of digits
    return [
        (2, len(number), number) if part.isdecimal() else (0, 0, part.casefold())
        for part, number in zip(parts, numbers, strict=True)
    ] + [(1, 0, "")]


def _path() -> Path:
    given = os.environ.get("XDG_STATE_HOME", "")
    state = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return state / "waste-edge" / "bundle-versions.json"


def _read() -> dict[str, str]:
    try:
        with open_file(_path(), _MAX_BYTES) as stream:
            return msgspec.json.decode(stream.read(_MAX_BYTES), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, RuntimeError, ValueError, msgspec.DecodeError) as error:
        print(
            f"waste-edge: bundle-versions.json: cannot be read ({error}); an older bundle will not be noticed",
            file=sys.stderr,
        )
        return {}
