"""Coverage of the intervals of `waste-edge report` by simulated label shift, as a Markdown table.

    python -m tools.contamination_coverage                  every cell, 100 stations each: two minutes
    python -m tools.contamination_coverage --stations 5     quick

A simulated station has six labels in four streams and a model whose probabilities are exact for an even mix. Then the
bin's mix is drawn anew (label shift), its probabilities are sharpened or flattened (miscalibration), what stays below
50 % is not sorted, and a share of the sorted items is audited, of which a person answers four of five.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from waste_edge.metrics.classification import Floats, Integers
from waste_edge.metrics.contamination import contamination, exact_interval
from waste_edge.metrics.curves import Flags

STREAM_OF = np.array([0, 0, 1, 2, 2, 3])  # by label
LABELS, STREAMS = len(STREAM_OF), 4
ANSWERED = 0.8
_Z = 1.959964
_LEAST_CASES = 100  # a cell with fewer intervals says little

Interval = tuple[float, float]


@dataclass(frozen=True)
class Cell:
    """Conditions of simulated stations.

    Attributes:
        apart: distance of two labels' features in standard deviations: 1.5 a poor model, 4 an excellent one.
        temperature: below 1 the model is too sure of itself, above too unsure.
        mix: concentration of the Dirichlet distribution that the bin's mix is drawn from: below 1 a strong shift.
        items: a station's, in the period.
        audit: share of the sorted items that a person is asked about.
    """

    apart: float
    temperature: float
    mix: float
    items: int
    audit: float


CELLS = tuple(
    itertools.starmap(
        Cell, itertools.product((1.5, 2.5, 4.0), (0.5, 1.0, 2.0), (0.3, 5.0), (300, 3000), (0.01, 0.02, 0.1, 0.3))
    )
)


@dataclass(frozen=True)
class Stream:
    """Items of one stream: (N,) the model's doubts, (N,) whether each is wrong, (n,) indices of the audited ones."""

    doubts: Floats
    wrong: Flags
    audited: Integers


def streams_of(cell: Cell, generator: np.random.Generator) -> Iterable[Stream]:
    """Simulate a station; gives the streams with an audited item."""
    mix = generator.dirichlet(np.full(LABELS, cell.mix))
    labels = generator.choice(LABELS, size=cell.items, p=mix)
    features = cell.apart * np.eye(LABELS)[labels] + generator.normal(size=(cell.items, LABELS))
    logits = cell.apart * features / cell.temperature
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    shares = np.stack([probabilities[:, stream == STREAM_OF].sum(axis=1) for stream in range(STREAMS)], axis=1)
    put, best = shares.argmax(axis=1), shares.max(axis=1)
    drawn = generator.random(cell.items) < cell.audit * ANSWERED
    for stream in range(STREAMS):
        own = (put == stream) & (best >= 0.5)
        audited = np.flatnonzero(drawn[own])
        if len(audited):
            yield Stream(1.0 - best[own], STREAM_OF[labels[own]] != stream, audited)


def own_opinion(stream: Stream) -> Interval:
    """The model's probabilities taken at their word."""
    doubts = stream.doubts
    half = _Z * math.sqrt(float((doubts * (1 - doubts)).sum())) / len(doubts)
    return float(doubts.mean()) - half, float(doubts.mean()) + half


def prediction_powered(stream: Stream) -> Interval:
    """Prediction-powered, with the normal approximation, as published."""
    errors = stream.wrong[stream.audited] - stream.doubts[stream.audited]
    drawn, items = len(errors), len(stream.doubts)
    centre = float(stream.doubts.mean() + errors.mean())
    spread = float(errors.var(ddof=1)) if drawn > 1 else 1.0
    half = _Z * math.sqrt(spread / drawn * (1 - drawn / items))
    return centre - half, centre + half


def wilson(stream: Stream) -> Interval:
    """Wilson's score interval of the answers, with the finite population's correction."""
    drawn = len(stream.audited)
    share, z2 = float(stream.wrong[stream.audited].mean()), _Z * _Z * (1 - drawn / len(stream.doubts))
    centre = (share + z2 / (2 * drawn)) / (1 + z2 / drawn)
    half = math.sqrt(z2 * (share * (1 - share) / drawn + z2 / (4 * drawn * drawn))) / (1 + z2 / drawn)
    return centre - half, centre + half


def exact(stream: Stream) -> Interval:
    """The interval of `waste-edge report`."""
    found = contamination(stream.doubts, stream.audited, stream.wrong[stream.audited])
    assert (found.low, found.high) == exact_interval(found.items, found.audited, found.wrong)
    return found.low or 0.0, 1.0 if found.high is None else found.high


METHODS: dict[str, Callable[[Stream], Interval]] = {
    "the model's own probabilities": own_opinion,
    "prediction-powered, normal": prediction_powered,
    "answers, Wilson": wilson,
    "answers, exact (ours)": exact,
}


@dataclass
class Tally:
    """Intervals of one method: how many, how many held the true share, and the sum of their widths."""

    cases: int = 0
    held: int = 0
    widths: float = 0.0

    @property
    def coverage(self) -> float:
        return self.held / max(1, self.cases)

    def count(self, interval: Interval, truth: float) -> None:
        """Count one interval, cut off at 0 and 1."""
        low, high = max(0.0, interval[0]), min(1.0, interval[1])
        self.cases += 1
        self.held += low - 1e-9 <= truth <= high + 1e-9
        self.widths += max(0.0, high - low)


def measure(
    cells: Iterable[Cell], stations: int, seed: int = 0, methods: Mapping[str, Callable[[Stream], Interval]] = METHODS
) -> dict[str, dict[Cell, Tally]]:
    """Simulate so many stations a cell; by method and cell."""
    generator = np.random.default_rng(seed)
    tallies: dict[str, dict[Cell, Tally]] = {name: {} for name in methods}
    for cell in cells:
        for _ in range(stations):
            for stream in streams_of(cell, generator):
                for name, method in methods.items():
                    tallies[name].setdefault(cell, Tally()).count(method(stream), float(stream.wrong.mean()))
    return tallies


def pooled(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    total = Tally()
    for tally in tallies:
        total.cases, total.held = total.cases + tally.cases, total.held + tally.held
        total.widths += tally.widths
    return total


def table(tallies: dict[str, dict[Cell, Tally]]) -> str:
    """Coverage by method: of all intervals, of the worst cell, by share of audits; and the mean width."""
    audits = sorted({cell.audit for own in tallies.values() for cell in own})
    heads = ["interval", "of all", "of the worst cell", *(f"audit {audit:g}" for audit in audits), "mean width"]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for name, own in tallies.items():
        whole = pooled(own.values())
        worst = min((tally.coverage for tally in own.values() if tally.cases >= _LEAST_CASES), default=math.nan)
        shares = [pooled(tally for cell, tally in own.items() if cell.audit == audit).coverage for audit in audits]
        cells = ["" if math.isnan(share) else f"{share:.1%}" for share in (whole.coverage, worst, *shares)]
        lines.append(f"| {' | '.join([name, *cells, f'{whole.widths / max(1, whole.cases):.3f}'])} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals of waste-edge report, as a Markdown table.")
    parser.add_argument("--stations", type=int, default=100, help="simulated stations a cell")
    parser.add_argument("--seed", type=int, default=0, help="of every chance")
    given = parser.parse_args()
    tallies = measure(CELLS, given.stations, given.seed)
    cases = pooled(tallies["answers, exact (ours)"].values()).cases
    print(table(tallies))
    print(f"\n{cases:,} intervals a method, {len(CELLS)} cells, {given.stations} stations each, seed {given.seed}.")


if __name__ == "__main__":
    main()
