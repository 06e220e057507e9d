"""README's table by source is that of the recorded comparison, and the shipped cards agree with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tools import domains_table
from waste_edge.errors import ConfigError
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.evaluation.domains.tables import sources_table, unknown_table
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json, to_json


@pytest.fixture(scope="module")
def report() -> DomainsReport:
    return read_json(shipped("training").parent / domains_table.RESULT, DomainsReport)


def test_nothing_has_drifted(capsys: pytest.CaptureFixture[str]) -> None:
    assert domains_table.main(["--check"]) == 0, capsys.readouterr().out


def test_the_report_is_of_the_shipped_bundles_and_names_batteries(report: DomainsReport) -> None:
    assert [model.name for model in report.models] == ["small:tflite-int8", "accurate:tflite-int8"]
    for model in report.models:
        assert any(one.dangerous for one in model.unknown)
        assert model.home is not None
    assert report.copies == []


def test_every_number_comes_from_the_comparison(report: DomainsReport) -> None:
    small = report.models[0]
    assert small.mean is not None
    other = replace(small, mean=replace(small.mean, value=0.1234))
    changed = replace(report, models=[other, *report.models[1:]])
    assert "12.3%" in domains_table.domains_table(changed)
    assert "12.3%" not in domains_table.domains_table(report)


def test_a_card_that_says_otherwise_is_told(report: DomainsReport) -> None:
    small = report.models[0]
    card = "\n".join((domains_table.CARD_HEADING, rows_of(sources_table(small)), rows_of(unknown_table(small))))
    assert domains_table.drifted_cards(report, {"small": card}) == []
    (line,) = domains_table.drifted_cards(report, {"small": card.replace("| home |", "| hone |")})
    assert line.startswith("small's card lacks the line | home |")
    assert domains_table.drifted_cards(report, {"small": "a card of before"}) == []


def test_what_is_missing_is_named(report: DomainsReport) -> None:
    with pytest.raises(ConfigError, match="has no accurate:tflite-int8"):
        domains_table.domains_table(replace(report, models=report.models[:1]))


def test_a_page_that_drifted_is_written(
    report: DomainsReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "training" / "results").mkdir(parents=True)
    (tmp_path / domains_table.RESULT).write_text(to_json(report), encoding="utf-8")
    page, tables = tmp_path / domains_table.PAGE, tmp_path / domains_table.TABLES
    page.parent.mkdir()
    page.write_text("nothing\n", encoding="utf-8")
    monkeypatch.setattr(domains_table, "shipped", lambda name: tmp_path / name)
    assert domains_table.main([]) == 2
    assert "found them 0 times" in capsys.readouterr().err
    page.write_text("a\n<!-- domains: made by make domains-table -->\nold\n<!-- end of domains -->\nb\n")
    assert domains_table.main([]) == 0
    assert "old" not in page.read_text(encoding="utf-8")
    tables.write_text("other\n", encoding="utf-8")
    assert domains_table.main(["--check"]) == 1
    assert "domains.md: has drifted" in capsys.readouterr().out
