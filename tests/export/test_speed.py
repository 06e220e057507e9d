"""What the small students are for, measured again: the students' CNN, MobileNetV1s and MobileNetV2 in the same turns.

    pytest -m long tests/export/test_speed.py -s

prints the table. Weights are all but random (one epoch on coloured squares): speed does not depend on them. CPU time of
one thread, interleaved medians: their ratios bear other load on the machine.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import write_photos
from tests.export.conftest import QUANTIZE, command_line
from waste_edge.benchmarks.compare import Comparison, Contender
from waste_edge.resources import shipped
from waste_edge.strict import read_json

pytestmark = pytest.mark.timeout(2400)  # four trainings and exports; on a busy machine ten minutes are not enough
RECIPES = ("student_cnn4", "student_mobilenet_v1_025", "student_mobilenet_v1_035", "teacher_mobilenet_v2")


def miniature(recipe: str, folder: Path) -> Path:
    """A shipped recipe with its network and input as they are, its training cut down to one epoch from nothing."""
    text = (shipped("training") / f"{recipe}.toml").read_text(encoding="utf-8")
    text = text.partition("[distill]")[0].replace('pretrained = "imagenet"', 'pretrained = "none"')
    for key, value in (("epochs", 1), ("views_per_label", 0)):
        text = re.sub(rf"(?m)^{key} = \d+", f"{key} = {value}", text)
    (folder / f"{recipe}.toml").write_text(text, encoding="utf-8")
    return folder / f"{recipe}.toml"


@pytest.fixture(scope="module")
def contenders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contender]:
    folder = tmp_path_factory.mktemp("speed")
    photos, quantize = write_photos(folder / "photos", {"red": 40, "green": 40, "blue": 40}), folder / "quantize.toml"
    quantize.write_text(QUANTIZE, encoding="utf-8")
    for recipe in RECIPES:
        run, out = folder / f"run-{recipe}", folder / recipe
        for arguments in (
            ("train", miniature(recipe, folder), "--data", photos, "--out", run),
            ("export", run, "--data", photos, "--out", out, "--recipe", quantize, "--version", "untrained"),
        ):
            done = command_line(*arguments)
            assert done.returncode == 0, done.stderr
    first, *others = (folder / recipe for recipe in RECIPES)
    against = [word for other in others for word in ("--against", other)]
    done = command_line("bench", "--bundle", first, *against, "--cpu-time", "--seconds", 60, "--out", folder / "a.json")
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return {contender.recipe: contender for contender in read_json(folder / "a.json", Comparison).contenders}


def speedup(contender: Contender, engine: str) -> float:
    return next(one.fp32_over_int8 for one in contender.speedups if one.engine == engine)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_the_four_block_networks_int8_is_not_slower_than_its_fp32(
    contenders: dict[str, Contender], engine: str
) -> None:
    assert contenders["student_cnn4"].input_px == (224, 224)
    assert speedup(contenders["student_cnn4"], engine) >= 1.0


@pytest.mark.long
def test_the_small_student_is_eight_times_faster(contenders: dict[str, Contender]) -> None:
    assert contenders["student_mobilenet_v1_025"].first_over_this["tflite-int8"] >= 8


@pytest.mark.long
def test_the_student_of_0_4_million_parameters_gains_on_its_better_engine(contenders: dict[str, Contender]) -> None:
    """Below 1.3: `python -m tests.export.measure_onnx profile BUNDLE` shows which operators take the time."""
    assert 390_000 < contenders["student_mobilenet_v1_035"].parameters < 420_000
    assert max(speedup(contenders["student_mobilenet_v1_035"], engine) for engine in ("litert", "onnx")) >= 1.3


@pytest.mark.long
def test_a_file_is_hardly_more_than_its_weights(contenders: dict[str, Contender]) -> None:
    student = contenders["student_mobilenet_v1_035"]
    sizes = {row.artifact: row.size_bytes / student.parameters for row in student.rows if row.size_bytes}
    assert sizes["tflite-int8"] <= 1.3
    assert sizes["onnx-int8"] <= 1.3


@pytest.mark.long
def test_the_teachers_int8_gains_on_its_better_engine(contenders: dict[str, Contender]) -> None:
    assert max(speedup(contenders["teacher_mobilenet_v2"], engine) for engine in ("litert", "onnx")) >= 1.8
