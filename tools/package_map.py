"""The map of the package in docs/architecture.md: `python -m tools.package_map`, or `make map`.

Layers come from import-linter's contract in pyproject.toml, from the top; what a room is comes from its docstring. The
map stands between two comments, and what stands between them is replaced. With --check nothing is written, and a map
that has drifted ends it with 1.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

from tools.page_block import is_check
from waste_edge.files.atomic import write_atomically

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
_BLOCK = re.compile(r"(<!-- map: made by make map -->\n).*?(<!-- end of map -->)", re.DOTALL)


def package_map() -> str:
    """A Markdown table: a row for each layer's rooms, and one for each group of files in them."""
    rows = ["| layer | room | what it holds |", "|---|---|---|"]
    for number, names in enumerate(layers(), 1):
        for name in names:
            path = ROOT / name.replace(".", "/")
            rows.append(f"| {number} | **`{path.name}`** | {first_sentence(path)} |")
            rows += [f"| | `{path.name}/{group.name}` | {first_sentence(group)} |" for group in groups(path)]
    return "\n".join(rows) + "\n"


def layers() -> list[list[str]]:
    """Modules of each layer that exist, the highest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    found = [[name.strip(" ()") for name in layer.split("|")] for layer in contract["layers"]]
    return [[name for name in names if _source(ROOT / name.replace(".", "/"))] for names in found]


def groups(room: Path) -> list[Path]:
    """The packages directly in a room, by name; none for a single module."""
    return sorted(one.parent for one in room.glob("*/__init__.py"))


def first_sentence(path: Path) -> str:
    """The first sentence of a package's or module's docstring."""
    source = _source(path)
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else None
    if not text:
        raise SystemExit(f"{path}: has no docstring; the map takes its first sentence")
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) ", paragraph)[0].replace("|", r"\|")


def _source(path: Path) -> Path | None:
    return next((one for one in (path / "__init__.py", path.with_suffix(".py")) if one.is_file()), None)


def main() -> int:
    """Write the map into the page, or with --check say whether it is there."""
    checking = is_check(sys.argv[1:], __doc__)
    text = PAGE.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        raise SystemExit(f"{PAGE}: has no place for the map (two comments, see {Path(__file__).name})")
    made = _BLOCK.sub(lambda found: f"{found[1]}{package_map()}{found[2]}", text)
    if made == text:
        return 0
    if checking:
        print(f"{PAGE}: the map has drifted; run make map", file=sys.stderr)
        return 1
    write_atomically(PAGE, made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
