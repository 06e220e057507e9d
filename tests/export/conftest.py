"""The whole chain in miniature, through the command line: teacher, student, bundle. Made once for all tests here."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import write_photos
from tests.export.parity import assert_bundle_parity

MODEL = """
name = "{name}"
[model]
architecture = "{architecture}"
width = {width}
dropout = 0.0
[input]
width_px = 48
height_px = 48  # at 32 the last feature map is one pixel, whose mean the converter writes as SUM: no XNNPACK operator
[fit]
epochs = 1
batch_size = 4
learning_rate = 3e-3
warmup_epochs = 0.1
[augment]
min_area = 0.8
colour_jitter = 0.1
"""
# Its weight is 0, so that the tree changes the bundle and not the student.
TREE = '[tree]\nweight = 0.0\n[tree.parents]\nwarm = ["red"]\ncold = ["blue", "green"]\n'
# One epoch leaves many answers near a tie, which INT8 then tips: the accuracy gate has tests of its own.
QUANTIZE = 'name = "static_wi8_ai8"\ncalibration_pictures = 24\nmax_drop_points = 12.0\n'


@dataclass(frozen=True)
class Chain:
    """What the commands left behind."""

    data: Path
    teacher: Path
    student: Path
    bundle: Path
    export_recipe: Path


def command_line(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`waste-edge ARGUMENTS...` in a process of its own, as a user calls it; whatever it exports must agree."""
    command = [sys.executable, "-m", "waste_edge", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if arguments[0] == "export" and done.returncode == 0:
        assert_bundle_parity(Path(str(arguments[arguments.index("--out") + 1])))
    return done


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folder = tmp_path_factory.mktemp("chain")
    data = write_photos(folder / "photos", {"red": 200, "green": 200, "blue": 200})
    teacher_recipe, student_recipe = folder / "teacher.toml", folder / "student.toml"
    teacher_recipe.write_text(MODEL.format(name="teacher", architecture="mobilenet_v2", width=0.35))
    text = MODEL.format(name="student", architecture="mobilenet_v1", width=0.25)
    student_recipe.write_text(text + "[distill]\ntemperature = 2.0\nalpha = 0.5\n" + TREE)
    export_recipe = folder / "quantize.toml"
    export_recipe.write_text(QUANTIZE)
    made = Chain(data, folder / "teacher", folder / "student", folder / "bundle", export_recipe)
    for arguments in (
        ("train", teacher_recipe, "--data", data, "--out", made.teacher),
        ("distill", student_recipe, "--teacher", made.teacher, "--data", data, "--out", made.student),
        ("export", made.student, "--data", data, "--out", made.bundle, "--recipe", export_recipe),
    ):
        done = command_line(*arguments)
        assert done.returncode == 0, f"{arguments[0]}: {done.stdout}{done.stderr}"
    return made
