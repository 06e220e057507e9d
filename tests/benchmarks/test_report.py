"""A whole benchmark of the tiny bundle, each part of its report held against what it speaks of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.reports import made_up_report
from tests.device.boards import HEALTHY_PI5, write
from waste_edge.benchmarks.accuracy import agreement
from waste_edge.benchmarks.endurance import WINDOWS, endure
from waste_edge.benchmarks.report import benchmark
from waste_edge.benchmarks.scenario import quick
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.benchmarks.show import markdown, rows_table, sentences
from waste_edge.benchmarks.station.first_decision import time_starts
from waste_edge.benchmarks.station.stages import STAGES, WARM_UP_FRAMES, measure_stages
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.device.system.board import Board
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.engine import Output
from waste_edge.engines.onnx import OnnxEngine
from waste_edge.errors import EngineError
from waste_edge.files.strict import read_json, to_json
from waste_edge.imaging.frames import Pixels

SCENARIO = quick(0.3, starts=1, frames=12, loads=1, pictures=2, energy_seconds=0.05, look_seconds=0.1)


def ignore(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def report(tiny_bundle: Path, colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchReport:
    root = HEALTHY_PI5.make(tmp_path_factory.mktemp("board"))
    for name, value in (("energy_uj", 5), ("max_energy_range_uj", 10)):
        write(root, f"sys/class/powercap/intel-rapl:0/{name}", str(value))
    return benchmark([open_bundle(tiny_bundle)], SCENARIO, ignore, Board(root), colour_photos)


def test_every_part_is_there(report: BenchReport, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(to_json(report), encoding="utf-8")
    assert read_json(tmp_path / "a.json", BenchReport) == report
    assert report.valid
    ours = [row for row in report.rows if row.kind == "ours" and row.status == "measured"]
    assert [row.artifact for row in ours] == ["onnx-fp32", "onnx-int8"]
    for row in ours:
        assert row.start is not None
        assert row.start.first_decision_ms > 50, "no Python starts faster"
        assert row.energy is not None
        assert row.energy.source == "RAPL, 1 processor package"
        assert row.accuracy is not None
        assert row.accuracy.pictures == 6
        assert row.accuracy.low < row.accuracy.accuracy == 1.0
    assert [(one.int8, one.fp32, one.points) for one in report.differences] == [(ours[1].key, ours[0].key, 0.0)]
    assert report.differences[0].low_points < 0 < report.differences[0].high_points
    assert [pipeline.key for pipeline in report.pipelines] == [row.key for row in ours]
    assert report.protocol["tiny"].startswith("the validation part, 6 of 30 pictures")
    assert {ratio.what for ratio in report.ratios} == {"fp32 over int8", "ours over bare"}
    assert report.energy_note == ""
    assert [look.working for look in report.watched.looks][:2] == [False, False]
    assert sum(look.working for look in report.watched.looks) >= 2


def test_people_read_accuracy_beside_speed(report: BenchReport) -> None:
    headings, cells = rows_table(report)
    assert headings[-1] == "accuracy (95 %)"
    assert cells[0][-1] == "100.0% (61.0% to 100.0%)"
    text = markdown(report)
    for words in (
        "| onnx-int8 (bare) |",
        "| from frame to decision |",
        "| mJ above idle |",
        "+0.0 points",
        "never evidence",
    ):
        assert words in text


def test_without_data_it_is_agreement_and_called_that(opened_tiny: Bundle, calm: Board) -> None:
    report = benchmark([opened_tiny], quick(0.1, starts=0, frames=0, loads=1, pictures=2), ignore, calm)
    row = report.rows[0]
    assert row.accuracy is None
    assert row.agreement is not None
    assert (row.agreement.pictures, row.agreement.agreement, row.agreement.reference) == (3, 1.0, "onnx-fp32")
    headings, cells = rows_table(report)
    assert headings[-1] == "agrees with FP32 on golden inputs"
    assert cells[0][-1] == "3 of 3"
    assert report.differences == []
    assert any(line.startswith("no energy: this machine tells none") for line in sentences(report))


def test_a_fast_wrong_model_cannot_look_good(opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: OnnxEngine, pixels: Pixels) -> Output:
        return Output(np.array([9.0, 0.0, 0.0], np.float32), np.zeros(3, np.float32))

    monkeypatch.setattr(OnnxEngine, "infer", wrong)
    found = agreement(opened_tiny, ("onnx-int8", "onnx"))
    assert found is not None
    assert found.agreement == pytest.approx(1 / 3)
    assert found.low < 1 / 3 < found.high


def test_stages_are_the_ways_parts(opened_tiny: Bundle) -> None:
    now_ns = 0

    def now() -> int:
        nonlocal now_ns
        now_ns += 1_000_000
        return now_ns

    wanted = [(key, load_classifier(opened_tiny, precision=key)) for key in ("fp32", "int8")]
    done: list[int] = []
    first, second = measure_stages(wanted, 40, done.append, now)
    assert [stage.stage for stage in first.stages] == list(STAGES)
    per_frame = {stage.stage: stage.p50_ms for stage in first.stages}
    assert {name: per_frame[name] for name in ("capture", "convert", "resize", "infer")} == dict.fromkeys(
        ("capture", "convert", "resize", "infer"), 1.0
    )
    assert (first.frames, second.frames, len(done)) == (40, 40, 40 + WARM_UP_FRAMES)
    assert first.frame == "640x480 yuv420"
    empty, late, item = first.situations
    assert empty.what == "empty frame"
    assert (empty.p50_ms, empty.p95_ms) == (1.0, 1.0), "the clock was looked at before and after, and nowhere between"
    assert late.what == "item, from settled to decision"
    assert late.samples == item.samples == 1
    assert item.p50_ms > late.p50_ms > empty.p50_ms


def test_a_fresh_process_tells_its_memory(opened_tiny: Bundle) -> None:
    start = time_starts(opened_tiny, "onnx-int8", 1, 2)
    assert start.starts == 2
    assert start.rss_mb is not None
    assert start.pss_mb is not None
    assert start.peak_rss_mb is not None
    assert 20 < start.pss_mb <= start.rss_mb <= start.peak_rss_mb < 1000


def test_a_process_that_comes_to_no_decision(bundle_copy: Path) -> None:
    with open_bundle(bundle_copy) as broken:
        (bundle_copy / "onnx-int8.onnx").write_bytes(b"no network")
        with pytest.raises(EngineError, match="came to no decision"):
            time_starts(broken, "onnx-int8", 1, 1)


def test_a_row_whose_second_half_was_slower_says_so() -> None:
    import msgspec

    made = made_up_report()
    latency = msgspec.structs.replace(made.rows[0].latency, drift=1.2)  # type: ignore[type-var]
    made = msgspec.structs.replace(made, rows=[msgspec.structs.replace(made.rows[0], latency=latency), *made.rows[1:]])
    assert "onnx-fp32: the second half of the run took 1.20 times as long as the first" in sentences(made)


def test_too_few_samples_for_a_p99_are_marked() -> None:
    import msgspec

    made = made_up_report()
    assert not any(line.startswith("~ indicative") for line in sentences(made))
    latency = msgspec.structs.replace(made.rows[0].latency, p99_indicative=True)  # type: ignore[type-var]
    made = msgspec.structs.replace(made, rows=[msgspec.structs.replace(made.rows[0], latency=latency), *made.rows[1:]])
    assert "~ indicative: too few samples for a p99" in sentences(made)
    _, (first, *others) = rows_table(made)
    assert [cell for cell in first if cell.endswith("~")]
    assert not [cell for row in others for cell in row if str(cell).endswith("~")]


def test_a_soak_of_seconds(opened_tiny: Bundle, calm: Board) -> None:
    calls: list[int] = []
    report = endure(opened_tiny, 0.05, lambda what, done, total: calls.append(done), calm)
    assert len(report.windows) == WINDOWS
    assert calls == list(range(1, WINDOWS + 1))
    assert report.valid
    assert report.frames >= sum(window.frames for window in report.windows)
    assert report.artifact == "onnx-int8"
    assert report.memory.limit == 2.0
    assert "Mann-Kendall p =" in report.verdict
    assert [look.working for look in report.watched.looks].count(True) >= 2
