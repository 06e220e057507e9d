"""Write docs/api.md, the reference of `waste_edge.api`, from its docstrings.

    .venv-dev/bin/python tools/make_api_docs.py            # `--check` only tells whether the file is up to date

Docstrings are read by griffe, without importing the package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
_HEAD = """# Python API

*Made from the docstrings by `make api-docs`; a test fails when it is out of date. Programs of a few lines that use it:
[examples/](../examples/README.md).*
"""


def page() -> str:
    """Render the whole page as Markdown."""
    package = griffe.load("waste_edge", search_paths=[str(ROOT)], docstring_parser="google", resolve_aliases=True)
    api = package["api"]
    names = [name for name in api.exports if name != "WasteEdgeError"]
    errors = [name for name in names if name.endswith("Error")]
    parts = [_HEAD, _text(api)]
    for name in sorted(set(names) - set(errors), key=lambda one: (api[one].kind.value, one)):
        parts.extend(_object(api[name], name, level=2))
    parts.append("## Errors\n\n```text\n" + str(package["errors"].docstring.value).split("\n\n")[1] + "\n```\n")
    return "\n".join(part.rstrip() + "\n" for part in parts if part.strip())


def _object(found: griffe.Object | griffe.Alias, name: str, level: int) -> Iterator[str]:
    """Render a class with its public members, or a function."""
    target = found.final_target if isinstance(found, griffe.Alias) else found
    yield f"{'#' * level} `{name}`"
    if isinstance(target, griffe.Function) and not _is_property(target):
        yield f"```python\n{_signature(target)}\n```"
    yield _text(target)
    if isinstance(target, griffe.Class):
        for member in target.members.values():
            documented = isinstance(member, griffe.Function | griffe.Attribute) and member.docstring
            if documented and not member.name.startswith("_"):
                yield from _object(member, f"{name}.{member.name}", level + 1)


def _is_property(target: griffe.Object) -> bool:
    return "property" in target.labels


def _signature(function: griffe.Function) -> str:
    """Return the signature on one line, or a parameter a line where that is too long."""
    line = function.signature()
    if len(line) <= 100:
        return line
    inside, _, after = line.partition("(")[2].rpartition(")")
    parameters: list[str] = [""]
    depth = 0
    for character in inside:
        depth += (character in "[(") - (character in "])")
        if character == "," and not depth:
            parameters.append("")
        else:
            parameters[-1] += character
    rows = "".join(f"    {one.strip()},\n" for one in parameters if one.strip())
    return f"{function.name}(\n{rows}){after}"


def _text(target: griffe.Object) -> str:
    """Render a docstring's sections."""
    if target.docstring is None:
        return ""
    parts = []
    for section in target.docstring.parse("google"):
        if section.kind is griffe.DocstringSectionKind.text:
            parts.append(str(section.value))
        elif isinstance(section.value, list):
            rows = "\n".join(_row(item) for item in section.value)
            parts.append(f"**{section.kind.value.capitalize()}**\n\n{rows}")
    return "\n\n".join(parts)


def _row(item: griffe.DocstringElement) -> str:
    name = getattr(item, "name", "")
    annotation = "" if item.annotation is None else f"`{item.annotation}`"
    head = " ".join(part for part in (f"`{name}`" if name else "", annotation) if part)
    return f"- {head}: {' '.join(item.description.split())}" if head else f"- {' '.join(item.description.split())}"


def main() -> int:
    """Write the page, or with --check compare it; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/api.md from the docstrings of waste_edge.api.")
    parser.add_argument("--check", action="store_true", help="Write nothing; exit 1 if docs/api.md is out of date.")
    rendered, check = page(), parser.parse_args().check
    if check:
        return int(PAGE.read_text(encoding="utf-8") != rendered)
    PAGE.write_text(rendered, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
