"""What is news of the station's parts, and what is not."""

from __future__ import annotations

import pytest

from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health

OK, WARN, BAD = Level


def disk(level: Level, text: str = "as it is") -> Condition:
    return Condition("disk", level, text)


def told(health: Health, now_s: float = 0.0) -> list[str]:
    return [f"{condition.level} {condition.text}" for condition in health.news(round(now_s * 1e9))]


def test_a_part_that_is_well_from_the_beginning_is_no_news():
    health = Health()
    health.set(disk(OK), Condition("power", OK, "enough"))
    assert told(health) == []
    assert [condition.part for condition in health.now()] == ["disk", "power"]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((WARN, WARN), 1),
        ((WARN, BAD), 2),
        ((BAD, WARN, OK), 3),
        ((WARN, OK, OK), 2),
        ((OK, BAD, OK, BAD), 3),
    ],
)
def test_each_change_of_level_is_told_once(levels, expected):
    health = Health()
    heard = 0
    for level in levels:
        health.set(disk(level))
        heard += len(told(health))
        assert told(health) == [], "once is enough"
    assert heard == expected


def test_other_words_for_the_same_trouble_are_told_once_a_minute():
    health = Health()
    texts = []
    for second in range(130):
        health.set(disk(WARN, f"{500 - second} MB free"))
        texts += told(health, second)
    assert texts == ["warn 500 MB free", "warn 440 MB free", "warn 380 MB free"]


def test_what_changes_and_changes_back_between_two_looks_is_no_news():
    health = Health()
    health.set(disk(BAD))
    health.set(disk(OK))
    assert told(health) == []


def test_an_announcement_is_told_again_and_at_once():
    health = Health()
    for text in ("one typo", "another", "another"):
        health.announce(disk(WARN, text))
        assert told(health) == [f"warn {text}"]
    health.set(disk(OK, "mended"))
    assert told(health) == ["ok mended"]


def test_what_is_forgotten_is_known_no_longer_but_was_told():
    health = Health()
    health.least_gap_s = 0.5
    health.set(disk(WARN), Condition("mqtt", WARN, "refused"))
    assert len(told(health)) == 2
    health.forget()
    assert (health.now(), health.least_gap_s, told(health)) == ((), 0.0, [])
    health.set(disk(OK, "room again"))
    assert told(health) == ["ok room again"]
