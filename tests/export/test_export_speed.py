"""Speed of the small students, measured again: earlier projects' CNN, MobileNetV1s and MobileNetV2 in the same turns.

    pytest -m long tests/export/test_export_speed.py -s

prints the table. Weights are all but random (one epoch on coloured squares): speed does not depend on them. CPU time of
one thread, interleaved medians: their ratios bear other load on the machine.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import write_photos
from tests.export.conftest import QUANTIZE, command_line
from waste_edge.benchmarks.schema import BenchReport, Ratio, Subject
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json

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
def report(tmp_path_factory: pytest.TempPathFactory) -> BenchReport:
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
    words = ("--cpu-time", "--engine-only", "--seconds", 60, "--out", folder / "a.json")
    done = command_line("bench", "--bundle", first, *against, *words)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return read_json(folder / "a.json", BenchReport)


def ratio(report: BenchReport, what: str, recipe: str, artifact: str) -> float:
    """The ratio over a recipe's network."""
    name = subject_of(report, recipe).name

    def speaks_of_it(one: Ratio) -> bool:
        row = report.row(one.denominator)
        return one.what == what and (row.subject, row.artifact, row.kind) == (name, artifact, "ours")

    return next(one.value for one in report.ratios if speaks_of_it(one))


def subject_of(report: BenchReport, recipe: str) -> Subject:
    return next(subject for subject in report.subjects if subject.recipe == recipe)


def speedup(report: BenchReport, recipe: str, engine: str) -> float:
    return ratio(report, "fp32 over int8", recipe, "tflite-int8" if engine == "litert" else "onnx-int8")


@pytest.mark.long
@pytest.mark.parametrize("engine", ["litert", "onnx"])
def test_the_four_block_networks_int8_is_not_slower_than_its_fp32(report: BenchReport, engine: str) -> None:
    assert subject_of(report, "student_cnn4").input_px == (224, 224)
    assert speedup(report, "student_cnn4", engine) >= 1.0


@pytest.mark.long
def test_the_small_student_is_eight_times_faster(report: BenchReport) -> None:
    assert ratio(report, "first over this", "student_mobilenet_v1_025", "tflite-int8") >= 8


@pytest.mark.long
def test_the_student_of_0_4_million_parameters_gains_on_its_better_engine(report: BenchReport) -> None:
    """Below 1.3: `python -m tests.export.measure_onnx profile BUNDLE` shows which operators take the time."""
    assert 390_000 < (subject_of(report, "student_mobilenet_v1_035").parameters or 0) < 420_000
    assert max(speedup(report, "student_mobilenet_v1_035", engine) for engine in ("litert", "onnx")) >= 1.3


@pytest.mark.long
def test_a_file_is_hardly_more_than_its_weights(report: BenchReport) -> None:
    student = subject_of(report, "student_mobilenet_v1_035")
    assert student.parameters is not None
    rows = [row for row in report.rows if row.subject == student.name and row.size_bytes]
    sizes = {row.artifact: (row.size_bytes or 0) / student.parameters for row in rows}
    assert sizes["tflite-int8"] <= 1.3
    assert sizes["onnx-int8"] <= 1.3


@pytest.mark.long
def test_the_teachers_int8_gains_on_its_better_engine(report: BenchReport) -> None:
    assert max(speedup(report, "teacher_mobilenet_v2", engine) for engine in ("litert", "onnx")) >= 1.8
