"""Output of a run for people and programs: lines of text, JSON lines, or (in `panel.py`) a live panel.

A view is a `Listener` of the loop. Decisions and the summary go to stdout, news of cameras and pictures to
stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import msgspec

from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.camera_condition import CAMERA
from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Listener, ModelChange, Seen
from waste_edge.device.statistics import Summary
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.vision.presence import State
from waste_edge.engines.classifier import Classifier, Prediction
from waste_edge.files.strict import encode_json
from waste_edge.files.text import as_line, visible, visible_json
from waste_edge.site import Site

RATE_EVERY_NS = 60 * NS_PER_S


@dataclass(frozen=True)
class About:
    """Description of a run, given once at the start: source, bundle, engine, site.

    Attributes:
        source: what is looked at, in words.
        bundle: the model's name and version.
        artifact: which of its networks.
        engine: the library that runs it, with its version.
        labels: in the model's order.
        site: the station's name.
        streams: label or tree node to stream.
        residual: the stream for what is unknown.
        bundle_choice: why this bundle, where the station chose it; empty for one that was named.
        looks: how often an item is shown to the network, at most.
        warning: one line on what people should know of bundle and source; empty if there is nothing.
    """

    source: str
    bundle: str
    artifact: str
    engine: str
    labels: tuple[str, ...]
    site: str
    streams: Mapping[str, str]
    residual: str
    bundle_choice: str = ""
    looks: int = 1
    warning: str = ""

    @classmethod
    def of(cls, source: str, classifier: Classifier, site: Site, bundle_choice: str = "", looks: int = 1) -> About:
        """Describe a model at a site."""
        manifest = classifier.manifest
        return cls(
            source=source,
            bundle=f"{manifest.name} {manifest.version}",
            artifact=classifier.artifact,
            engine=classifier.engine.name,
            labels=classifier.labels,
            site=site.name,
            streams=site.streams,
            residual=site.residual,
            bundle_choice=bundle_choice,
            looks=looks,
        )


class RunView(Listener, ReviewListener):
    """A listener to the loop and to people's answers that is also told what runs."""

    def started(self, about: About) -> None:
        """The model is loaded; the source is about to be opened."""


def news_line(message: Opened | Absent | BadPicture) -> str:
    """A piece of news in one line."""
    match message:
        case Opened(title=title):
            return f"looking at {visible(title)}"
        case Absent(reason=reason, retry_s=retry_s):
            return f"waiting for a camera ({visible(reason)}); next attempt in {retry_s:g} s, Ctrl-C ends"
        case BadPicture(reason=reason):
            return visible(reason)


def condition_line(condition: Condition) -> str:
    """`camera: bad: ...`, on one line."""
    return f"{condition.part}: {condition.level.value}: {visible(condition.text)}"


def model_line(change: ModelChange) -> str:
    """`model: activated small 4 (before: small 3): ...`, on one line."""
    line = f"model: {change.action.replace('_', ' ')}: {change.model} (before: {change.before}): {change.reason}"
    return visible(line)


class NewsPrinter:
    """Prints news on stderr; a camera that stays away is named once, until the reason changes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._said = ""
        self._camera = Level.OK

    def print(self, message: Opened | Absent | BadPicture) -> None:
        """Print one piece of news, unless it is the same absence again."""
        reason = message.reason if isinstance(message, Absent) else ""
        if reason and reason == self._said:
            return
        self._said = reason
        self._say(news_line(message))

    def print_health(self, conditions: Sequence[Condition]) -> None:
        """Print conditions; that the camera is away, or back, was news already."""
        for condition in conditions:
            if condition.part != CAMERA:
                self._say(condition_line(condition))
                continue
            before, self._camera = self._camera, condition.level
            if condition.level is not Level.BAD and (condition.level is Level.WARN or before is not Level.BAD):
                self._say(condition_line(condition))

    def _say(self, line: str) -> None:
        # sys.stderr is looked up now, not at import: a live panel puts its own in that place.
        print(f"waste-edge: {visible(line)}", file=self._stream or sys.stderr, flush=True)


class JsonView(RunView):
    """One JSON object a line on `stream`, each with a `kind`: start, frame, decision, answer, model, health, summary.

    Pictures get a `frame` line each. A camera or film gets one for each frame in which an item is arriving or
    settled, and for each change of state: an empty bin writes nothing all night. Their prediction is null unless the
    network was asked about that frame.
    """

    def __init__(self, stream: TextIO, news: NewsPrinter | None = None) -> None:
        self._stream = stream
        self._news = news or NewsPrinter()
        self._labels: tuple[str, ...] = ()
        self._state: State | None = None
        self._waited = False

    def started(self, about: About) -> None:
        self._labels = about.labels
        self._write("start", msgspec.to_builtins(about))

    def news(self, message: Opened | Absent | BadPicture) -> None:
        # That the camera opened goes without saying, unless it was waited for.
        if not isinstance(message, Opened) or self._waited:
            self._news.print(message)
        self._waited = isinstance(message, Absent)

    def seen(self, seen: Seen) -> None:
        changed, self._state = seen.state != self._state, seen.state
        if not (seen.frame.name or changed or seen.state in (State.ARRIVING, State.SETTLED)):
            return
        if seen.fault is not None:
            return  # the camera's condition says why
        where = {"path": as_line(seen.frame.name)} if seen.frame.name else {"state": seen.state.value}
        box = {} if seen.item is None else {"item_box": msgspec.to_builtins(seen.item.box)}
        self._write("frame", where | {"frame": seen.statistics.looked_at} | self._answer(seen.prediction) | box)

    def _answer(self, answer: Prediction | None) -> dict[str, Any]:
        """Give the prediction's fields for a frame; None where the network was not asked."""
        if answer is None:
            return dict.fromkeys(("label", "confidence", "probabilities", "known_score", "latency_ms"))
        probabilities = zip(self._labels, answer.probabilities.tolist(), strict=True)
        return {
            "label": answer.label,
            "confidence": round(answer.confidence, 4),
            "probabilities": {label: round(value, 4) for label, value in probabilities},
            "known_score": round(answer.known_score, 3),
            "latency_ms": round(answer.latency_ms, 3),
        }

    def decided(self, event: Event) -> None:
        decision = event.decision
        where: dict[str, Any] = {"path": as_line(event.picture)} if event.picture else {}
        if event.item_box is not None:
            where |= {"item_box": msgspec.to_builtins(event.item_box), "visibility": event.visibility.value}
        self._write(
            "decision",
            {"id": event.id}
            | where
            | {
                "label": decision.label,
                "confidence": round(decision.confidence, 4),
                "stream": decision.stream,
                "action": decision.action,
                "stream_probability": _rounded(decision.stream_probability),
                "expected_cost": _rounded(decision.expected_cost),
                "reason": decision.reason,
                "frame": event.frame,
                "frames": event.frames,
                "looks": event.looks,
                "opened_ns": event.opened_ns,
                "decided_ns": event.decided_ns,
                "candidates": msgspec.to_builtins(event.candidates),
                "expires_s": event.expires_s,
                "audit": event.audit,
            },
        )

    def answered(self, item: ReviewedItem) -> None:
        if item.answer is not None:
            self._write("answer", {"id": item.id, "answer": item.answer.answer, **item.answer.event})

    def model(self, change: ModelChange) -> None:
        self._write("model", msgspec.to_builtins(change))

    def health(self, conditions: Sequence[Condition]) -> None:
        self._write("health", {"conditions": msgspec.to_builtins(conditions)})

    def ended(self, summary: Summary) -> None:
        values = msgspec.to_builtins(summary)
        rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()}
        self._write("summary", rounded)

    def _write(self, kind: str, values: Mapping[str, Any]) -> None:
        self._stream.write(visible_json(encode_json({"kind": kind, **values}).decode()) + "\n")
        self._stream.flush()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


class LineView(RunView):
    """Plain text, one line a decision and one a minute with the rate: for logs, pipes and folders of pictures."""

    def __init__(self, stream: TextIO, clock: Clock, news: NewsPrinter | None = None) -> None:
        self._stream = stream
        self._clock = clock
        self._news = news or NewsPrinter()
        self._rate_ns = clock.now_ns()

    def started(self, about: About) -> None:
        self._print(f"{about.bundle} ({about.artifact}, {about.engine}) looks at {about.source}, site: {about.site}")
        if about.bundle_choice:
            self._print(f"bundle: {about.bundle_choice}")
        if about.warning:
            self._print(f"warning: {about.warning}")

    def news(self, message: Opened | Absent | BadPicture) -> None:
        self._news.print(message)

    def seen(self, seen: Seen) -> None:
        now_ns = self._clock.now_ns()
        if seen.frame.name or now_ns - self._rate_ns < RATE_EVERY_NS:
            return
        self._rate_ns = now_ns
        self._print(rate_line(seen.statistics.summary(now_ns, seen.dropped_frames), seen.statistics.fps_now))

    def decided(self, event: Event) -> None:
        decision = event.decision
        start = f"{visible(event.picture)}: " if event.picture else ""
        self._print(f"{start}{decision.label} {decision.confidence:.0%} → {decision.stream} ({decision.reason})")

    def answered(self, item: ReviewedItem) -> None:
        self._print(answer_line(item))

    def health(self, conditions: Sequence[Condition]) -> None:
        self._news.print_health(conditions)

    def ended(self, summary: Summary) -> None:
        self._print("\n".join(summary_lines(summary)))

    def _print(self, text: str) -> None:
        self._stream.write(visible(text, lines=True) + "\n")
        self._stream.flush()


def answer_line(item: ReviewedItem) -> str:
    """`answer by page (Ada): metal → yellow (was ask)`; of nobody: `not answered in time → black (was ask)`."""
    if item.answer is None:
        return ""
    said = item.answer.event
    what = f"{said['label']} → {said['stream']}" if said["label"] else f"→ {said['stream']}"
    who = f" ({said['who']})" if said["who"] else ""
    start = f"answer by {said['source']}{who}:" if item.answered_by_person else "not answered in time"
    return visible(f"{start} {what} (was {said['previous_stream']})")


def rate_line(summary: Summary, fps: float) -> str:
    """Speed and counts in one line."""
    return (
        f"{fps:.1f} frames/s · network p50 {summary.latency_p50_ms:.1f} ms, p95 {summary.latency_p95_ms:.1f} ms · "
        f"{summary.frames} frames, {summary.dropped_frames} dropped · {summary.items} items"
    )


def counts(items: Mapping[str, int]) -> str:
    """`paper 3, glass 1`; `none` if there are none."""
    return ", ".join(f"{name} {count}" for name, count in items.items()) or "none"


def summary_lines(summary: Summary) -> list[str]:
    """The end summary as lines of text."""
    lines = [f"ended after {summary.seconds:.1f} s: {summary.ended}"]
    if summary.frames:
        lines.append(rate_line(summary, summary.fps))
        lines.append(f"streams: {counts(summary.streams)}")
        lines.append(f"labels: {counts(summary.labels)}")
    if summary.unclassified_frames:
        lines.append(f"frames left out, because the picture could not be trusted: {summary.unclassified_frames}")
    if summary.shed_frames:
        lines.append(f"frames passed over to spare the board: {summary.shed_frames}")
    if summary.bad_pictures:
        lines.append(f"unreadable pictures: {summary.bad_pictures}")
    return lines
