"""Counts, questions and contamination of a story whose truth is known."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.device.reporting.stories import START_S, Story
from waste_edge.device.reporting.items import Period
from waste_edge.device.reporting.reading import Ledger, read_json_lines
from waste_edge.device.reporting.report import build_report
from waste_edge.device.reporting.sources import period_of
from waste_edge.device.reporting.values import StationReport, StreamRow
from waste_edge.errors import DataError, UserError

ALWAYS = Period()
NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


def report_of(folder: Path, *stories: Story, period: Period = ALWAYS, station: str | None = None) -> StationReport:
    ledger = Ledger()
    for number, story in enumerate(stories):
        read_json_lines(story.write(folder / f"{number}.jsonl"), ledger)
    return build_report(ledger, period, station)


def stream(report: StationReport, name: str) -> StreamRow:
    return next(row for row in report.streams if row.stream == name)


def test_counts_questions_and_corrections(tmp_path: Path) -> None:
    story = Story()
    for _ in range(6):
        story.wait(60).item("paper")
    wrong = story.item("metal")
    story.answer(wrong, "paper", corrects=True)
    story.item("other", action="residual")
    answered, late, mended, waiting = (story.wait(10).item("ask") for _ in range(4))
    story.answer(answered, "paper")
    story.answer(late, "other", source="timeout")
    story.answer(mended, "other", source="timeout")
    story.answer(mended, "metal", corrects=True, number=2)
    report = report_of(tmp_path, story)
    assert (report.items, report.unknown) == (12, 5)
    assert report.asked_share == pytest.approx(4 / 12)
    asked = report.answers
    assert (asked.asked, asked.answered, asked.expired, asked.open, asked.unanswered) == (4, 2, 1, 1, 0)
    assert asked.corrections == 2
    paper, metal, other = (stream(report, name) for name in ("paper", "metal", "other"))
    assert (paper.sorted, paper.answered, paper.corrected_in) == (6, 1, 1)
    assert (metal.sorted, metal.corrected_in, metal.corrected_out) == (1, 1, 1)
    assert (other.sorted, other.expired, other.corrected_out) == (1, 2, 1)
    assert paper.share == pytest.approx(6 / 8)
    assert "ask" not in {row.stream for row in report.streams}
    story.wait(121).item("paper")
    assert report_of(tmp_path, story).answers.unanswered == 1, "its time has passed, and nobody told what became of it"
    assert waiting


def test_an_item_in_two_files_counts_once(tmp_path: Path) -> None:
    story = Story()
    item = story.item()
    story.answer(item, "metal", corrects=True)
    report = report_of(tmp_path, story, story)
    assert (report.items, report.answers.corrections) == (1, 1)


def test_without_audits_it_is_the_models_opinion_and_says_so(tmp_path: Path) -> None:
    story = Story()
    for _ in range(10):
        story.item("paper", probability=0.8)
    story.answer(story.item("paper", probability=0.8), "metal", corrects=True)  # nobody drew it: it proves nothing
    report = report_of(tmp_path, story)
    found = report.contamination
    assert (found.basis, found.low, found.high) == ("model", None, None)
    assert found.estimate == pytest.approx(0.2)
    assert any("the model's own opinion" in remark for remark in report.remarks)


def test_audited_items_give_an_interval_that_holds_the_truth(tmp_path: Path) -> None:
    chance, story, wrong = random.Random(4), Story(), 0
    for _ in range(800):
        is_wrong, audit = chance.random() < 0.2, chance.random() < 0.1
        wrong += is_wrong
        item = story.wait(30).item("paper", probability=0.97, audit=audit, expires_s=120.0 if audit else None)
        if audit:
            story.answer(item, "metal" if is_wrong else "paper", corrects=is_wrong)
    found = report_of(tmp_path, story).contamination
    assert found.basis == "audits"
    assert found.model == pytest.approx(0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.estimate is not None
    assert found.low <= wrong / 800 <= found.high
    assert abs(found.estimate - wrong / 800) < 0.1
    assert found.audited > 50


def test_corrections_that_nobody_drew_bound_the_figure_and_do_not_make_it(tmp_path: Path) -> None:
    story = Story()
    for number in range(20):
        item = story.item("paper", audit=number == 0)
        if number < 6:
            story.answer(item, "paper" if number == 0 else "metal", corrects=number > 0)
    found = report_of(tmp_path, story).contamination
    assert (found.audited, found.wrong) == (1, 0)
    assert found.low == pytest.approx(5 / 20)
    assert found.high is not None
    assert found.high <= 19 / 20


def test_a_person_who_confirms_what_fell_is_no_error(tmp_path: Path) -> None:
    story = Story()
    item = story.item("other", action="residual", audit=True)
    story.answer(item, "other")
    found = stream(report_of(tmp_path, story), "other").contamination
    assert (found.audited, found.wrong, found.model) == (1, 0, None)


def test_audits_of_a_part_of_the_time_are_said(tmp_path: Path) -> None:
    story = Story()
    for number in range(200):
        item = story.wait(30).item("paper", audit=number >= 180)
        if number >= 180:
            story.answer(item, "paper")
    assert any("unevenly spread" in remark for remark in report_of(tmp_path, story).remarks)
    even = Story()
    for number in range(200):
        item = even.wait(30).item("paper", audit=number % 10 == 0)
        if number % 10 == 0:
            even.answer(item, "paper")
    assert report_of(tmp_path, even).remarks == []


def test_few_answered_audits_are_said(tmp_path: Path) -> None:
    story = Story()
    for number in range(30):
        item = story.wait(30).item("paper", audit=True)
        if number % 3 == 0:
            story.answer(item, "paper")
    assert any("10 of 30 audited items were answered" in remark for remark in report_of(tmp_path, story).remarks)


def test_several_stations_have_no_interval_together_and_one_each(tmp_path: Path) -> None:
    stories = Story("bin 1"), Story("bin 2", "b" * 32)
    for number, story in enumerate(stories):
        for index in range(5):
            story.answer(story.item("paper", audit=True, number=100 * number + index + 1), "paper")
    report = report_of(tmp_path, *stories)
    assert report.stations == ["bin 1", "bin 2"]
    assert (report.items, report.contamination.low) == (10, None)
    assert any("several stations" in remark for remark in report.remarks)
    alone = report_of(tmp_path, *stories, station="bin 2")
    assert (alone.items, alone.stations, alone.contamination.audited) == (5, ["bin 2"], 5)
    with pytest.raises(DataError, match="there are bin 1, bin 2"):
        report_of(tmp_path, *stories, station="bin 3")


def test_a_renamed_station_is_one_station_without_gaps(tmp_path: Path) -> None:
    story = Story()
    story.answer(story.item(audit=True), "paper")
    story.station = "bin A"
    story.answer(story.item(audit=True), "paper")
    report = report_of(tmp_path, story)
    assert report.contamination.audited == 2
    assert report_of(tmp_path, story, station="bin A").downtime.outages == []


def test_items_count_by_their_true_time_and_answers_with_their_item(tmp_path: Path) -> None:
    story = Story().reboot(0, in_step=False, wrong_by_s=-400 * 86_400)
    item = story.item()
    story.in_step, story.wrong_by_s = True, 0.0
    story.wait(7200).answer(item, "metal", corrects=True)
    first_hour = Period(START_S, START_S + 3600)
    report = report_of(tmp_path, story, period=first_hour)
    assert (report.items, report.answers.corrections) == (1, 1)
    assert report_of(tmp_path, story, period=Period(START_S + 3600, math.inf)).items == 0


def test_guessed_times_are_said(tmp_path: Path) -> None:
    story = Story().reboot(0, in_step=False)
    story.item()
    report = report_of(tmp_path, story)
    assert report.uncertain_times == 1
    assert any("clock was never in step" in remark for remark in report.remarks)


def test_days_between_are_there_and_empty(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.wait(3 * 86_400).item("metal")
    report = report_of(tmp_path, story)
    assert [day.items for day in report.days] == [1, 0, 0, 1]
    assert report.days[-1].streams == {"metal": 1}


def test_nothing_is_a_report_too(tmp_path: Path) -> None:
    story = Story()
    story.item()
    report = report_of(tmp_path, story, period=Period(0.0, 1.0))
    assert (report.items, report.asked_share, report.contamination.basis, report.days) == (0, None, "nothing", [])


def seconds(day: int, hour: int = 0) -> float:
    return datetime(2026, 3, day, hour, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((True, False, None, None), (seconds(4), seconds(4, 15) + 1)),
        ((False, True, None, None), (seconds(4) - 6 * 86_400, seconds(4, 15) + 1)),
        ((False, False, "2026-03-01", "2026-03-02"), (seconds(1), seconds(3))),
        ((False, False, "2026-03-01T06:00", None), (seconds(1, 6), math.inf)),
        ((False, False, "2026-03-01T06:00+02:00", "2026-03-01T07:00Z"), (seconds(1, 4), seconds(1, 7))),
        ((False, False, None, None), (-math.inf, math.inf)),
    ],
    ids=str,
)
def test_periods(
    asked: tuple[bool, bool, str | None, str | None],
    expected: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    period = period_of(*asked, NOW)
    assert (period.start_s, period.end_s) == expected


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ((True, True, None, None), "give one of"),
        ((True, False, "2026-03-01", None), "give one of"),
        ((False, False, "March", None), "--from 'March': expected a date"),
        ((False, False, "2026-03-02", "2026-03-01"), "is not before"),
    ],
    ids=str,
)
def test_periods_that_make_no_sense(asked: tuple[bool, bool, str | None, str | None], says: str) -> None:
    with pytest.raises(UserError, match=says):
        period_of(*asked, NOW)
