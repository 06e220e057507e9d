"""Statistics of the loop: frames, items, latency, in bounded memory."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.item_tracker import Event

LATENCY_WINDOW = 1000  # answers whose latency is remembered
AGE_WINDOW = 150  # frames whose age is remembered: some seconds
RATE_WINDOW_NS = 3 * NS_PER_S  # the present rate is that of the last seconds


@dataclass(frozen=True)
class Summary:
    """A run, or the run so far.

    Attributes:
        seconds: since the loop began, waiting for a camera included.
        frames: looked at: health and presence were asked.
        dropped_frames: replaced by a newer one before they were looked at.
        unclassified_frames: not looked at further, because the camera's picture could not be trusted.
        shed_frames: passed over to spare a hot or hungry board.
        bad_pictures: files that could not be read.
        items: decided ones.
        streams, labels: items by stream and by label, most frequent first.
        fps: frames a second from the first frame to the last one.
        latency_p50_ms, latency_p95_ms: preprocessing and inference, over the network's last answers.
        frame_age_p50_ms, frame_age_p95_ms: from a frame's capture, as the driver stamps it, until it was judged, and
            an item decided with it; over the last frames.
        ended: why the loop ended, in words; empty while it runs.
        answers: how often the network was asked.
    """

    seconds: float
    frames: int
    dropped_frames: int
    unclassified_frames: int
    shed_frames: int
    bad_pictures: int
    items: int
    streams: dict[str, int]
    labels: dict[str, int]
    fps: float
    latency_p50_ms: float
    latency_p95_ms: float
    ended: str = ""
    answers: int = 0
    frame_age_p50_ms: float = 0.0
    frame_age_p95_ms: float = 0.0


@dataclass
class Statistics:
    """Counts as the loop runs; `started_ns` on the loop's clock."""

    started_ns: int
    frames: int = 0
    unclassified_frames: int = 0
    shed_frames: int = 0
    bad_pictures: int = 0
    items: int = 0
    answers: int = 0
    streams: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    _first_ns: int = 0
    _times_ns: deque[int] = field(default_factory=lambda: deque(maxlen=512))
    _ages_ms: deque[float] = field(default_factory=lambda: deque(maxlen=AGE_WINDOW))
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCY_WINDOW))

    def count_frame(self, now_ns: int, trusted: bool = True) -> None:
        """A frame was looked at, or could not be trusted."""
        if not trusted:
            self.unclassified_frames += 1
            return
        if not self.frames:
            self._first_ns = now_ns
        self.frames += 1
        self._times_ns.append(now_ns)
        while now_ns - self._times_ns[0] > RATE_WINDOW_NS:
            self._times_ns.popleft()

    def count_age(self, age_ns: int) -> None:
        """A frame was judged, so long after it was captured."""
        self._ages_ms.append(age_ns / 1e6)

    def count_answer(self, latency_ms: float) -> None:
        """The network was asked."""
        self.answers += 1
        self._latencies_ms.append(latency_ms)

    def count_item(self, event: Event) -> None:
        """Count a decided item."""
        self.items += 1
        self.streams[event.decision.stream] += 1
        self.labels[event.decision.label] += 1

    @property
    def looked_at(self) -> int:
        """Frames taken, trusted or not: the number of the newest one."""
        return self.frames + self.unclassified_frames

    @property
    def fps_now(self) -> float:
        """Frames a second over the last seconds; 0 before the second frame."""
        return _rate(len(self._times_ns), self._times_ns[-1] - self._times_ns[0]) if self._times_ns else 0.0

    def latency_ms(self, percentile: float) -> float:
        """Latency over the last answers; 0 before the first."""
        return float(np.percentile(self._latencies_ms, percentile)) if self._latencies_ms else 0.0

    def frame_age_ms(self, percentile: float) -> float:
        """Age of the last frames when they were judged; 0 before the first."""
        return float(np.percentile(self._ages_ms, percentile)) if self._ages_ms else 0.0

    def summary(self, now_ns: int, dropped_frames: int, ended: str = "") -> Summary:
        """Summarize the run so far."""
        last_ns = self._times_ns[-1] if self._times_ns else self._first_ns
        return Summary(
            seconds=(now_ns - self.started_ns) / NS_PER_S,
            frames=self.frames,
            dropped_frames=dropped_frames,
            unclassified_frames=self.unclassified_frames,
            shed_frames=self.shed_frames,
            bad_pictures=self.bad_pictures,
            items=self.items,
            streams=dict(self.streams.most_common()),
            labels=dict(self.labels.most_common()),
            fps=_rate(self.frames, last_ns - self._first_ns),
            latency_p50_ms=self.latency_ms(50),
            latency_p95_ms=self.latency_ms(95),
            ended=ended,
            answers=self.answers,
            frame_age_p50_ms=self.frame_age_ms(50),
            frame_age_p95_ms=self.frame_age_ms(95),
        )


def _rate(frames: int, span_ns: int) -> float:
    """Frames a second, when the first and last of `frames` lie `span_ns` apart."""
    return (frames - 1) * NS_PER_S / span_ns if span_ns > 0 else 0.0
