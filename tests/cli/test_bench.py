from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.reports import EXAMPLE
from tests.conftest import tiny_network
from tests.device.boards import HEALTHY_PI5, THROTTLED_PI4
from waste_edge.benchmarks.schema import BenchReport, SoakReport
from waste_edge.engines.engine import Output
from waste_edge.engines.names import ENGINES
from waste_edge.engines.onnx import OnnxEngine
from waste_edge.files.resources import DEFAULT_BUNDLE
from waste_edge.files.strict import read_json
from waste_edge.imaging.frames import Pixels

WasteEdge = Callable[..., Any]
Bench = Callable[..., Any]


@pytest.fixture
def bench(waste_edge: WasteEdge, tmp_path: Path) -> Bench:
    """`waste-edge bench` for an instant, with a calm board in this machine's place, so that its load fails no test."""
    calm = HEALTHY_PI5.make(tmp_path / "calm")
    return lambda *words: waste_edge("bench", *words, "--seconds", 0.2, "--engine-only", "--fake-board", calm)


def ours(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in document["rows"] if row["kind"] == "ours"]


def test_what_is_printed_is_what_is_written(bench: Bench, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    outcome = bench("--bundle", tiny_bundle, "--json", "--out", out)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert out.read_text(encoding="utf-8") == outcome.stdout
    report = read_json(out, BenchReport)
    assert (report.mode, report.subjects[0].name, report.scenario.seconds) == ("quick", "tiny", 0.2)
    statuses = [row.status for row in report.rows if row.kind == "ours"]
    assert statuses == ["measured", "measured", "not in bundle", "not in bundle"]


def test_people_get_a_table(bench: Bench, tiny_bundle: Path) -> None:
    outcome = bench("--bundle", tiny_bundle, "--threads", "1,2")
    assert outcome.exit_code == 0
    words = ("p50 ms", "p99 ms", "onnx-fp32, 1 thread takes", "times as long as onnx-int8, 1 thread", "a quick run")
    for word in (*words, "1, 2 threads", "onnx-int8, 2 threads (bare)", "agrees with FP32 on golden inputs"):
        assert word in outcome.stdout
    assert "tflite-int8, 1 thread: tiny has no tflite-int8" in outcome.stdout


def test_markdown(bench: Bench, tiny_bundle: Path) -> None:
    outcome = bench(tiny_bundle, "--markdown")
    assert outcome.exit_code == 0
    assert "| onnx-int8 | ONNX Runtime" in outcome.stdout
    assert "| --- | --- | ---: |" in outcome.stdout
    refused = bench(tiny_bundle, "--markdown", "--json")
    assert (refused.exit_code, list(json.loads(refused.stdout))) == (2, ["error"])


def test_an_engine_that_is_not_installed_is_a_row(
    bench: Bench, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "litert", replace(ENGINES["litert"], modules=("no_such_package",)))
    rows = ours(json.loads(bench("--bundle", tiny_bundle, "--json").stdout))
    assert [row["status"] for row in rows] == ["measured", "measured", "not installed", "not installed"]
    assert "pip install ai-edge-litert" in rows[2]["reason"]


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "-3", "soon"])
def test_impossible_seconds(waste_edge: WasteEdge, tiny_bundle: Path, seconds: str) -> None:
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", seconds)
    assert (outcome.exit_code, outcome.stdout) == (2, "")


@pytest.mark.parametrize("threads", ["0", "65", "2..1", "1,1", "many", "-1", "1,"])
def test_impossible_threads(waste_edge: WasteEdge, tiny_bundle: Path, threads: str) -> None:
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--threads", threads)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "expected numbers from 1 to 64" in outcome.stderr


def test_cpu_time_is_what_one_thread_worked(bench: Bench, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, infer_s = OnnxEngine.infer, 0.02

    def idle(self: OnnxEngine, pixels: Pixels) -> Output:
        time.sleep(infer_s)
        return honest(self, pixels)

    monkeypatch.setattr(OnnxEngine, "infer", idle)
    medians_ms = {}
    for words in ((), ("--cpu-time",)):
        report = json.loads(bench("--bundle", tiny_bundle, "--json", *words).stdout)
        medians_ms[report["scenario"]["time"]] = ours(report)[0]["latency"]["p50_ms"]
    assert medians_ms["wall"] >= 20 > 10 > medians_ms["cpu"]
    outcome = bench("--bundle", tiny_bundle, "--cpu-time")
    assert "1 thread, CPU time" in outcome.stdout
    refused = bench("--bundle", tiny_bundle, "--cpu-time", "--threads", 2)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "CPU time is that of one thread" in refused.stderr


def test_a_place_that_cannot_be_written(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    outcome = waste_edge("bench", "--bundle", tiny_bundle, "--seconds", 0.1, "--out", tmp_path)
    assert outcome.exit_code == 2
    assert "expected a file in a folder that exists" in outcome.stderr
    assert outcome.stdout == "", "refused before anything is measured"


def test_the_default_bundle(waste_edge: WasteEdge, default_bundle: Path, tmp_path: Path) -> None:
    calm = HEALTHY_PI5.make(tmp_path / "calm")
    outcome = waste_edge("bench", "--seconds", 1, "--engine-only", "--json", "--fake-board", calm)
    report = json.loads(outcome.stdout)
    assert [row["status"] for row in report["rows"]] == ["measured"] * 8
    what = [ratio["what"] for ratio in report["ratios"]]
    assert (what.count("fp32 over int8"), what.count("ours over bare")) == (2, 4)


def test_several_bundles_take_turns_on_pictures_of_their_own_sizes(
    bench: Bench, tiny_bundle: Path, default_bundle: Path
) -> None:
    report = json.loads(bench("--bundle", tiny_bundle, "--against", default_bundle, "--json").stdout)
    assert [(subject["name"], subject["input_px"]) for subject in report["subjects"]] == [
        ("tiny", [16, 16]),
        (DEFAULT_BUNDLE, [192, 192]),
    ]
    medians = {row["key"]: row["latency"]["p50_ms"] for row in report["rows"] if row["latency"]}
    ratios = [ratio for ratio in report["ratios"] if ratio["what"] == "first over this"]
    assert [ratio["numerator"] for ratio in ratios] == ["tiny/onnx-fp32/onnx/1/ours", "tiny/onnx-int8/onnx/1/ours"]
    for ratio in ratios:
        assert ratio["value"] == pytest.approx(medians[ratio["numerator"]] / medians[ratio["denominator"]])
    assert "small onnx-int8" in bench(tiny_bundle, default_bundle).stdout


def test_files_beside_a_bundle(
    bench: Bench, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.onnx").write_bytes(tiny_network(quantized=False))
    outcome = bench(tmp_path / "other.onnx", tiny_bundle)
    assert outcome.exit_code == 0
    line = next(line for line in outcome.stdout.splitlines() if "other.onnx (bare)" in line)
    assert "not known" in line, "how right it is"
    absent = bench(tmp_path / "absent.onnx")
    assert (absent.exit_code, "no such file" in absent.stderr) == (2, True)
    monkeypatch.setenv("WASTE_EDGE_REQUIRE_KEY", str(tmp_path / "key.pub"))
    unsigned = bench(tmp_path / "other.onnx")
    assert (unsigned.exit_code, "a lone file is not signed" in unsigned.stderr) == (2, True)


def test_labelled_pictures(bench: Bench, tiny_bundle: Path, colour_photos: Path) -> None:
    report = json.loads(bench(tiny_bundle, "--data", colour_photos, "--json").stdout)
    assert [row["accuracy"]["pictures"] for row in report["rows"] if row["latency"]] == [6] * 4
    assert [one["points"] for one in report["differences"]] == [0.0]


def test_a_disturbed_run_says_why_and_ends_with_3(
    waste_edge: WasteEdge, bench: Bench, tiny_bundle: Path, tmp_path: Path
) -> None:
    board = THROTTLED_PI4.make(tmp_path / "pi4")
    words = ("bench", tiny_bundle, "--seconds", 0.2, "--engine-only", "--fake-board", board)
    outcome = waste_edge(*words)
    assert outcome.exit_code == 3
    assert "INVALID: this run was disturbed" in outcome.stdout
    assert "throttled (0 s): the firmware says: under-voltage and throttled" in outcome.stdout
    told = waste_edge(*words, "--json", "--out", tmp_path / "a.json")
    assert told.exit_code == 3
    assert "this run is invalid (throttled: " in told.stderr
    report = read_json(tmp_path / "a.json", BenchReport)
    assert (report.valid, report.disturbances[0].what) == (False, "throttled")
    emulated = replace(HEALTHY_PI5, arch="x86_64").make(tmp_path / "emulated")
    outcome = waste_edge(*words[:-1], emulated)
    assert outcome.exit_code == 3
    assert "an emulated processor's latencies are nobody's" in outcome.stdout


def test_against_a_recorded_run(bench: Bench, tiny_bundle: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    assert bench(tiny_bundle, "--json", "--out", old).exit_code == 0
    document = json.loads(old.read_text(encoding="utf-8"))
    for row in document["rows"]:
        if row["latency"]:
            row["latency"]["p50_ms"] *= 100
            for block in row["latency"]["blocks"]:
                block["p50_ms"] *= 100
    old.write_text(json.dumps(document), encoding="utf-8")
    outcome = bench(tiny_bundle, "--compare", old)
    assert outcome.exit_code == 0
    assert "4 of 4 rows differ by more than 5 % between the two runs" in outcome.stdout
    assert outcome.stdout.count(": faster") == 4
    other = bench(tiny_bundle, "--compare", EXAMPLE, "--json")
    assert "no row was measured in both runs" in other.stderr
    assert bench(tiny_bundle, "--compare", tiny_bundle / "manifest.json").exit_code == 2


def test_a_soak(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    calm, out = HEALTHY_PI5.make(tmp_path / "calm"), tmp_path / "a.json"
    words = ("bench", tiny_bundle, "--soak", 0.05, "--fake-board", calm)
    outcome = waste_edge(*words, "--out", out)
    report = read_json(out, SoakReport)
    assert outcome.exit_code == (0 if report.steady else 1)
    assert ("NOT STEADY: " in outcome.stdout) is not report.steady
    assert report.verdict in outcome.stdout
    for superfluous in (("--rigorous",), ("--threads", 2), (tiny_bundle,)):
        refused = waste_edge(*words, *superfluous)
        assert (refused.exit_code, "leave that out" in refused.stderr) == (2, True)


def test_a_rigorous_run_is_never_short(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("bench", tiny_bundle, "--rigorous", "--seconds", 30)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "a rigorous run takes at least 60 s and 1,024 samples a row" in outcome.stderr
