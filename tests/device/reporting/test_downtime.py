"""Downtime: what the records tell of it, and what they do not."""

from __future__ import annotations

from pathlib import Path

from tests.device.reporting.stories import START_S, Story
from tests.device.reporting.test_report import report_of
from waste_edge.device.reporting.downtime import utc
from waste_edge.device.reporting.items import Period
from waste_edge.device.reporting.values import Downtime


def downtime(folder: Path, story: Story, period: Period | None = None) -> Downtime:
    return report_of(folder, story, period=period or Period()).downtime


def test_a_board_that_was_off_is_an_outage_of_at_most_so_long(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.reboot(3600).wait(120).item()
    (outage,) = downtime(tmp_path, story).outages
    assert (outage.kind, outage.seconds) == ("board", 3600.0)
    assert (outage.from_utc, outage.to_utc) == (utc(START_S), utc(START_S + 3600))
    assert "not recorded" in outage.reason


def test_a_boot_without_a_clock_has_an_outage_of_unknown_length(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.reboot(3600, in_step=False, wrong_by_s=-10_000_000).item()
    (outage,) = downtime(tmp_path, story).outages
    assert outage.seconds is None


def test_a_program_that_was_started_anew_shows_in_its_frame_numbers(tmp_path: Path) -> None:
    story = Story()
    story.item(frames=500)
    story.frame = 0
    story.wait(60).item(frames=40)
    (outage,) = downtime(tmp_path, story).outages
    assert (outage.kind, outage.seconds) == ("program", 60.0)
    for line in story.lines:
        line["frame"] = 0  # an older version, which told none
    assert downtime(tmp_path, story).outages == []


def test_a_quiet_night_is_no_outage(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.wait(12 * 3600).item()
    assert downtime(tmp_path, story).outages == []


def test_missing_sequences_are_lost_events_and_answers_are_none(tmp_path: Path) -> None:
    story = Story()
    story.answer(story.item(), "paper")
    story.sequence += 4
    story.wait(60).item()
    (outage,) = downtime(tmp_path, story).outages
    assert (outage.kind, outage.events) == ("gap", 4)


def test_health_tells_how_long_the_camera_was_away_and_why(tmp_path: Path) -> None:
    story = Story()
    story.health(camera="ok: looking at USB", disk="ok: fine")
    story.wait(100).health(camera="bad: no camera: unplugged", disk="warn: 400 MB free")
    story.wait(50).health(camera="warn: dark: switch on a light", disk="ok: fine")
    story.wait(25).health(camera="warn: looking at USB; its frames are 1200 ms old", disk="ok: fine")
    story.wait(1000).item()
    found = downtime(tmp_path, story)
    assert found.has_health
    assert found.blind_s == 75.0, "without a camera, and in the dark; old frames are frames"
    assert [(one.kind, one.seconds, one.reason) for one in found.outages] == [
        ("camera", 50.0, "no camera: unplugged"),
        ("camera", 25.0, "dark: switch on a light"),
    ]
    troubles = {(one.part, one.level): (one.seconds, one.times) for one in found.troubles}
    assert troubles == {("camera", "warn"): (1025.0, 1), ("camera", "bad"): (50.0, 1), ("disk", "warn"): (50.0, 1)}


def test_a_trouble_ends_with_its_board(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.wait(10).health(camera="bad: no camera")
    story.wait(20).item()
    story.reboot(5000).wait(5).health(camera="ok: looking at USB")
    story.wait(5).item()
    assert downtime(tmp_path, story).blind_s == 20.0


def test_last_words_before_the_power_went_last_no_longer_than_is_known(tmp_path: Path) -> None:
    story = Story()
    story.item()
    story.wait(10).health(camera="bad: no camera")
    story.reboot(5000).wait(5).item()
    found = downtime(tmp_path, story)
    assert found.blind_s == 0.0
    assert [(one.part, one.seconds, one.times) for one in found.troubles] == [("camera", 0.0, 1)]
    story.health(camera="bad: no camera")  # of the new boot
    story.wait(30).item()
    assert downtime(tmp_path, story).blind_s == 30.0


def test_troubles_of_two_stations_do_not_end_each_other(tmp_path: Path) -> None:
    first, second = Story("bin 1"), Story("bin 2", "b" * 32)
    first.health(camera="bad: no camera")
    first.wait(100).health(camera="ok: looking at USB")
    second.wait(10).health(camera="ok: looking at USB")
    second.wait(500).item(number=77)
    assert report_of(tmp_path, first, second).downtime.blind_s == 100.0


def test_only_the_period_counts(tmp_path: Path) -> None:
    story = Story()
    story.health(camera="bad: no camera")
    story.wait(100).health(camera="ok: looking at USB")
    story.wait(10).item()
    story.reboot(1000).item()
    found = downtime(tmp_path, story, Period(START_S + 40, START_S + 60))
    assert found.blind_s == 20.0
    assert [one.kind for one in found.outages] == ["camera"]
    assert found.first_utc == "", "no record in it"


def test_without_health_that_is_said(tmp_path: Path) -> None:
    story = Story()
    story.item()
    assert not downtime(tmp_path, story).has_health
