"""Resolve every extra for every Python: `python -m tools.extras [--check]`, and write the table of it.

It stands in docs/setup.md. For Linux on x86-64 and arm64 (C library of Debian 12 and later), for each Python and for
numpy 1 and 2, each extra of pyproject.toml, those of a board together, and those of `make test` together are resolved
by uv against the package index, from wheels alone. Nothing is installed. Some minutes the first time; what uv has read
is kept in its cache. `pip install uv` brings it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.page_block import replace_block, write_or_check

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "setup.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES = {"x86_64": "x86-64", "aarch64": "arm64"}
NUMPYS = {"1": "numpy<2", "2": "numpy>=2"}
NUMPY_1_UNTIL = "3.12"  # the last Python that numpy 1 has wheels for
BOARD = ("gpio", "mqtt", "sign", "web")  # as device/gather_wheels.sh asks for
WORKSHOP = ("host", "dev")  # as the Makefile does
_GLIBC = "manylinux_2_36"  # Debian 12's
_BLOCK = re.compile(r"(<!-- extras: made by python -m tools.extras -->\n).*?(<!-- end of extras -->)", re.DOTALL)


@dataclass(frozen=True, order=True)
class Case:
    """A set of extras on one platform, beside one numpy.

    Attributes:
        extras: of pyproject.toml, together; none for the runtime alone.
        python: such as 3.13.
        architecture: as `uname -m` has it.
        numpy: its major version.
    """

    extras: tuple[str, ...]
    python: str
    architecture: str
    numpy: str


def cases() -> list[Case]:
    """List all that must resolve; numpy 1 only where it has wheels."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sets = [(), *((extra,) for extra in project["optional-dependencies"]), BOARD, WORKSHOP]
    return [
        Case(extras, python, architecture, numpy)
        for extras in sets
        for python in PYTHONS
        for architecture in ARCHITECTURES
        for numpy in NUMPYS
        if numpy == "2" or _minor(python) <= _minor(NUMPY_1_UNTIL)
    ]


def _minor(python: str) -> int:
    return int(python.split(".")[1])


def unresolved(uv: Path, case: Case, requirements: Sequence[str] = ()) -> str:
    """Resolve a case; returns uv's words if it does not resolve, else nothing.

    Args:
        uv: the program.
        case: what is resolved; of our own package, unless `requirements` are given.
        requirements: what is resolved in its place.
    """
    ours = () if requirements else ("pyproject.toml", *(f"--extra={extra}" for extra in case.extras))
    command: list[str | Path] = [
        str(uv), "pip", "compile", "-", *ours, "--python-version", case.python, "--python-platform",
        f"{case.architecture}-{_GLIBC}", "--only-binary", ":all:", "--no-config", "--no-python-downloads", "--quiet",
        "--no-header",
    ]  # fmt: skip
    given = "\n".join((NUMPYS[case.numpy], *requirements)) + "\n"
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=ROOT, timeout=600)
    if done.returncode:
        return done.stderr.strip() or f"exit code {done.returncode}"
    found = re.search(r"^numpy==(\d+)", done.stdout, re.MULTILINE)
    return "" if found and found[1] == case.numpy else f"numpy {found[1] if found else 'none'}, not {case.numpy}"


def resolve_all(uv: Path, wanted: Iterable[Case]) -> dict[Case, str]:
    """`unresolved` of each case; four at a time, since most of it is waiting for the index."""
    listed = list(wanted)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(listed, pool.map(lambda case: unresolved(uv, case), listed), strict=True))


def table(found: dict[Case, str]) -> str:
    """A row a set of extras, a column a Python: the numpy versions that it resolves with on both architectures."""
    rows = [f"| `pip install` | {' | '.join(PYTHONS)} |", "|---|" + "---|" * len(PYTHONS)]
    for extras in dict.fromkeys(case.extras for case in found):
        name = f"waste-edge[{','.join(extras)}]" if extras else "waste-edge"
        rows.append(f"| `{name}` | {' | '.join(_cell(found, extras, python) for python in PYTHONS)} |")
    return "\n".join(rows) + "\n"


def _cell(found: dict[Case, str], extras: tuple[str, ...], python: str) -> str:
    by_architecture = {
        name: ", ".join(
            case.numpy
            for case, fault in found.items()
            if (case.extras, case.python, case.architecture) == (extras, python, key) and not fault
        )
        for key, name in ARCHITECTURES.items()
    }
    if len(set(by_architecture.values())) == 1:
        return next(iter(by_architecture.values())) or "no"
    return "; ".join(f"{name}: {numpys or 'no'}" for name, numpys in by_architecture.items())


def page_with(found: dict[Case, str]) -> str:
    """The text of docs/setup.md with the table of what was found."""
    text = PAGE.read_text(encoding="utf-8")
    return replace_block(text, _BLOCK, table(found), "docs/setup.md: expected the comments of the extras")


def main() -> int:
    """Resolve, and write the table; 1 if a case does not resolve, or with --check if the table has drifted."""
    parser = argparse.ArgumentParser(description="Resolve every extra for every Python, and write the table.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if the table has drifted")
    parser.add_argument("--uv", help="the program; else the one on PATH")
    given = parser.parse_args()
    uv = given.uv or shutil.which("uv")
    if uv is None:
        print("uv is not installed here; pip install uv", file=sys.stderr)
        return 2
    found = resolve_all(Path(uv), cases())
    for case, fault in found.items():
        if fault:
            print(f"{case}: {fault}", file=sys.stderr)
    drifted = write_or_check(
        PAGE, PAGE.read_text(encoding="utf-8"), page_with(found), given.check, "python -m tools.extras"
    )
    return 1 if drifted or any(found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
