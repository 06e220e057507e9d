"""`bench --soak MINUTES`: the station's loop for a while, as fast as it goes. Does it slow down, does it grow?

Slower or larger is said of a trend: Mann and Kendall's test and the slope of Theil and Sen, both robust to outliers.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from waste_edge import __version__
from waste_edge.benchmarks.candidates import subject_of
from waste_edge.benchmarks.facts import ROOT, read_machine
from waste_edge.benchmarks.machine.monitor import BoardMonitor, memory_of
from waste_edge.benchmarks.measure import StepProgress
from waste_edge.benchmarks.report import standing_of
from waste_edge.benchmarks.schema import SCHEMA, SoakReport, Trend, Window
from waste_edge.benchmarks.show import describe_machine, print_verdict
from waste_edge.benchmarks.station.soak import run_station
from waste_edge.bundle.bundle import Bundle
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.system.board import Board
from waste_edge.engines.classifier import load_classifier
from waste_edge.files.resources import commit_of_code

if TYPE_CHECKING:
    from rich.console import Console

ALPHA = 0.01
WINDOWS = 40
WARM_UP_WINDOWS = 4  # caches, pools and histories fill; they are shown and not tested
LATENCY_LIMIT = 0.05  # of the median
MEMORY_LIMIT_MB = 2.0


def trend(seconds: Sequence[float], values: Sequence[float], limit: float) -> Trend:
    """Test a series, three values at least, for a way upwards that matters.

    The test's S is the number of pairs that rise less those that fall; with ties its variance is
    (n (n-1) (2n+5) - Σ t (t-1) (2t+5)) / 18 over groups of t equal values, and (S ∓ 1) / σ is all but normal.
    Neighbouring windows of a soak resemble each other, which makes the test find a trend too soon: hence `limit`.

    Args:
        seconds: when each value was taken, growing.
        values: one a window.
        limit: a change over the whole time that must be passed to matter, in the values' unit.
    """
    times, series = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    first, second = np.triu_indices(len(series), k=1)
    steps = series[second] - series[first]
    score = int(np.sign(steps).sum())
    slope = float(np.median(steps / (times[second] - times[first])))
    change = slope * float(times[-1] - times[0])
    p = _two_sided(score, series)
    return Trend(p=p, change=change, limit=limit, drifts=p < ALPHA and change > limit)


def _two_sided(score: int, series: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    count = len(series)
    ties = np.unique(series, return_counts=True)[1]
    variance = (count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0 or score == 0:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


@dataclass
class _Windows(Listener):
    """Keeps one median and one look at memory and board for each window of time."""

    window_s: float
    watch: BoardMonitor
    progress: StepProgress
    began_s: float = field(default_factory=time.monotonic)
    windows: list[Window] = field(default_factory=list)
    _now: list[float] = field(default_factory=list)
    _looked_s: float = 0.0

    @property
    def at_s(self) -> float:
        return time.monotonic() - self.began_s

    def seen(self, seen: Seen) -> None:
        if seen.prediction is not None:
            self._now.append(seen.prediction.latency_ms)
        if self.at_s < self.window_s * (len(self.windows) + 1) or not self._now:
            return
        memory_mb = memory_of([os.getpid()]).anonymous_mb
        median = statistics.median(self._now)
        window = Window(at_s=round(self.at_s, 3), frames=len(self._now), p50_ms=median, anonymous_mb=memory_mb)
        self.windows.append(window)
        self._now.clear()
        if self.at_s - self._looked_s >= 1.0:
            self.watch.look(working=True)
            self._looked_s = self.at_s
        self.progress("soaking", len(self.windows), WINDOWS)


def endure(bundle: Bundle, minutes: float, progress: StepProgress, board: Board) -> SoakReport:
    """Run the loop for so long, INT8 on the preferred engine, and judge what became of latency and memory.

    Raises:
        BundleError, MissingPackageError, EngineError: see `load_classifier`.
    """
    classifier = load_classifier(bundle)
    watch = BoardMonitor(board)
    watch.before()
    seconds = minutes * 60
    listener = _Windows(seconds / WINDOWS, watch, progress)
    with tempfile.TemporaryDirectory(prefix="waste-edge-soak-") as folder:
        summary = run_station(classifier, Path(folder), lambda: len(listener.windows) < WINDOWS, listener)
    watch.look(working=True)
    latency, memory = assess(listener.windows)
    machine = read_machine(board.root)
    disturbances = [*standing_of(machine), *watch.disturbances("wall")]
    return SoakReport(
        schema=SCHEMA,
        mode="soak",
        valid=not disturbances,
        disturbances=disturbances,
        stand_in="" if board.root == ROOT else str(board.root),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        waste_edge=__version__,
        commit=commit_of_code(),
        machine=machine,
        subject=subject_of(bundle, bundle.manifest.name),
        artifact=classifier.artifact,
        engine=classifier.engine.name,
        minutes=minutes,
        frames=summary.frames,
        items=summary.items,
        windows=listener.windows,
        latency=latency,
        memory=memory,
        steady=not latency.drifts and not memory.drifts,
        verdict=in_words(latency, memory),
        watched=watch.watched(),
    )


def assess(windows: list[Window]) -> tuple[Trend, Trend]:
    """The trends of latency and memory, without the windows of the warm-up."""
    tested = windows[WARM_UP_WINDOWS:]
    times = [window.at_s for window in tested]
    latencies = [window.p50_ms for window in tested]
    latency = trend(times, latencies, LATENCY_LIMIT * statistics.median(latencies))
    return latency, trend(times, [window.anonymous_mb for window in tested], MEMORY_LIMIT_MB)


def in_words(latency: Trend, memory: Trend) -> str:
    """Describe the verdict."""
    said = [
        f"{what} {'drifts' if one.drifts else 'is steady'}: {one.change:+.3f} {unit} over the soak "
        f"(limit {one.limit:.3f}), Mann-Kendall p = {one.p:.3g}"
        for what, unit, one in (("latency", "ms", latency), ("memory", "MB", memory))
    ]
    return "; ".join(said)


def print_soak(report: SoakReport, screen: Console) -> None:
    """Write it to a terminal."""
    first, last = report.windows[0], report.windows[-1]
    for line in (
        f"{report.subject.name} {report.subject.version} ({report.artifact}, {report.engine}) on "
        f"{describe_machine(report.machine)}",
        f"{report.minutes:g} minutes: {report.frames:,} frames, {report.items} items; p50 {first.p50_ms:.2f} ms in the "
        f"first window, {last.p50_ms:.2f} ms in the last; {first.anonymous_mb:.1f} MB, then {last.anonymous_mb:.1f} MB",
        f"{'steady' if report.steady else 'NOT STEADY'}: {report.verdict}",
    ):
        screen.print(line, markup=False, soft_wrap=True)
    print_verdict(report, screen)
