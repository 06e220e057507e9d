"""The station's state as the page shows it and its metrics count it; one JSON document a second.

Imported by both processes, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from waste_edge.device.system.condition import Condition
from waste_edge.files.strict import Strict

DECISION_BOUNDS_S = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
CameraWord = Literal["waiting", "ok", "fault", "absent"]
CAMERA_WORDS: tuple[CameraWord, ...] = ("waiting", "ok", "fault", "absent")


class Total(Strict, frozen=True):
    """Count of the items that went to a stream by an action (sort, residual, ask) since the station started."""

    stream: str
    action: str
    count: int


class DecisionTimes(Strict, frozen=True):
    """From an item's coming into view to its decision: items by `DECISION_BOUNDS_S`, the last beyond them all."""

    buckets: tuple[int, ...] = (0,) * (len(DECISION_BOUNDS_S) + 1)
    sum_s: float = 0.0


class AnswerTotal(Strict, frozen=True):
    """Count of the answers that put an item into a stream, by source, since the station started."""

    source: str
    stream: str
    count: int


class Day(Strict, frozen=True):
    """One local day (YYYY-MM-DD): its items by stream, after people's answers, and by the station's action."""

    day: str
    items: int
    streams: dict[str, int]
    actions: dict[str, int]


class CameraView(Strict, frozen=True):
    """The camera.

    Attributes:
        state: `waiting` for the first frame, `ok`, `fault`: its pictures cannot be trusted, `absent`.
        title: which camera.
        reason: why it is absent or cannot be trusted, with the remedy; empty otherwise.
    """

    state: CameraWord = "waiting"
    title: str = ""
    reason: str = ""


class Speed(Strict, frozen=True):
    """The loop's frames and latencies, see `statistics.Summary`; `silence_s`: since the loop last went round."""

    fps: float = 0.0
    frames: int = 0
    untrusted_frames: int = 0
    dropped_frames: int = 0
    shed_frames: int = 0
    bad_pictures: int = 0
    items: int = 0
    answers: int = 0
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    frame_age_p50_ms: float = 0.0
    frame_age_p95_ms: float = 0.0
    least_gap_s: float = 0.0
    silence_s: float = 0.0


class BoardView(Strict, frozen=True):
    """The board; None is what it does not tell.

    Attributes:
        throttled, throttled_since_boot: the firmware's flags by name, see `board.Trouble`.
        disk_free_mb: under the state folder.
    """

    model: str | None = None
    temperature_c: float | None = None
    throttled: dict[str, bool] | None = None
    throttled_since_boot: dict[str, bool] | None = None
    available_mb: float | None = None
    disk_free_mb: float | None = None


class RunDescription(Strict, frozen=True):
    """Description of what runs: see `views.display.About`."""

    source: str = ""
    bundle: str = ""
    artifact: str = ""
    engine: str = ""
    site: str = ""
    labels: tuple[str, ...] = ()
    streams: Mapping[str, str] = {}
    residual: str = ""
    warning: str = ""


class StationState(Strict, frozen=True):
    """All of it.

    Attributes:
        station, version: the station's name; the program's version.
        time_utc, started_utc: ISO 8601.
        places: every stream that an item can be put into.
        scene: see `presence.State`; empty before the first frame.
        sinks: how many events wait for each.
        page_starts: how often the page's process was started.
        answers, open_questions: of people; questions that wait for an answer.
        takes_answers: whether people can answer and correct here.
    """

    station: str
    version: str
    time_utc: str
    started_utc: str
    run: RunDescription
    places: tuple[str, ...]
    camera: CameraView
    scene: str
    speed: Speed
    totals: tuple[Total, ...]
    unknown: int
    decision: DecisionTimes
    days: tuple[Day, ...]
    health: tuple[Condition, ...]
    sinks: dict[str, int]
    board: BoardView
    page_starts: int = 1
    answers: tuple[AnswerTotal, ...] = ()
    open_questions: int = 0
    takes_answers: bool = False
