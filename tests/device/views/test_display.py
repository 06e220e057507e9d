"""What people and programs read."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from waste_edge.device.answers.question import ReviewedItem
from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.loop import Seen
from waste_edge.device.outbox.record import Record
from waste_edge.device.statistics import Statistics, Summary
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.views.display import About, JsonView, LineView, NewsPrinter, answer_line, summary_lines
from waste_edge.device.views.panel import PanelView
from waste_edge.device.vision.camera_health import Fault
from waste_edge.device.vision.inspection import ItemView, Visibility
from waste_edge.device.vision.presence import State
from waste_edge.imaging.frames import Frame
from waste_edge.imaging.preprocess import Region
from waste_edge.item import ItemRegion

ITEM_FIELDS = {"decision": {"label": "unknown", "stream": "ask"}}
ANSWER_FIELDS = {
    "label": "metal", "stream": "yellow", "action": "sort", "source": "page", "who": "Ada", "previous_stream": "ask",
}  # fmt: skip
RECORD = Record("0" * 32, 1, "o", "bin", "boot", "2026-01-01T00:00:00.000Z", True, 5, 1, ITEM_FIELDS)
ANSWERED = ReviewedItem(RECORD, replace(RECORD, sequence=2, event=ANSWER_FIELDS, answer=1))

ABOUT = About(
    source="/dev/video0",
    bundle="small 1.0",
    artifact="tflite-int8",
    engine="LiteRT 1.4",
    labels=("glass", "paper", "metal"),
    site="six materials",
    streams={"glass": "green", "paper": "blue", "metal": "blue"},
    residual="black",
)
DECISION = Decision("blue", "paper", 0.93, "mean of 8 frames; next best glass 5%", stream_probability=0.95123)
EVENT = Event("0" * 32, 10, 20, DECISION, 8)
BOX = Region(left=0.25, top=0.5, right=0.5, bottom=1.0)
SEEN_ITEM = ItemView(
    ItemRegion(BOX, np.ones((4, 4), np.bool_), 0.125, True, (BOX,)),
    BOX,
    Visibility.PARTLY,
    np.zeros((48, 48, 3), np.uint8),
)
SUMMARY = Summary(
    seconds=12.34567,
    frames=100,
    dropped_frames=3,
    unclassified_frames=0,
    shed_frames=0,
    bad_pictures=0,
    items=2,
    streams={"blue": 2},
    labels={"paper": 1, "unknown": 1},
    fps=14.98765,
    latency_p50_ms=3.1,
    latency_p95_ms=4.2,
    ended="Ctrl-C",
)


@pytest.fixture
def make_seen(answer):
    statistics = Statistics(started_ns=0)

    def make(state: State = State.SETTLED, name: str = "") -> Seen:
        statistics.count_frame(statistics.frames * 50_000_000)
        statistics.count_answer(3.0)
        frame = Frame(np.zeros((2, 2, 3), np.uint8), 0, name)
        return Seen(frame, answer([0.05, 0.93, 0.02]), state, statistics, dropped_frames=1)

    return make


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines_of(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_say_everything_once_and_nothing_else(stream, make_seen):
    said = io.StringIO()
    view = JsonView(stream, NewsPrinter(said))
    view.started(ABOUT)
    view.news(Opened("/dev/video0"))
    view.news(Absent("unplugged", 2.0))
    view.news(Opened("/dev/video1"))
    view.seen(make_seen())
    view.decided(EVENT)
    view.ended(SUMMARY)
    start, frame, decision, summary = lines_of(stream)
    assert start["kind"] == "start"
    assert start["labels"] == ["glass", "paper", "metal"]
    assert frame["probabilities"] == {"glass": 0.05, "paper": 0.93, "metal": 0.02}
    assert (frame["label"], frame["confidence"], frame["latency_ms"]) == ("paper", 0.93, 3.0)
    assert decision == {
        "kind": "decision",
        "id": "0" * 32,
        "label": "paper",
        "confidence": 0.93,
        "stream": "blue",
        "action": "sort",
        "stream_probability": 0.9512,
        "expected_cost": None,
        "reason": "mean of 8 frames; next best glass 5%",
        "frame": 0,
        "frames": 8,
        "looks": 0,
        "opened_ns": 10,
        "decided_ns": 20,
        "candidates": [],
        "expires_s": None,
        "audit": False,
    }
    assert (summary["kind"], summary["items"], summary["seconds"]) == ("summary", 2, 12.346)
    waiting, back = said.getvalue().splitlines()
    assert waiting.startswith("waste-edge: waiting for a camera (unplugged)")
    assert back == "waste-edge: looking at /dev/video1"


def test_json_of_an_empty_bin_is_silent(stream, make_seen):
    view = JsonView(stream)
    view.started(ABOUT)
    script = ["learning", "empty", "empty", "empty", "arriving", "arriving", "settled", "decided", "decided", "cleared"]
    for state in script:
        view.seen(make_seen(State(state)))
    written = [line["state"] for line in lines_of(stream)[1:]]
    assert written == ["learning", "empty", "arriving", "arriving", "settled", "decided", "cleared"]


def test_json_of_a_frame_that_was_not_classified_has_its_state_and_null_for_an_answer(stream, make_seen):
    view = JsonView(stream)
    view.started(ABOUT)
    view.seen(replace(make_seen(State.ARRIVING), prediction=None))
    assert lines_of(stream)[1:] == [
        {
            "kind": "frame",
            "state": "arriving",
            "frame": 1,
            "label": None,
            "confidence": None,
            "probabilities": None,
            "known_score": None,
            "latency_ms": None,
        }
    ]


def test_json_says_where_the_item_lies_and_how_well_it_is_seen(stream, make_seen):
    view = JsonView(stream)
    view.started(ABOUT)
    view.seen(replace(make_seen(), item=SEEN_ITEM))
    view.decided(replace(EVENT, item_box=BOX, visibility=Visibility.PARTLY, frame=31, looks=4, crop=SEEN_ITEM.crop))
    frame, decision = lines_of(stream)[1:]
    box = {"left": 0.25, "top": 0.5, "right": 0.5, "bottom": 1.0}
    assert frame["item_box"] == decision["item_box"] == box
    assert (decision["visibility"], decision["frame"], decision["looks"]) == ("partly", 31, 4)
    assert "crop" not in decision


def test_json_of_pictures_has_a_frame_each_with_its_path(stream, make_seen):
    view = JsonView(stream)
    view.started(ABOUT)
    for name in ("a.jpg", "b.jpg", "a bad\nname\udcff.jpg"):
        view.seen(make_seen(State.DECIDED, name))
    assert [line["path"] for line in lines_of(stream)[1:]] == ["a.jpg", "b.jpg", "a bad\\nname\\udcff.jpg"]


def test_lines_are_one_a_decision_and_a_rate_a_minute(stream, clock, make_seen):
    view = LineView(stream, clock)
    view.started(ABOUT)
    for _ in range(3):
        view.seen(make_seen())
        view.decided(EVENT)
        clock.time_ns += 40_000_000_000
    view.ended(SUMMARY)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "small 1.0 (tflite-int8, LiteRT 1.4) looks at /dev/video0, site: six materials"
    assert lines.count("paper 93% → blue (mean of 8 frames; next best glass 5%)") == 3
    assert sum("frames/s" in line for line in lines) == 2, "one on the way, one in the summary"
    assert "ended after 12.3 s: Ctrl-C" in lines
    assert "labels: paper 1, unknown 1" in lines


def test_an_absence_is_said_once_until_the_reason_changes():
    said = io.StringIO()
    news = NewsPrinter(said)
    script = [Absent("no cable", 1), Absent("no cable", 2), Absent("busy", 4), Opened("usb"), Absent("busy", 1)]
    for message in script:
        news.print(message)
    words = [line.split()[1] for line in said.getvalue().splitlines()]
    assert words == ["waiting", "waiting", "looking", "waiting"]


CAMERA = {
    Level.OK: Condition("camera", Level.OK, "looking at usb"),
    Level.WARN: Condition("camera", Level.WARN, "blocked; uncover it"),
    Level.BAD: Condition("camera", Level.BAD, "no camera: unplugged"),
}


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (("bad", "ok"), []),  # which "waiting" and "looking at" have said
        (("warn", "ok"), ["warn", "ok"]),
        (("bad", "warn", "ok"), ["warn", "ok"]),
        (("warn", "bad", "ok"), ["warn"]),
    ],
)
def test_health_in_lines_does_not_repeat_what_was_news(stream, clock, levels, said):
    words = io.StringIO()
    view = LineView(stream, clock, NewsPrinter(words))
    for level in levels:
        view.health([CAMERA[Level(level)], Condition("disk", Level.WARN, "low\non room")])
    lines = words.getvalue().splitlines()
    assert [line.split(": ")[2] for line in lines if ": camera: " in line] == said
    assert lines.count("waste-edge: disk: warn: low\\non room") == len(levels)


def test_health_in_json_is_a_line_of_its_own(stream):
    JsonView(stream).health([CAMERA[Level.BAD], Condition("disk", Level.OK, "room")])
    assert lines_of(stream) == [
        {
            "kind": "health",
            "conditions": [
                {"part": "camera", "level": "bad", "text": "no camera: unplugged"},
                {"part": "disk", "level": "ok", "text": "room"},
            ],
        }
    ]


def test_a_frame_that_was_not_classified_is_no_line_of_json(stream, make_seen):
    view = JsonView(stream)
    view.started(ABOUT)
    view.seen(replace(make_seen(), prediction=None, fault=Fault("blocked", "uncover it")))
    assert [line["kind"] for line in lines_of(stream)] == ["start"]


@pytest.mark.parametrize(("shed", "unclassified"), [(0, 0), (7, 0), (0, 9)])
def test_the_summary_tells_of_frames_that_were_not_classified_only_if_there_are_any(shed, unclassified):
    lines = "\n".join(summary_lines(replace(SUMMARY, shed_frames=shed, unclassified_frames=unclassified)))
    assert ("to spare the board: 7" in lines) == (shed == 7)
    assert ("could not be trusted: 9" in lines) == (unclassified == 9)
    assert ("frames left out" in lines) == (unclassified > 0)


def test_the_panel_shows_who_is_unwell_until_it_is_well(clock, make_seen):
    written = io.StringIO()
    view = PanelView(Console(file=written, force_terminal=True, width=100, height=40, color_system=None), clock)
    view.started(ABOUT)
    view.health([Condition("disk", Level.BAD, "full disk")])
    assert "disk: bad: full disk" in written.getvalue()
    shown = len(written.getvalue())
    view.health([Condition("disk", Level.OK, "room")])
    assert "full disk" not in written.getvalue()[shown:]
    view.ended(SUMMARY)


def test_news_is_one_line_whatever_a_file_is_called(capsys):
    NewsPrinter().print(BadPicture("bad\nname.jpg: damaged"))
    assert capsys.readouterr().err == "waste-edge: bad\\nname.jpg: damaged\n"


def test_the_panel_maps_the_crop_and_keeps_the_answer_until_the_item_goes(clock, make_seen):
    written = io.StringIO()
    view = PanelView(Console(file=written, force_terminal=True, width=100, height=50, color_system=None), clock)
    view.started(ABOUT)

    def shown(seen: Seen) -> str:
        before = len(written.getvalue())
        clock.time_ns += 1_000_000_000
        view.seen(seen)
        return written.getvalue()[before:]

    asked = shown(replace(make_seen(), item=SEEN_ITEM))
    assert "crop 48x48 px, partly" in asked
    rows = [line for line in asked.splitlines() if "█" in line]
    assert len(rows) == 3, "the lower half of six rows"
    assert all("······██████············" in row for row in rows)
    assert "93%" in shown(replace(make_seen(State.DECIDED), prediction=None)), (
        "nothing new is asked, and it still lies there"
    )
    gone = shown(replace(make_seen(State.CLEARED), prediction=None))
    assert "93%" not in gone
    assert "█" not in gone
    view.ended(SUMMARY)


def test_lines_say_why_this_bundle_and_what_is_wrong_with_it(stream, clock):
    LineView(stream, clock).started(replace(ABOUT, bundle_choice="auto chose small", warning="made for pictures"))
    assert stream.getvalue().splitlines()[1:] == ["bundle: auto chose small", "warning: made for pictures"]


@pytest.mark.parametrize("width", [40, 100])
def test_the_panel_shows_what_is_seen_and_decided(clock, make_seen, width):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, height=40, color_system=None)
    view = PanelView(console, clock)
    view.started(ABOUT)
    view.news(Absent("no camera at [all]", 2.0))
    view.news(Opened("/dev/video0"))
    clock.time_ns += 1_000_000_000
    view.seen(make_seen())
    view.decided(EVENT)
    shown = written.getvalue()
    for words in (
        "nothing to be seen yet",
        "[all]",
        "settled",
        "93%",
        "blue",
        "mean of 8 frames",
        "p95 3.0",
        "dropped",
    ):
        assert words in shown or width < 60, words
    view.ended(SUMMARY)
    assert "Ctrl-C" in written.getvalue().splitlines()[-3] + written.getvalue().splitlines()[-2]


def test_the_panel_is_redrawn_no_faster_than_people_read(clock, make_seen):
    written = io.StringIO()
    view = PanelView(Console(file=written, force_terminal=True, width=80, height=40), clock)
    view.started(ABOUT)
    before = len(written.getvalue())
    for _ in range(50):
        view.seen(make_seen())
    assert len(written.getvalue()) == before
    view.ended(SUMMARY)


def test_an_answer_is_told_by_each_view():
    stream = io.StringIO()
    JsonView(stream).answered(ANSWERED)
    assert lines_of(stream) == [{"kind": "answer", "id": "0" * 32, "answer": 1, **ANSWER_FIELDS}]
    assert answer_line(ANSWERED) == "answer by page (Ada): metal → yellow (was ask)"
    assert ANSWERED.answer is not None
    fallen = {**ANSWER_FIELDS, "label": None, "stream": "black", "source": "timeout", "who": ""}
    late = replace(ANSWERED, answer=replace(ANSWERED.answer, event=fallen))
    assert answer_line(late) == "not answered in time → black (was ask)"
