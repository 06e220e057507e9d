"""Comparison of a run with a recorded one, row by row, with a verdict that respects noise.

A row differs if its median changed by more than 5 %, and by more than both runs' own unrest explains: the 95 %
interval of the ratio, from a bootstrap over each run's blocks of a second, lies on one side of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from waste_edge.benchmarks.schema import BenchReport, Block, Row
from waste_edge.files.strict import Strict

if TYPE_CHECKING:
    from rich.console import Console

LIMIT = 0.05
_RESAMPLES = 1000

Verdict = Literal["same", "faster", "slower", "too noisy to say"]


class Change(Strict, frozen=True):
    """One row now over the same row then: below 1 it is faster now.

    Attributes:
        key: of the row in both reports.
        then_ms, now_ms: medians.
        ratio, low, high: now over then, with its 95 % interval.
        verdict: `too noisy to say` if it changed by more than 5 % but the interval holds 1.
    """

    key: str
    then_ms: float
    now_ms: float
    ratio: float
    low: float
    high: float
    verdict: Verdict


class Comparison(Strict, frozen=True):
    """Two reports side by side.

    Attributes:
        then, now: when each was made.
        reservations: why the two should not be compared at all, in words; empty if they may.
        changes: of rows that both measured.
        only_then, only_now: keys of rows that one of them lacks.
    """

    then: str
    now: str
    reservations: list[str]
    changes: list[Change]
    only_then: list[str]
    only_now: list[str]

    @property
    def beyond(self) -> list[Change]:
        """Rows that differ by more than 5 %, noise or not."""
        return [change for change in self.changes if abs(change.ratio - 1) > LIMIT]


def compare(then: BenchReport, now: BenchReport) -> Comparison:
    """Hold a report against an earlier one."""
    before = {row.key: row for row in then.rows if row.latency}
    after = {row.key: row for row in now.rows if row.latency}
    return Comparison(
        then=then.created,
        now=now.created,
        reservations=_reservations(then, now),
        changes=[_change(before[key], after[key]) for key in after if key in before],
        only_then=[key for key in before if key not in after],
        only_now=[key for key in after if key not in before],
    )


def _reservations(then: BenchReport, now: BenchReport) -> list[str]:
    said = []
    for name, report in (("that", then), ("this", now)):
        if not report.valid:
            said.append(f"{name} run is invalid: {'; '.join(one.what for one in report.disturbances)}")
        if report.mode == "quick":
            said.append(f"{name} run is a quick one")
    for what in ("board", "cpu", "cores", "architecture", "governor", "libraries"):
        before, after = getattr(then.machine, what), getattr(now.machine, what)
        if before != after:
            said.append(f"{what}: {before or 'not told'} then, {after or 'not told'} now")
    if then.scenario.time != now.scenario.time:
        said.append(f"{then.scenario.time} time then, {now.scenario.time} time now")
    digests = {subject.name: subject.digest for subject in then.subjects}
    said += [
        f"{subject.name} is another file now"
        for subject in now.subjects
        if digests.get(subject.name, subject.digest) != subject.digest
    ]
    return said


def _change(then: Row, now: Row) -> Change:
    assert then.latency is not None
    assert now.latency is not None
    ratio = now.latency.p50_ms / then.latency.p50_ms
    low, high = _interval(now.latency.blocks, then.latency.blocks)
    return Change(
        key=now.key,
        then_ms=then.latency.p50_ms,
        now_ms=now.latency.p50_ms,
        ratio=ratio,
        low=low,
        high=high,
        verdict=_verdict(ratio, low, high),
    )


def _verdict(ratio: float, low: float, high: float) -> Verdict:
    if abs(ratio - 1) <= LIMIT:
        return "same"
    if low <= 1 <= high:
        return "too noisy to say"
    return "faster" if ratio < 1 else "slower"


def _interval(above: Sequence[Block], below: Sequence[Block]) -> tuple[float, float]:
    """Interval of the ratio of medians of the blocks' medians."""
    generator = np.random.default_rng(0)
    drawn = []
    for blocks in (above, below):
        values = np.array([block.p50_ms for block in blocks])
        drawn.append(np.median(values[generator.integers(0, len(values), (_RESAMPLES, len(values)))], axis=1))
    low, high = np.percentile(drawn[0] / drawn[1], (2.5, 97.5))
    return float(low), float(high)


def sentences(comparison: Comparison) -> list[str]:
    """Describe the verdict."""
    said = [f"no fair comparison: {one}" for one in comparison.reservations]
    beyond = comparison.beyond
    for change in beyond:
        interval = f"{change.ratio:.2f} ({change.low:.2f} to {change.high:.2f})"
        said.append(
            f"{change.key}: {change.then_ms:.2f} ms then, {change.now_ms:.2f} ms now, {interval}: {change.verdict}"
        )
    if not comparison.changes:
        said.append("no row was measured in both runs")
    elif beyond:
        said.append(f"{len(beyond)} of {len(comparison.changes)} rows differ by more than 5 % between the two runs")
    else:
        said.append(f"the two runs are within 5 % of each other in all {len(comparison.changes)} rows")
    missing = {"then": comparison.only_then, "now": comparison.only_now}
    said += [f"only measured {when}: {', '.join(keys)}" for when, keys in missing.items() if keys]
    return said


def print_comparison(comparison: Comparison, screen: Console) -> None:
    """Write it to a terminal."""
    screen.print(f"against the run of {comparison.then}:", markup=False, soft_wrap=True)
    for sentence in sentences(comparison):
        screen.print(f"  {sentence}", markup=False, soft_wrap=True)
