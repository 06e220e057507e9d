"""`waste-edge bench --roofline`, `--plots` and `--recorded`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.reports import EXAMPLE
from tests.conftest import Outcome
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.files.strict import read_json

Call = Callable[..., Outcome]


def test_a_run_with_its_roofline_and_pictures(waste_edge: Call, tmp_path: Path, tiny_bundle: Path) -> None:
    out, plots = tmp_path / "a.json", tmp_path / "new" / "plots"
    outcome = waste_edge(
        "bench",
        "--bundle",
        tiny_bundle,
        "--seconds",
        "0.2",
        "--engine-only",
        "--roofline",
        "--plots",
        plots,
        "--out",
        out,
    )
    assert outcome.exit_code in (0, 3)  # this machine may be busy
    report = read_json(out, BenchReport)
    assert report.roofline is not None
    keys = {row.key for row in report.rows if row.kind == "ours" and row.latency is not None}
    assert {roof.key for roof in report.roofline.roofs} == keys
    assert all(roof.macs == 9 and roof.peak_gmacs_per_s > 0 for roof in report.roofline.roofs)
    assert "computed from published figures, measured by nobody" in outcome.stdout
    assert "Raspberry Pi Zero 2 W" in outcome.stdout
    assert {path.name for path in plots.iterdir()} == {"accuracy.png", "latency.png", "over_time.png", "roofline.png"}
    assert outcome.stderr.count("drawn: ") == 4


def test_a_recorded_run_is_shown_and_drawn_again(waste_edge: Call, tmp_path: Path) -> None:
    outcome = waste_edge("bench", "--recorded", EXAMPLE, "--plots", tmp_path)
    assert outcome.exit_code == 0
    assert "Made-up CPU" in outcome.stdout
    assert (tmp_path / "stages.png").exists()
    assert "| tflite-int8" in waste_edge("bench", "--recorded", EXAMPLE, "--markdown").stdout


def test_two_recorded_runs_are_compared(waste_edge: Call, tmp_path: Path) -> None:
    slower = tmp_path / "slower.json"
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    for row in document["rows"]:
        if row["latency"]:
            row["latency"]["p50_ms"] *= 2
    slower.write_text(json.dumps(document), encoding="utf-8")
    outcome = waste_edge("bench", "--recorded", slower, "--compare", EXAMPLE)
    assert outcome.exit_code == 0
    assert "differ by more than 5 % between the two runs" in outcome.stdout
    assert "within 5 %" in waste_edge("bench", "--recorded", EXAMPLE, "--compare", EXAMPLE).stdout
    assert "within 5 %" in waste_edge("bench", "--recorded", EXAMPLE, "--compare", EXAMPLE, "--markdown").stderr


def test_a_recorded_run_that_was_disturbed_still_ends_with_3(waste_edge: Call, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    path.write_text(json.dumps(document | {"valid": False}), encoding="utf-8")
    outcome = waste_edge("bench", "--recorded", path)
    assert outcome.exit_code == 3
    assert "INVALID" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--recorded", EXAMPLE, "--seconds", "1", "--roofline"), "--seconds, --roofline"),
        (("small", "--recorded", EXAMPLE), "bundles or files"),
        (("--recorded", "missing.json"), "missing.json: no such file"),
        (("--soak", "1", "--roofline"), "--roofline"),
        (("--plots", EXAMPLE), "expected a folder"),
    ],
)
def test_what_does_not_go_together_is_one_line(waste_edge: Call, arguments: tuple[object, ...], complaint: str) -> None:
    outcome = waste_edge("bench", *arguments)
    assert outcome.exit_code == 2
    assert complaint in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_something_else_than_a_report_is_named(waste_edge: Call, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("nonsense", encoding="utf-8")
    outcome = waste_edge("bench", "--recorded", tmp_path / "a.json")
    assert outcome.exit_code == 2
    assert "a.json" in outcome.stderr


def test_without_matplotlib_the_way_out_is_said_before_measuring(
    waste_edge: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "matplotlib" else find(name, *more)
    )
    outcome = waste_edge("bench", "--plots", tmp_path)
    assert outcome.exit_code == 2
    assert "pip install matplotlib, or write --out report.json" in outcome.stderr
    assert outcome.stdout == ""
