"""`waste-edge report` as people use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.device.reporting.stories import Story
from tests.device.telling import FakeWall, make_event
from waste_edge.device.clock import SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.service import find_state

WasteEdge = Callable[..., Any]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    story = Story("bin [bold]7")
    story.health(camera="bad: no camera")
    for number in range(20):
        item = story.wait(60).item("paper", audit=number % 4 == 0)
        if number % 4 == 0:
            story.answer(item, "metal" if number == 8 else "paper", corrects=number == 8)
    story.reboot(3600).item("ask")
    return story.write(tmp_path / "events.jsonl")


def test_the_terminal_shows_counts_contamination_and_downtime(waste_edge: WasteEdge, lines: Path) -> None:
    outcome = waste_edge("report", lines)
    assert outcome.exit_code == 0, outcome.stderr
    for words in ("bin [bold]7", "21 items", "1 wrong of 5", "board started anew", "no camera", "contamination, 95 %"):
        assert words in outcome.stdout


def test_json_is_all_there_is_on_stdout(waste_edge: WasteEdge, lines: Path) -> None:
    outcome = waste_edge("report", lines, "--json")
    report = json.loads(outcome.stdout)
    assert (report["schema"], report["items"], report["answers"]["audits_answered"]) == (1, 21, 5)
    low, high = report["contamination"]["low"], report["contamination"]["high"]
    assert 0 <= low <= report["contamination"]["estimate"] <= high <= 1


def test_page_and_csv_are_written_beside_it(waste_edge: WasteEdge, lines: Path, tmp_path: Path) -> None:
    outcome = waste_edge("report", lines, "--html", tmp_path / "r.html", "--csv", tmp_path / "r.csv")
    assert f"written: {tmp_path / 'r.html'}" in outcome.stdout
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "r.csv").read_text(encoding="utf-8").startswith("day,stream,sorted")
    refused = waste_edge("report", lines, "--html", tmp_path)
    assert refused.exit_code == 2


def test_a_running_station_s_folder_is_read(waste_edge: WasteEdge, tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('state = "state"\n[json_lines]\npath = "log.jsonl"\n', encoding="utf-8")
    outbox = Outbox(tmp_path / "state" / "outbox.sqlite", "bin 1", SystemClock(), FakeWall())
    story = Story(outbox_id="b" * 32)
    story.item(number=50)
    story.write(tmp_path / "state" / "log.jsonl")
    try:
        outbox.commit(make_event(1), b"scene")
        assert json.loads(waste_edge("report", "--state", tmp_path / "state", "--json").stdout)["items"] == 1
        both = json.loads(waste_edge("report", "--config", config, "--json").stdout)
        assert both["items"] == 2
        assert len(both["sources"]) == 2
    finally:
        outbox.close()


def test_nothing_to_read_is_the_users_mistake(
    waste_edge: WasteEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_state, "SERVICE_STATE", tmp_path / "no such folder")
    for arguments, says in (
        ([], "no station is installed here; give --state DIR"),
        (["--state", tmp_path], "neither outbox.sqlite nor events.jsonl"),
        ([tmp_path / "missing.jsonl"], "no such file"),
        (["--day", "--week", tmp_path], "give one of --day, --week"),
    ):
        outcome = waste_edge("report", *arguments)
        assert outcome.exit_code == 2, arguments
        assert outcome.stdout == ""
        assert says in outcome.stderr
        assert outcome.stderr.count("\n") == 1
