"""Bounds on the shape of the code that no linter of ours knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, TESTS = ROOT / "waste_edge", ROOT / "tests"
MOST_PARAMETERS = 6
MEDIAN_LINES = range(130, 251)  # of the package's files, those that only name a room among them
MOST_MODULES = 12  # loose in a room, beside its `__init__.py`
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


# A verb is a file, whose name is the verb: nineteen of them stand beside the modules that they share.
VERBS = {
    "bench", "classify", "commission", "compare", "distill", "doctor", "evaluate", "export", "inspect", "model",
    "rehearse", "replay", "run", "service", "setup", "site", "support", "train", "verify",
}  # fmt: skip


def test_files_are_neither_crumbs_nor_tomes() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")]
    assert int(median(lines)) in MEDIAN_LINES, "fold small modules into the neighbour that they belong to"


def test_rooms_hold_a_dozen_loose_modules_at_most() -> None:
    for room in _rooms():
        loose = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__", "__main__"}
        if room == "cli":
            assert loose >= VERBS
            loose -= VERBS
        assert len(loose) <= MOST_MODULES, f"waste_edge/{room}: make a room in it of modules that belong together"


# Tests beside those of the package, by what they test instead.
NOT_THE_PACKAGE = {
    "arm64": "wheels and networks on an emulated arm64",
    "container": "container/, and the image that it makes",
    "data": "what made the recorded data that tests read",
    "examples": "examples/",
    "faults": "a whole station whose power, disk, broker or camera fails",
    "fleet": "forty stations at one broker and one Prometheus",
    "fuzz": "every parser of outside input, with damaged input",
    "home_assistant": "a real Home Assistant",
    "packaging": "the wheel, installed",
    "systemd": "the unit under a real systemd, and a first boot",
    "tools": "tools/",
    "virtual_board": "libcamera's own virtual camera",
}
# Test modules that are about more than a module or a room, by what they hold.
ACROSS_ROOMS = {
    "test_docstrings.py": "the form of every docstring",
    "test_readme.py": "README.md",
    "test_shape.py": "the shape of the code",
    "device/test_day.py": "one scripted day at a bin",
    "device/test_install.py": "the shell files of device/",
    "device/decision/test_hard_scenes.py": "from the frames to the event",
}


def test_tests_mirror_the_package() -> None:
    """A test module bears the name of a module, of its room or of a room in it, perhaps with more words after that."""
    stray = []
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS)
        if place.parts[0] in NOT_THE_PACKAGE or place.as_posix() in ACROSS_ROOMS:
            continue
        room, words = PACKAGE / place.parent, path.stem.removeprefix("test_").split("_")
        names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        tested = [(room / f"{name}.py").is_file() or name == room.name or (room / name).is_dir() for name in names]
        if not room.is_dir() or not any(tested):
            stray.append(place.as_posix())
    assert stray == [], "name it after the module that it tests"
    assert [place for place in ACROSS_ROOMS if not (TESTS / place).is_file()] == []
    assert [folder for folder in NOT_THE_PACKAGE if not (TESTS / folder).is_dir()] == []


def test_every_room_has_tests() -> None:
    assert [room for room in _rooms() if not list((TESTS / room).glob("test_*.py"))] == []


def _rooms() -> Iterator[str]:
    """Every package below `waste_edge`, and itself, as a path."""
    for path in sorted(PACKAGE.rglob("__init__.py")):
        yield path.parent.relative_to(PACKAGE).as_posix()
