"""Metrics of the station as Prometheus reads them, made from its newest state when they are asked for.

Names hold their units; counters count from the station's start, as Prometheus expects. docs/integrations.md lists them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from waste_edge.device.page.state import CAMERA_WORDS, DECISION_BOUNDS_S, DecisionTimes, Speed, StationState
from waste_edge.device.system.condition import Level

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_LEVELS = {level: number for number, level in enumerate(Level)}
_P = "waste_edge_"


def render(state: StationState | None) -> bytes:
    """The metrics as text; without a state only that the station is not up."""
    registry = CollectorRegistry()
    registry.register(_Collector(state))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, state: StationState | None) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        return []  # so that nothing is collected when this is registered

    def collect(self) -> Iterator[Metric]:
        state = self._state
        yield _gauge("station_up", "1 while the station's loop goes round.", float(_is_up(state)))
        if state is not None:
            yield from _of_items(state)
            yield from _of_speed(state.speed)
            yield from _of_parts(state)
            yield from _of_board(state)


def _is_up(state: StationState | None) -> bool:
    return state is not None and state.speed.silence_s < 10


def _of_items(state: StationState) -> Iterator[Metric]:
    run = state.run
    labels = ["station", "version", "bundle", "artifact", "engine", "site"]
    info = GaugeMetricFamily(_P + "station_info", "Always 1; the labels say what runs.", labels=labels)
    info.add_metric([state.station, state.version, run.bundle, run.artifact, run.engine, run.site], 1)
    yield info
    started = datetime.fromisoformat(state.started_utc).timestamp()
    yield _gauge("station_start_time_seconds", "When the station was started, Unix time.", started)
    items = CounterMetricFamily(_P + "items", "Decided items.", labels=["stream", "action"])
    places = {(place, "sort") for place in state.places} - {(one.stream, one.action) for one in state.totals}
    for stream, action in sorted(places):
        items.add_metric([stream, action], 0)  # a counter that begins at 1 has no first increase
    for total in state.totals:
        items.add_metric([total.stream, total.action], total.count)
    yield items
    asked = sum(total.count for total in state.totals if total.action == "ask")
    yield _counter("unknown_items", "Items that are like none of the labels, or unsure.", state.unknown)
    yield _counter("asked_items", "Items about which a person was asked.", asked)
    answers = CounterMetricFamily(_P + "answers", "Answers to what was asked or decided.", labels=["source", "stream"])
    for answer in state.answers:
        answers.add_metric([answer.source, answer.stream], answer.count)
    yield answers
    yield _gauge("open_questions", "Items that wait for a person's answer.", state.open_questions)
    histogram = HistogramMetricFamily(
        _P + "decision_seconds", "From an item's coming into view to its decision.", unit="seconds"
    )
    histogram.add_metric([], _buckets(state.decision), state.decision.sum_s)
    yield histogram


def _buckets(times: DecisionTimes) -> list[tuple[str, float]]:
    bounds = [*map(str, DECISION_BOUNDS_S), "+Inf"]
    return [(bound, float(sum(times.buckets[: number + 1]))) for number, bound in enumerate(bounds)]


def _of_speed(speed: Speed) -> Iterator[Metric]:
    frames = CounterMetricFamily(_P + "frames", "Frames, by what became of them.", labels=["outcome"])
    for outcome in ("judged", "untrusted", "dropped", "shed"):
        frames.add_metric([outcome], speed.frames if outcome == "judged" else getattr(speed, f"{outcome}_frames"))
    yield frames
    yield _counter("bad_pictures", "Picture files that could not be read.", speed.bad_pictures)
    yield _counter("predictions", "Answers of the network.", speed.answers)
    yield _gauge("frame_rate_hertz", "Frames a second over the last seconds.", speed.fps)
    inference = GaugeMetricFamily(
        _P + "inference_seconds", "Preprocessing and inference, over the last 1000 answers.", labels=["percentile"]
    )
    inference.add_metric(["50"], speed.latency_p50_ms / 1e3)
    inference.add_metric(["95"], speed.latency_p95_ms / 1e3)
    yield inference
    age = GaugeMetricFamily(
        _P + "frame_age_seconds", "From a frame's capture to its verdict, over the last frames.", labels=["percentile"]
    )
    age.add_metric(["50"], speed.frame_age_p50_ms / 1e3)
    age.add_metric(["95"], speed.frame_age_p95_ms / 1e3)
    yield age
    yield _gauge("loop_silence_seconds", "Since the loop last went round.", speed.silence_s)
    yield _gauge("least_frame_gap_seconds", "Left between frames to spare a hot board; 0: none.", speed.least_gap_s)


def _of_parts(state: StationState) -> Iterator[Metric]:
    camera = GaugeMetricFamily(_P + "camera_state", "1 for the camera's present state.", labels=["state"])
    for word in CAMERA_WORDS:
        camera.add_metric([word], float(word == state.camera.state))
    yield camera
    health = GaugeMetricFamily(_P + "health_level", "Of each part: 0 ok, 1 warn, 2 bad.", labels=["part"])
    for condition in state.health:
        health.add_metric([condition.part], _LEVELS[condition.level])
    yield health
    waiting = GaugeMetricFamily(_P + "sink_waiting_events", "Events that a sink has not had.", labels=["sink"])
    for sink, count in state.sinks.items():
        waiting.add_metric([sink], count)
    yield waiting
    yield _counter("page_starts", "How often the page's process was started.", state.page_starts)


def _of_board(state: StationState) -> Iterator[Metric]:
    """Metrics of the board; what it does not tell has none."""
    board = state.board
    if board.temperature_c is not None:
        yield _gauge("temperature_celsius", "Of the processor.", board.temperature_c)
    for name, flags, text in (
        ("throttled", board.throttled, "1 for a flag of the firmware that is set now."),
        ("throttled_since_boot", board.throttled_since_boot, "1 for a flag that was set since the board started."),
    ):
        if flags is not None:
            family = GaugeMetricFamily(_P + name, text, labels=["flag"])
            for flag, is_set in flags.items():
                family.add_metric([flag], float(is_set))
            yield family
    if board.available_mb is not None:
        yield _gauge("memory_available_bytes", "That programs can have without swapping.", board.available_mb * 1e6)
    if board.disk_free_mb is not None:
        yield _gauge("disk_free_bytes", "Under the folder of events.", board.disk_free_mb * 1e6)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_P + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_P + name, text, value=value)
