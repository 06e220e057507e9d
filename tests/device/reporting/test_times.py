"""True times, where a board started in the past."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.device.reporting.stories import START_S, Story
from waste_edge.device.reporting.reading import Ledger, read_json_lines
from waste_edge.device.reporting.times import Timed, timed, timed_health

YEAR_S = 365 * 86_400.0


def read(story: Story, folder: Path) -> Ledger:
    ledger = Ledger()
    read_json_lines(story.write(folder / "events.jsonl"), ledger)
    return ledger


def times(story: Story, folder: Path) -> list[Timed]:
    return timed(read(story, folder).records.values())


def test_a_clock_in_step_is_taken_at_its_word(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.wait(60).item()
    assert [(one.at_s, one.is_known) for one in times(story, tmp_path)] == [(START_S, True), (START_S + 60, True)]


def test_an_item_from_before_the_clock_was_set_is_put_right_by_a_later_one(tmp_path: Path) -> None:
    story = Story().reboot(0, in_step=False, wrong_by_s=-YEAR_S)
    story.wait(100).item()
    story.in_step, story.wrong_by_s = True, 0.0
    story.wait(300).item()
    found = times(story, tmp_path)
    assert [one.at_s for one in found] == pytest.approx([START_S + 100, START_S + 400])
    assert all(one.is_known for one in found)


def test_an_item_from_after_the_clock_got_lost_is_put_right_by_an_earlier_one(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.in_step, story.wrong_by_s = False, 5000.0
    story.wait(200).item()
    assert [one.at_s for one in times(story, tmp_path)] == pytest.approx([START_S, START_S + 200])


def test_a_boot_that_never_knew_the_time_lies_between_its_neighbours(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.reboot(100, in_step=False, wrong_by_s=-YEAR_S).wait(10).item()
    story.wait(50).item()
    story.reboot(100).wait(10).item()
    first, second, third, last = times(story, tmp_path)
    assert [one.is_known for one in (first, second, third, last)] == [True, False, False, True]
    assert second.at_s == first.at_s, "no earlier than what came before"
    assert third.at_s == pytest.approx(second.at_s + 50), "the monotonic clock goes on"
    assert third.at_s < last.at_s


def test_a_clock_that_is_a_little_off_is_believed_within_its_neighbours(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.reboot(600, in_step=False, wrong_by_s=-30).item()
    story.reboot(600).item()
    assert [one.at_s for one in times(story, tmp_path)] == pytest.approx([START_S, START_S + 570, START_S + 1200])


def test_a_time_that_cannot_be_read_is_a_guess(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.wait(60).item()
    story.lines[1] |= {"time_utc": "yesterday", "clock_synchronized": True, "boot_id": "another"}
    found = times(story, tmp_path)
    assert [one.is_known for one in found] == [True, False]
    assert found[1].at_s == found[0].at_s


def test_health_of_an_unset_clock_lies_between_its_items(tmp_path: Path) -> None:
    story = Story().reboot(0, in_step=False, wrong_by_s=-YEAR_S)
    story.wait(10).item()
    story.wait(20).health(camera="bad: no camera")
    story.in_step, story.wrong_by_s = True, 0.0
    story.wait(30).item()
    ledger = read(story, tmp_path)
    ((at_s, line),) = timed_health(ledger.health, timed(ledger.records.values()))
    assert line.parts[0].text == "no camera"
    assert START_S + 10 <= at_s <= START_S + 60
    assert at_s == pytest.approx(START_S + 30, abs=1)


def test_no_time_at_all_is_beyond_no_calendar(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.lines[0]["time_utc"] = "9999-99-99"
    (found,) = times(story, tmp_path)
    assert found.at_s == 0.0
    json.dumps(found.at_s)
