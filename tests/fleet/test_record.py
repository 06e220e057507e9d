"""The page of a fleet says what was recorded; `make test-fleet` records it."""

from __future__ import annotations

from pathlib import Path

from tests.fleet import try_out
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fleet.md"


def record() -> try_out.Record:
    return read_json(max(shipped(try_out.RESULTS).glob("*.json")), try_out.Record)


def test_the_page_says_what_was_recorded() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for line in try_out.lines(record()):
        assert f"    {line}\n" in page, "put in what `python -m tests.fleet.try_out --show FILE` prints"


def test_nothing_was_lost_for_ten_minutes_at_forty_stations() -> None:
    found = record()
    assert (found.stations, found.minutes) == (40, 10)
    assert found.events == found.received == found.counted
    assert found.answered == found.panels
    assert found.scraped == found.stations


def test_the_default_queue_lost_what_it_does_not_hold() -> None:
    found = record()
    assert found.burst - found.burst_lost == 1000  # mosquitto's max_queued_messages
