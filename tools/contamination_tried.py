"""Intervals and estimates of contamination that were tried and left, on the stations of `contamination_coverage`.

    python -m tools.contamination_tried                  eight stations a cell: a minute or two
    python -m tools.contamination_tried --stations 2     quick

Two Markdown tables for docs/decisions/030: coverage and width of intervals, and root mean square errors of estimates
by the number of answers.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from scipy.stats import beta, hypergeom

from tools.contamination_coverage import CELLS, Cell, Interval, Stream, exact, measure, streams_of, table, wilson
from waste_edge.metrics import contamination as module
from waste_edge.metrics.contamination import contamination

_Z = 1.959964
_LEAST_ERRORS = 5  # below it the variance of prediction-powered errors says nothing
_SIZES = (5, 30)  # answers: bounds of the groups


def score_powered(stream: Stream) -> Interval:
    """Wilson's interval around the tuned prediction-powered mean, its variance less what the model explains."""
    wrong = stream.wrong[stream.audited].astype(np.float64)
    seen, drawn = stream.doubts[stream.audited], len(stream.audited)
    rarer, spread = min(wrong.sum(), drawn - wrong.sum()), float(stream.doubts.var())
    left = 1 - drawn / len(stream.doubts)
    share = float(wrong.mean())
    if left <= 0:
        return share, share
    trust = rarer / (rarer + 4.0)
    together = float(((wrong - share) * (seen - seen.mean())).mean()) * trust
    weight = min(1.0, max(0.0, together / spread)) if spread > 0 else 0.0
    centre = min(1.0, max(0.0, share + weight * float(stream.doubts.mean() - seen.mean())))
    explained = (2 * weight * together - weight**2 * spread) / (share * (1 - share)) if rarer else 0.0
    z2 = _Z**2 * left * (1 - min(0.9, max(0.0, explained)))
    middle = (centre + z2 / (2 * drawn)) / (1 + z2 / drawn)
    half = math.sqrt(z2 * (centre * (1 - centre) / drawn + z2 / (4 * drawn**2))) / (1 + z2 / drawn)
    return middle - half, middle + half


def korn_graubard(stream: Stream) -> Interval:
    """Clopper and Pearson's interval at the effective sample size of the prediction-powered mean; else exact."""
    wrong = stream.wrong[stream.audited]
    drawn, items, found = len(wrong), len(stream.doubts), int(wrong.sum())
    if min(found, drawn - found) < _LEAST_ERRORS or drawn == items:
        return exact(stream)
    errors = wrong - stream.doubts[stream.audited]
    centre = min(1 - 1e-6, max(1e-6, float(stream.doubts.mean() + errors.mean())))
    size = min(max(centre * (1 - centre) / (float(errors.var(ddof=1)) / drawn), 1.0), items - 1.0) / (1 - drawn / items)
    hits = size * centre
    return float(beta.ppf(0.025, hits, size - hits + 1)), float(beta.ppf(0.975, hits + 1, size - hits))


def mid_p(stream: Stream) -> Interval:
    """The hypergeometric interval with half of the probability of what was found."""
    drawn, items, found = len(stream.audited), len(stream.doubts), int(stream.wrong[stream.audited].sum())
    totals = np.arange(found, items - drawn + found + 1)
    half = hypergeom.pmf(found, items, totals, drawn) / 2
    low = totals[hypergeom.sf(found, items, totals, drawn) + half > 0.025]
    high = totals[hypergeom.cdf(found - 1, items, totals, drawn) + half > 0.025]
    return float(low[0]) / items, float(high[-1]) / items


TRIED: dict[str, Callable[[Stream], Interval]] = {
    "answers, Wilson": wilson,
    "prediction-powered, score": score_powered,
    "prediction-powered, effective size": korn_graubard,
    "answers, hypergeometric, mid-p": mid_p,
    "answers, exact (ours)": exact,
}


def errors_of_estimates(cells: Iterable[Cell], stations: int, seed: int) -> dict[str, list[list[float]]]:
    """Squared errors by estimate and group of sizes."""
    generator = np.random.default_rng(seed)
    found: dict[str, list[list[float]]] = defaultdict(lambda: [[], [], []])
    ours = module.PRIOR_ITEMS
    for cell in cells:
        for stream in (one for _ in range(stations) for one in streams_of(cell, generator)):
            wrong, truth = stream.wrong[stream.audited], float(stream.wrong.mean())
            size = sum(len(wrong) >= bound for bound in _SIZES)
            values = {
                "the model's opinion": float(stream.doubts.mean()),
                "the answers' mean": float(wrong.mean()),
                "prediction-powered": float(stream.doubts.mean() + (wrong - stream.doubts[stream.audited]).mean()),
            }
            for weight in (0.0, 1.0, ours, 4.0, 8.0):
                module.PRIOR_ITEMS = weight
                name = f"tuned, the opinion worth {weight:g} answers{' (ours)' if weight == ours else ''}"
                values[name] = contamination(stream.doubts, stream.audited, wrong).estimate or 0.0
            module.PRIOR_ITEMS = ours
            for name, value in values.items():
                found[name][size].append((value - truth) ** 2)
    return found


def errors_table(found: dict[str, list[list[float]]]) -> str:
    """Root mean square errors, a row an estimate."""
    lines = ["| estimate | below 5 answers | 5 to 29 | 30 and more |", "|---|---:|---:|---:|"]
    for name, groups in found.items():
        cells = (f"{math.sqrt(np.mean(group)):.4f}" if group else "" for group in groups)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Intervals and estimates of contamination that were tried and left.")
    parser.add_argument("--stations", type=int, default=8, help="simulated stations a cell")
    parser.add_argument("--seed", type=int, default=0, help="of every chance")
    given = parser.parse_args()
    print(table(measure(CELLS, given.stations, given.seed, TRIED)))
    found = errors_of_estimates(CELLS, given.stations, given.seed)
    print(f"\n{errors_table(found)}\n\n{len(CELLS)} cells, {given.stations} stations each, seed {given.seed}.")


if __name__ == "__main__":
    main()
