"""What every verb has in common: help, errors in one line, exit codes, and nothing imported before its time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from waste_edge import __version__
from waste_edge.cli import main as main_module
from waste_edge.cli.main import command_line, main, with_bare_values
from waste_edge.errors import BundleError, EngineError

WasteEdge = Callable[..., Any]
VERBS = [
    "run", "setup", "commission", "doctor", "support", "classify", "bench", "evaluate", "rehearse", "report", "replay",
    "verify", "inspect", "train", "distill", "compare", "export",
]  # fmt: skip
HEAVY = ("numpy", "cv2", "PIL", "onnxruntime", "ai_edge_litert", "tflite_runtime", "torch", "matplotlib", "msgspec")


@pytest.mark.parametrize(
    ("given", "completed"),
    [
        ("run --camera", "run --camera auto"),
        ("run --camera 0", "run --camera 0"),
        ("run --camera /dev/video2 --json", "run --camera /dev/video2 --json"),
        ("run --camera picamera:0", "run --camera picamera:0"),
        ("run --camera --json", "run --camera auto --json"),
        ("run --camera -b small", "run --camera auto -b small"),
        ("run --json --camera", "run --json --camera auto"),
        ("run --camera auto", "run --camera auto"),
        ("run --camera=1 --json", "run --camera=1 --json"),
        ("run --demo", "run --demo"),
        ("classify --camera", "classify --camera"),
        ("", ""),
    ],
)
def test_a_bare_camera_means_auto(given: str, completed: str) -> None:
    assert with_bare_values(given.split()) == completed.split()


def modules_after(*arguments: str) -> set[str]:
    script = (
        "import json, sys\n"
        "from waste_edge.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["classify", "--help"], ["export", "--help"]])
def test_help_imports_no_engine_and_no_opencv(arguments: list[str]) -> None:
    assert not modules_after(*arguments) & set(HEAVY)


def test_the_test_above_would_see_an_import() -> None:
    script = "import sys, json, numpy; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches(waste_edge: WasteEdge, verb: str) -> None:
    outcome = waste_edge(verb, "--help")
    assert outcome.exit_code == 0
    assert outcome.stdout.count(f"waste-edge {verb} ") >= 2, "one is the usage, another an example"
    assert "[bold]" not in outcome.stdout


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, with the words that lead to it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def as_shown(text: str) -> list[str]:
    """The lines of a docstring or of an option's help as they are to be read: without the marks for bold and dim."""
    plain = re.sub(r"(?<!\\)\[(bold|dim|/)\]", "", text.replace("\b", "")).replace("\\[", "[")
    return [" ".join(line.split()) for line in plain.splitlines() if line.split()]


@pytest.mark.long
def test_no_word_of_a_help_is_lost_and_no_line_breaks_in_the_middle() -> None:
    """Rich takes an unescaped [push] for a mark and swallows it, and breaks a line that is wider than the terminal."""
    app = command_line(["--help"])
    lost = []
    for path, command in commands(get_command(app)):
        narrow, wide = (
            CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": columns}).stdout for columns in ("80", "2000")
        )
        in_lines, in_all = {" ".join(line.split()) for line in narrow.splitlines()}, " ".join(wide.split())
        lost += [(path, line) for line in as_shown(command.help or "") if line not in in_all]
        if path:  # the program's own help is one paragraph
            written = [line for line in (command.help or "").splitlines() if "[/]" not in line]  # no example in bold
            lost += [(path, "broken", line) for line in as_shown("\n".join(written)) if line not in in_lines]
        helps = [option.help for option in command.params if getattr(option, "help", "") and not option.hidden]
        lost += [(path, line) for text in helps for line in as_shown(text) if line not in in_all]
    assert lost == [], "write \\\\[push] for [push], and lines of at most 78 letters"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("support", "the topic of [push]"),
        ("support", "the phones of [push]"),
        ("doctor", "the phones of [push]"),
        ("collect list", "With [collect] in station.toml"),
        ("collect purge", "take [collect] out"),
        ("rehearse", "a station on this machine would take"),
        ("run", "Its items are drawn, as some that the networks were trained on are"),
    ],
)
def test_help_says(waste_edge: WasteEdge, monkeypatch: pytest.MonkeyPatch, words: str, said: str) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    assert said in " ".join(waste_edge(*words.split(), "--help").stdout.split())


def test_all_verbs_are_listed(waste_edge: WasteEdge) -> None:
    outcome = waste_edge("--help")
    assert all(verb in outcome.stdout for verb in [*VERBS, "service"])
    assert "-h" in outcome.stdout
    assert waste_edge("-h") == outcome


def test_version(waste_edge: WasteEdge) -> None:
    assert waste_edge("--version") == (0, f"waste-edge {__version__}\n", "")


@pytest.mark.parametrize("words", [("classify",), ("rehearse", "small", "--films"), ("data", "check")])
def test_a_camera_s_address_in_a_file_s_place_is_shown_without_its_password(
    waste_edge: WasteEdge, words: tuple[str, ...]
) -> None:
    outcome = waste_edge(*words, "rtsp://user:hush@192.0.2.1/x")
    assert outcome.exit_code == 2
    assert "rtsp://192.0.2.1/x: the address of a camera" in outcome.stderr
    assert "hush" not in outcome.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "--config", "nowhere.toml"),
        ("bench", "--recorded", "nowhere.json"),
        ("evaluate", "nowhere", "--data", "nowhere"),
        ("rehearse", "nowhere"),
        ("compare", "nowhere", "neither", "--data", "nowhere"),
        ("inspect", "nowhere"),
        ("inspect", "nowhere", "--graph"),
        ("verify", "nowhere"),
        ("report", "nowhere.jsonl"),
        ("collect", "list", "--state", "nowhere"),
    ],
)
def test_a_reader_of_json_learns_why_there_is_no_result(waste_edge: WasteEdge, words: tuple[str, ...]) -> None:
    outcome = waste_edge(*words, "--json")
    assert outcome.exit_code == 2
    assert "no such" in json.loads(outcome.stdout)["error"]
    assert outcome.stderr.count("\n") == 1


def test_a_mistyped_verb_or_option_is_the_users_mistake(waste_edge: WasteEdge) -> None:
    for arguments in (["clasify"], ["verify", "--jsn"], ["bench", "--threads", "0"], ["classify"]):
        outcome = waste_edge(*arguments)
        assert outcome.exit_code == 2, arguments
        assert outcome.stdout == ""
        assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (BundleError("x.zip: broken; copy it again"), 2, "waste-edge: x.zip: broken; copy it again\n"),
        (EngineError("LiteRT failed"), 1, "waste-edge: LiteRT failed\n"),
        (
            RuntimeError("two\nlines"),
            1,
            "waste-edge: internal error, please report it: RuntimeError: two lines (WASTE_EDGE_DEBUG=1 shows where)\n",
        ),
    ],
)
def test_every_error_is_one_line(
    waste_edge: WasteEdge, monkeypatch: pytest.MonkeyPatch, error: Exception, exit_code: int, message: str
) -> None:
    broken = typer.Typer()

    @broken.command()
    def fail() -> None:
        raise error

    monkeypatch.delenv("WASTE_EDGE_DEBUG", raising=False)
    monkeypatch.setattr(main_module, "command_line", lambda words: broken)
    assert waste_edge() == (exit_code, "", message)
    monkeypatch.setenv("WASTE_EDGE_DEBUG", "1")
    with pytest.raises(type(error)):
        main([])


def test_a_reader_that_leaves_is_no_error(colour_photos: Any, tiny_bundle: Any) -> None:
    command = f"{sys.executable} -m waste_edge classify {colour_photos} --bundle {tiny_bundle} --json | head -n 1"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60)
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""


def test_the_app_has_no_other_verbs() -> None:
    names = [command.name for command in command_line([]).registered_commands]
    assert names == VERBS


@pytest.mark.parametrize("old", ["sys.version_info = (3, 9, 18)", "sys.maxsize = 2**31 - 1"])
def test_a_python_that_is_too_old_or_small_is_one_line(old: str) -> None:
    """From a checkout pip was not asked; tried with real Pythons 3.7 to 3.10 too (docs/troubleshooting.md)."""
    code = f"import sys; {old}; import waste_edge"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("waste-edge: needs Python 3.11 or later with 64 bits, this is 3.")
    assert len(done.stderr.splitlines()) == 1
