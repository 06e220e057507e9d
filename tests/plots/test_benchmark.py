"""Pictures come from the report's JSON alone, and say what they must."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.benchmarks.reports import EXAMPLE
from waste_edge.benchmarks.roofline.model import Measured, Roofline, floors_of
from waste_edge.benchmarks.schema import Agreement, BenchReport, Disturbance
from waste_edge.files.strict import read_json
from waste_edge.plots import benchmark, style
from waste_edge.plots.benchmark import draw_benchmark


@pytest.fixture
def report() -> BenchReport:
    return read_json(EXAMPLE, BenchReport)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Every picture's texts, by its file's name."""
    found: dict[str, str] = {}

    def spy(figure: Figure, path: Path) -> Path:
        texts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
        found[path.name] = "\n".join(texts)
        return style.save(figure, path)

    monkeypatch.setattr(benchmark, "save", spy)
    return found


def test_what_the_report_tells_is_drawn(report: BenchReport, tmp_path: Path, words: dict[str, str]) -> None:
    drawn = draw_benchmark(report, tmp_path)
    assert sorted(path.name for path in drawn) == ["accuracy.png", "latency.png", "over_time.png", "stages.png"]
    for path in drawn:
        picture = np.asarray(Image.open(path).convert("L"))
        assert picture.shape[1] > 900
        assert picture.std() > 5  # there is something on it
        assert "Made-up CPU" in words[path.name]
        assert "INVALID" not in words[path.name]
    assert "onnx-fp32, bare loop" in words["latency.png"]
    assert "infer" in words["stages.png"]


def test_a_disturbed_run_says_so_on_every_picture(report: BenchReport, tmp_path: Path, words: dict[str, str]) -> None:
    disturbed = msgspec.structs.replace(
        report, valid=False, disturbances=[Disturbance(what="load", at_s=1.0, text="another process")]
    )
    draw_benchmark(disturbed, tmp_path)
    assert len(words) == 4
    assert all("INVALID: this run was disturbed (load)" in said for said in words.values())


def test_agreement_is_never_called_accuracy(report: BenchReport, tmp_path: Path, words: dict[str, str]) -> None:
    agreement = Agreement(pictures=12, agreement=1.0, low=0.76, high=1.0, reference="onnx-fp32")
    rows = [msgspec.structs.replace(row, accuracy=None, agreement=agreement) for row in report.rows]
    draw_benchmark(msgspec.structs.replace(report, rows=rows, pipelines=[]), tmp_path)
    assert "Agreement, not accuracy" in words["accuracy.png"]
    assert "accuracy, %" not in words["accuracy.png"]
    assert "stages.png" not in words


def test_a_roofline_is_drawn_if_there_is_one(report: BenchReport, tmp_path: Path, default_bundle: Path) -> None:
    from tests.benchmarks.roofline.test_model import BOARD, TWO_LAYERS
    from waste_edge.benchmarks.roofline.model import Roof

    key = "small/tflite-int8/litert/1/ours"
    network = Measured(key, default_bundle / "model-int8.tflite", "tflite-int8", 1, 1.4)
    roof = Roof(
        key=key,
        macs=TWO_LAYERS.macs,
        moved_bytes=TWO_LAYERS.moved_bytes,
        peak_gmacs_per_s=100.0,
        memory_gb_per_s=10.0,
        least_ms=0.3,
        measured_ms=1.4,
        peak_share=0.06,
        roof_share=0.21,
        memory_bound_share=0.7,
        layers=[],
        uncounted=[],
    )
    roofline = Roofline(roofs=[roof], floors=floors_of(network, TWO_LAYERS, BOARD))
    drawn = draw_benchmark(msgspec.structs.replace(report, roofline=roofline), tmp_path)
    assert tmp_path / "roofline.png" in drawn
