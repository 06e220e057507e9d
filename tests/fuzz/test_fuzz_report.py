"""Events of a station, as files and outboxes come from many bins: read, counted and shown."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tests.device.reporting.stories import Story
from tests.device.telling import FakeWall, make_event
from tests.fuzz.harness import fuzzed, mutated, survive
from waste_edge.device.clock import SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.reporting.items import Period
from waste_edge.device.reporting.page import to_html
from waste_edge.device.reporting.reading import Ledger
from waste_edge.device.reporting.report import build_report
from waste_edge.device.reporting.sources import read_files
from waste_edge.device.reporting.spreadsheet import to_csv
from waste_edge.files.strict import to_json


def story_lines() -> bytes:
    story = Story()
    story.health(camera="bad: no camera", disk="ok: fine")
    story.answer(story.item("paper", audit=True), "metal", corrects=True)
    story.reboot(600, in_step=False, wrong_by_s=-9e7).item("ask")
    story.wait(60).item("other", action="residual")
    return "".join(json.dumps(line) + "\n" for line in story.lines).encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report") / "events.jsonl"


def outbox_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.sqlite"
        outbox = Outbox(path, "bin 1", SystemClock(), FakeWall())
        for number in range(3):
            outbox.commit(make_event(number), b"scene")
        outbox.close()
        return path.read_bytes()


def report(path: Path) -> None:
    """All that `waste-edge report` does with a file."""
    ledger = Ledger()
    read_files([path], ledger)
    found = build_report(ledger, Period())
    for text in (to_json(found), to_html(found), to_csv(found)):
        text.encode()


@fuzzed("events", 0.05, content=mutated([story_lines()]))
def test_lines(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("events", lambda: report(place))


@fuzzed("outbox", 0.03, content=mutated([outbox_bytes()]))
def test_outboxes(place: Path, content: bytes) -> None:
    damaged = place.with_name("damaged.sqlite")
    damaged.write_bytes(content)
    survive("outbox", lambda: report(damaged))
