"""README's first table is that of the recorded comparison, and cannot be made from half of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tools import headline
from waste_edge.errors import ConfigError
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json, to_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report() -> ComparisonReport:
    return read_json(shipped("training") / "results" / "model.json", ComparisonReport)


def test_the_table_has_not_drifted() -> None:
    assert headline.main(["--check"]) == 0


def test_every_number_comes_from_the_comparison(report: ComparisonReport) -> None:
    text = headline.headline(report)
    small = next(model for model in report.models if model.name == "small:tflite-int8")
    assert f"{small.facts.size_bytes:,}" in text
    assert f"{small.scores.accuracy:.1%}"[:-1] in text
    other = replace(small, facts=replace(small.facts, size_bytes=123_456_789))
    changed = replace(report, models=[other if model is small else model for model in report.models])
    assert "123,456,789" in headline.headline(changed)


def test_a_teacher_that_was_not_compared_has_no_column(report: ComparisonReport) -> None:
    without = replace(report, models=[one for one in report.models if one.name != headline.TEACHER])
    headings = headline.headline(without).strip().splitlines()[0]
    assert "`accurate`" in headings
    assert not headings.endswith("teacher |")


def test_int8_minus_fp32_has_one_sign_whichever_was_named_first(report: ComparisonReport) -> None:
    turned = [
        replace(pair, first=pair.second, second=pair.first, grouped=headline._turned(pair.grouped))
        for pair in report.pairs
    ]
    assert headline.headline(replace(report, pairs=turned)) == headline.headline(report)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": []}, "has no small:tflite-int8"),
        ({"machine": ""}, "latencies"),
        ({"pairs": []}, "small:tflite-fp32"),
    ],
)
def test_what_is_missing_is_named(report: ComparisonReport, change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        headline.headline(replace(report, **change))


def test_a_page_without_its_place_is_refused_and_one_that_drifted_is_written(
    report: ComparisonReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
