"""README's first table is that of the recorded comparison, and cannot be made from half of one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from tools import headline
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.errors import ConfigError
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json, to_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report() -> ComparisonReport:
    return read_json(shipped("training") / "results" / "model.json", ComparisonReport)


@pytest.fixture(scope="module")
def speed() -> BenchReport:
    return headline.newest_speed(ROOT)


def test_the_table_has_not_drifted() -> None:
    assert headline.main(["--check"]) == 0


def test_every_number_comes_from_the_comparison(report: ComparisonReport, speed: BenchReport) -> None:
    text = headline.headline(report, speed)
    small = next(model for model in report.models if model.name == "small:tflite-int8")
    assert f"{small.facts.size_bytes:,}" in text
    assert f"{small.scores.accuracy:.1%}"[:-1] in text
    other = replace(small, facts=replace(small.facts, size_bytes=123_456_789))
    changed = replace(report, models=[other if model is small else model for model in report.models])
    assert "123,456,789" in headline.headline(changed, speed)


def test_a_teacher_that_was_not_compared_has_no_column(report: ComparisonReport, speed: BenchReport) -> None:
    without = replace(report, models=[one for one in report.models if one.name != headline.TEACHER])
    headings = headline.headline(without, speed).strip().splitlines()[0]
    assert "`accurate`" in headings
    assert not headings.endswith("teacher |")


def test_int8_minus_fp32_has_one_sign_whichever_was_named_first(report: ComparisonReport, speed: BenchReport) -> None:
    turned = [
        replace(pair, first=pair.second, second=pair.first, grouped=headline._turned(pair.grouped))
        for pair in report.pairs
    ]
    assert headline.headline(replace(report, pairs=turned), speed) == headline.headline(report, speed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": []}, "has no small:tflite-int8"),
        ({"unknown": None}, "--unknown"),
        ({"pairs": []}, "small:tflite-fp32"),
    ],
)
def test_what_is_missing_is_named(
    report: ComparisonReport, speed: BenchReport, change: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        headline.headline(replace(report, **change), speed)


def test_the_latency_is_the_recorded_one(report: ComparisonReport, speed: BenchReport) -> None:
    [row] = [row for row in speed.rows if row.key == "accurate/tflite-int8/litert/1/ours"]
    assert row.latency is not None
    assert f" {row.latency.p50_ms:.2f} |" in headline.headline(report, speed)
    changed = replace(row, latency=replace(row.latency, p50_ms=1234.5))
    other = replace(speed, rows=[changed if one is row else one for one in speed.rows])
    assert " 1234.50 |" in headline.headline(report, other)
    with pytest.raises(ConfigError, match="timed no tflite-int8 of accurate"):
        headline.headline(report, replace(speed, rows=[one for one in speed.rows if one is not row]))


def test_a_page_without_its_place_is_refused_and_one_that_drifted_is_written(
    report: ComparisonReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / headline.SPEED, tmp_path / headline.SPEED)
    (tmp_path / "training" / "results").mkdir(parents=True)
    (tmp_path / headline.RESULT).write_text(to_json(report), encoding="utf-8")
    page = tmp_path / headline.PAGE
    page.write_text("nothing\n", encoding="utf-8")
    monkeypatch.setattr(headline, "shipped", lambda name: tmp_path / name)
    assert headline.main([]) == 2
    assert "found them 0 times" in capsys.readouterr().err
    page.write_text("a\n<!-- headline: made by make headline -->\nold\n<!-- end of headline -->\nb\n", encoding="utf-8")
    assert headline.main(["--check"]) == 1
    assert "old" in page.read_text(encoding="utf-8")
    assert headline.main([]) == 0
    assert headline.main(["--check"]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("a\n<!--")
    assert text.endswith("-->\nb\n")
    assert "old" not in text
