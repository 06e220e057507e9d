"""From what was seen of an item to one decision: which stream it goes to, and why."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.presence import Presence, State
from waste_edge.engines.classifier import Prediction, judge
from waste_edge.frames import Frame
from waste_edge.manifest import Calibration, Manifest
from waste_edge.preprocess import cut
from waste_edge.taxonomy import UNKNOWN, Site

MIN_FRAMES = 3  # settled frames that a decision is the mean of, at least
MIN_SECONDS = 0.5  # and the time they span, at least


@dataclass(frozen=True)
class Decision:
    """What becomes of one item.

    Attributes:
        stream: where it goes.
        label: what it is, or "unknown".
        confidence: mean calibrated probability of the most probable label, 0 to 1.
        reason: one sentence for people.
    """

    stream: str
    label: str
    confidence: float
    reason: str

    def __post_init__(self) -> None:
        if not self.stream or not self.label or not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"a decision needs a stream, a label and a confidence from 0 to 1, got {self}")


@dataclass(frozen=True)
class Event:
    """One item, decided.

    Attributes:
        id: unique, 32 hexadecimal digits.
        opened_ns: monotonic clock when the item came into view.
        decided_ns: capture time of the last frame that counted.
        decision: what becomes of it.
        frames: how many settled frames the decision is the mean of.
        picture: the file it was decided from; empty for a camera.
    """

    id: str
    opened_ns: int
    decided_ns: int
    decision: Decision
    frames: int
    picture: str = ""

    def __post_init__(self) -> None:
        if self.decided_ns < self.opened_ns or self.frames < 1:
            raise ValueError(f"an event is decided after it is opened, from at least one frame; got {self}")


class Judge:
    """Decides by a bundle's calibration and a site's map."""

    def __init__(self, manifest: Manifest, site: Site) -> None:
        """Check that the site knows the bundle's labels.

        Raises:
            ConfigError: a label has no stream, or the site names what the model does not know.
        """
        site.check_covers(manifest.labels, manifest.tree)
        self.site = site
        self._labels: Sequence[str] = manifest.labels
        self._tree: Mapping[str, str] = manifest.tree
        self._calibration = manifest.calibration
        if site.min_confidence is not None:
            self._calibration = msgspec.structs.replace(self._calibration, min_confidence=site.min_confidence)

    def decide(self, predictions: Sequence[Prediction]) -> Decision:
        """One decision from all predictions of an item, at least one: their mean, not the last one's word."""
        probabilities = np.mean([prediction.probabilities for prediction in predictions], axis=0)
        known_score = float(np.mean([prediction.known_score for prediction in predictions]))
        best = int(probabilities.argmax())
        confidence = min(1.0, float(probabilities[best]))  # a mean of ones may exceed one by a rounding
        label = judge(self._labels[best], confidence, known_score, self._calibration)
        if label == UNKNOWN:
            reason = _why_unknown(self._labels, probabilities, known_score, self._calibration)
        else:
            second = int(probabilities.argsort()[-2])
            reason = f"{_frames(len(predictions))}; next best {self._labels[second]} {probabilities[second]:.0%}"
        return Decision(self.site.stream_of(label, self._tree), label, confidence, reason)


def _why_unknown(
    labels: Sequence[str], probabilities: NDArray[np.float64], known_score: float, calibration: Calibration
) -> str:
    first, second = (int(index) for index in np.argsort(probabilities)[:-3:-1])
    if probabilities[first] < calibration.min_confidence:
        return (
            f"unsure: {labels[first]} {probabilities[first]:.0%} or {labels[second]} {probabilities[second]:.0%}; "
            f"at least {calibration.min_confidence:.0%} is asked for"
        )
    return (
        f"like none of the known labels ({labels[first]} comes nearest): known score {known_score:.1f}, "
        f"at least {calibration.min_known_score:.1f} is asked for"
    )


def _frames(count: int) -> str:
    return "one picture" if count == 1 else f"mean of {count} frames"


def new_id() -> str:
    """A fresh event id."""
    return uuid.uuid4().hex


class Items(Protocol):
    """Finds the items among the frames."""

    def see(self, frame: Frame, prediction: Prediction) -> tuple[State, Event | None]:
        """Take in one frame with its prediction; the event, if this frame completes one."""
        ...


class PassingItems:
    """Items before a camera: they come, rest, are decided once, and go."""

    def __init__(self, judge: Judge, presence: Presence | None = None, make_id: Callable[[], str] = new_id) -> None:
        self._judge = judge
        self._presence = presence or Presence()
        self._make_id = make_id
        self._settled: list[Prediction] = []
        self._settled_ns = 0

    def see(self, frame: Frame, prediction: Prediction) -> tuple[State, Event | None]:
        """See `Items.see`. A decision needs MIN_FRAMES settled frames in a row that span MIN_SECONDS."""
        state = self._presence.see(cut(frame.pixels, self._judge.site.region), frame.captured_ns)
        if state is not State.SETTLED:
            self._settled.clear()
            return state, None
        if not self._settled:
            self._settled_ns = frame.captured_ns
        self._settled.append(prediction)
        if len(self._settled) < MIN_FRAMES or frame.captured_ns - self._settled_ns < MIN_SECONDS * NS_PER_S:
            return state, None
        event = Event(
            id=self._make_id(),
            opened_ns=self._presence.arrived_ns,
            decided_ns=frame.captured_ns,
            decision=self._judge.decide(self._settled),
            frames=len(self._settled),
        )
        self._presence.decided()
        self._settled.clear()
        return State.DECIDED, event


class SingleItems:
    """Pictures: each one is an item by itself."""

    def __init__(self, judge: Judge, make_id: Callable[[], str] = new_id) -> None:
        self._judge = judge
        self._make_id = make_id

    def see(self, frame: Frame, prediction: Prediction) -> tuple[State, Event | None]:
        """See `Items.see`: each frame completes an event."""
        decision = self._judge.decide([prediction])
        time_ns = frame.captured_ns
        return State.DECIDED, Event(self._make_id(), time_ns, time_ns, decision, frames=1, picture=frame.name)
