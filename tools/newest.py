"""The requirements of pyproject.toml without upper bounds: `python -m tools.newest EXTRA...`, one a line.

`make test-newest` installs them, so that pip takes the newest of each that goes together, and runs the suite. With
--beyond it names, of what is installed here, each that is newer than its bound allows: what the run has been about.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def requirements(project: dict[str, object], extras: Sequence[str]) -> Iterator[str]:
    """The runtime's requirements and those of some extras, as they are written; extras may name others."""
    optional = project.get("optional-dependencies", {})
    assert isinstance(optional, dict)
    listed = project["dependencies"]
    assert isinstance(listed, list)
    yield from listed
    seen: set[str] = set()
    waiting = list(extras)
    while waiting:
        extra = waiting.pop(0)
        if extra in seen:
            continue
        seen.add(extra)
        for requirement in optional[extra]:
            own = re.fullmatch(r"waste-edge\[(.+)\]", requirement)
            if own:
                waiting += own[1].split(",")
            else:
                yield requirement


def without_upper_bounds(requirement: str) -> str:
    """`numpy>=1.24,<3` is `numpy>=1.24`; known-bad versions stay excluded, `==0.10.*` becomes `>=0.10`."""
    name, marker = _NAME.match(requirement), requirement.partition(";")[2]
    assert name is not None
    limits = [part.strip() for part in requirement.partition(";")[0][name.end() :].split(",") if part.strip()]
    kept = [limit.replace("==", ">=").replace(".*", "") for limit in limits if not limit.startswith(("<", "~="))]
    return name[0] + ",".join(kept) + (f";{marker}" if marker else "")


def beyond(requirement: str) -> str:
    """The installed version in words, if it is newer than a requirement allows; else nothing."""
    name = _NAME.match(requirement)
    assert name is not None
    try:
        installed = importlib.metadata.version(name[0])
    except importlib.metadata.PackageNotFoundError:
        return ""
    bound = re.search(r"<([0-9.]+)|==([0-9.]+)\.\*", requirement)
    if bound is None:
        return ""
    limit, have = (
        [int(part) for part in re.findall(r"\d+", text)] for text in (bound[1] or bound[2].rstrip("."), installed)
    )
    newer = have[: len(limit)] >= limit if bound[1] else have[: len(limit)] > limit
    return f"{name[0]} {installed} is newer than {requirement}" if newer else ""


def main() -> None:
    """Print the newest versions."""
    parser = argparse.ArgumentParser(description="Print requirements without upper bounds, one a line.")
    parser.add_argument("extras", nargs="*", help="Extras whose requirements are printed, too.")
    parser.add_argument("--beyond", action="store_true", help="Print instead what is installed beyond its bound.")
    options = parser.parse_args()
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    for requirement in requirements(project, options.extras):
        line = beyond(requirement) if options.beyond else without_upper_bounds(requirement)
        if line:
            print(line)


if __name__ == "__main__":
    main()
