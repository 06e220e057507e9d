"""Programs of examples/, run as a user would; `distil_and_export.py` is run by tests/export/test_export_example.py."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *arguments: object, **environment: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *(str(one) for one in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for index in range(3):
        pixels = generator.integers(0, 256, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.jpg")
    return folder


def test_each_is_short_and_listed() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    programs = sorted(EXAMPLES.glob("*.py"))
    assert len(programs) >= 6
    for program in programs:
        assert len(program.read_text(encoding="utf-8").splitlines()) <= 15, program.name
        assert program.name in table


def test_classify_folder(photos: Path) -> None:
    lines = run("classify_folder.py", photos).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["0.jpg", "1.jpg", "2.jpg"]
    assert all(line.endswith("%") for line in lines)


def test_classify_csv(photos: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "photos.csv", tmp_path / "labelled.csv"
    source.write_text("path\n" + "".join(f"{path}\n" for path in sorted(photos.iterdir())), encoding="utf-8")
    run("classify_csv.py", source, target)
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [str(path) for path in sorted(photos.iterdir())]
    assert all(row["label"] and 0 < float(row["confidence"]) <= 1 for row in rows)


def test_print_items() -> None:
    assert " because " in first_line("print_items.py", "synthetic")


def test_light_led_with_mock_pins() -> None:
    pytest.importorskip("gpiozero", reason="gpiozero, of the extra dev, is not installed")
    watched = "import gpiozero, runpy, sys; sys.argv[1:] = ['synthetic']; blink = gpiozero.LED.blink\n"
    watched += "gpiozero.LED.blink = lambda self, **how: (blink(self, **how), print(self.pin, how, flush=True))\n"
    watched += f"runpy.run_path({str(EXAMPLES / 'light_led.py')!r})\n"
    line = first_line("-c", watched, GPIOZERO_PIN_FACTORY="mock")
    assert line.startswith("GPIO"), line


def test_own_sink(tmp_path: Path) -> None:
    target = tmp_path / "decisions.csv"
    program = start("own_sink.py", target, "synthetic:30")
    try:
        deadline = time.monotonic() + 60
        while not (target.is_file() and target.read_text(encoding="utf-8").endswith("\n")):
            assert program.poll() is None, "it ended"
            assert time.monotonic() < deadline, "no item was written"
            time.sleep(0.1)
    finally:
        program.kill()
        program.communicate()
    (row,) = csv.reader(target.read_text(encoding="utf-8").splitlines()[:1])
    assert [len(row), len(row[0])] == [3, 32]
    assert 0 <= float(row[2]) <= 1


def start(name: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    program = [name] if name == "-c" else [str(EXAMPLES / name)]
    command = [sys.executable, "-u", *program, *(str(one) for one in arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )


def first_line(name: str, *arguments: object, **environment: str) -> str:
    """The first line that a program prints that would go on for ever."""
    program = start(name, *arguments, **environment)
    assert program.stdout is not None
    try:
        return program.stdout.readline()
    finally:
        program.kill()
        program.communicate()
