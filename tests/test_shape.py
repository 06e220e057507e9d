"""Bounds on the shape of the code that no linter of ours knows."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "waste_edge"
MOST_PARAMETERS = 6
# Python's counterparts of verbs, and what trains and exports behind them.
ALLOWED = {
    ("api.py", "train"),
    ("api.py", "distill"),
    ("api.py", "export"),
    ("export/build.py", "export_bundle"),
    ("training/loop/fit.py", "fit"),
}


def test_functions_have_few_parameters_but_for_five_outside_the_command_line() -> None:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith("cli/"):  # a verb has a parameter an option
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
                if len([name for name in names if name not in ("self", "cls")]) > MOST_PARAMETERS:
                    found.add((place, node.name))
    assert len(ALLOWED) <= 5
    assert found == ALLOWED, "group parameters that belong together in a frozen dataclass"
