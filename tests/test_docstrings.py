"""The form of docstrings and help texts: they begin with a verb or a noun phrase, not with a question or a riddle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from waste_edge.cli.main import command_line

ROOT = Path(__file__).resolve().parent.parent
QUESTION = re.compile(r"(What|Who|Whose|Whom|How|When|Which|Where|Why|Whether|Whatever|Whoever)\b")
RIDDLE = re.compile(r"(Somebody|Something|Nobody|Nothing|Everything|It|There|So|Such|Of|Is|Does|Some)\b")
MARKUP = re.compile(r"\[(?!/|bold\]|dim\])[a-z]")
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _docstrings() -> Iterator[tuple[str, str, str]]:
    """(path:line, name, docstring) of everything documented in the package, the tools and the examples."""
    for folder in ("waste_edge", "tools", "examples"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, Documented) and (text := ast.get_docstring(node)):
                    place = f"{path.relative_to(ROOT)}:{node.body[0].lineno}"
                    yield place, getattr(node, "name", path.stem), text


def _commands() -> Iterator[tuple[str, Any]]:
    """(verb, command) of every verb, groups and their verbs alike."""
    waiting: list[tuple[str, Any]] = [("waste-edge", typer.main.get_command(command_line([])))]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        waiting += [(f"{name} {verb}", one) for verb, one in getattr(command, "commands", {}).items()]


COMMANDS = dict(_commands())


def test_all_verbs_are_found() -> None:
    assert {"waste-edge run", "waste-edge compare", "waste-edge data fetch", "waste-edge service update"} <= set(
        COMMANDS
    )


def test_no_docstring_begins_with_a_question_word() -> None:
    found = list(_docstrings())
    assert len(found) > 2000, "the walk finds the package"
    assert [(place, text.splitlines()[0]) for place, _, text in found if QUESTION.match(text)] == []


def test_no_public_docstring_begins_with_a_riddle() -> None:
    public = ((place, text) for place, name, text in _docstrings() if not name.startswith("_"))
    assert [(place, text.splitlines()[0]) for place, text in public if RIDDLE.match(text)] == []


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_help_begins_with_a_verb_and_fits(verb: str) -> None:
    text = COMMANDS[verb].help or ""
    assert text
    assert not QUESTION.match(text)
    assert not RIDDLE.match(text)
    summary = text.split("\n\n")[0]
    assert "\n" not in summary, "one line in the list of verbs"
    assert len(summary) <= 80
    assert summary.endswith(".")


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_option_is_explained(verb: str) -> None:
    for parameter in COMMANDS[verb].params:
        said = getattr(parameter, "help", None) or ""
        assert said, f"{verb}: {parameter.name} has no help"
        assert not QUESTION.match(said), f"{verb} {parameter.name}: {said}"
        assert said.rstrip().endswith("."), f"{verb} {parameter.name}: {said}"
        assert not MARKUP.search(said), f"{verb} {parameter.name}: Rich takes the brackets for markup: {said}"
