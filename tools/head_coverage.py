"""Coverage of the intervals of `waste-edge commission` on simulated foreign sites, as a Markdown table.

    python -m tools.head_coverage                 25 sites a row, 200 of them foreign: three minutes
    python -m tools.head_coverage --sites 5       quick
    python -m tools.head_coverage --peek          120 sites at which little can be gained, asked again and again
    python -m tools.head_coverage --rendered      200 sites of rendered items, seen by a shipped bundle: a quarter hour

A simulated network has features around a mean a label, and a head that is the best possible at home. A site moves all
of its pictures, and each label by itself; an item has looks of its own, and each view of it a little of its own again.
A few items a label are shown, a head is fitted and assessed as a station does it, and the truth is the fitted head's
accuracy on 2,000 other items of the same site. On sites that are like home the shipped head is the best there is: each
head that is called better there is one too many.

Rendered sites (`tools/rendered_sites.py`) have a ground, a lamp, a camera and kinds of items of their own, and a real
network looks at them. There the truth is the accuracy on the items that were not shown, some tens a label: its own
chance counts against the intervals, which are for the accuracy on all items that will ever come.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.rendered_sites import answers
from waste_edge.heads import Assessment, Shots, assess, fit_head

FEATURES, LABELS, TEST_ITEMS = 48, 5, 2000
PEEKS = (3, 5, 7, 10)  # items a label, after each of which a person looks whether it is enough
RENDERED_SITES, RENDERED_ITEMS = 200, 40  # and items of each label at each
SHOWN = (5, 10)  # items of each label of a rendered site; the others judge
_OFFSET = 3.0  # pooled features are positive, and far from 0 as a whole
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """Conditions of simulated sites.

    Attributes:
        moved: how far a site moves its pictures, in standard deviations of an item; 0: it is like home.
        items: shown of each label.
        views: pictures of each item.
    """

    moved: float
    items: int
    views: int


SETTINGS = tuple(Setting(moved, items, views) for moved in (0.0, 2.0, 3.0) for items in (5, 10) for views in (1, 3))


@dataclass
class Tally:
    """Counts of sites and of intervals.

    Attributes:
        sites, better: how many, and how many heads were called better.
        worse: how many of these were not better in truth.
        means, means_held: intervals of the mean of labels, and those that held the truth.
        labels, labels_held: the same of one label.
        gains_held: intervals of the gain that held the truth.
        gain: sum of true gains.
    """

    sites: int = 0
    better: int = 0
    worse: int = 0
    means_held: int = 0
    labels: int = 0
    labels_held: int = 0
    gains_held: int = 0
    gain: float = 0.0

    def count(self, found: Assessment, truth: Values, shipped: Values) -> None:
        """Count one site, whose head names these shares of each label rightly, and the shipped one those."""
        mean, gain = float(truth.mean()), float(truth.mean() - shipped.mean())
        self.sites += 1
        self.better += found.better
        self.worse += found.better and gain <= 0
        self.means_held += found.accuracy.low <= mean <= found.accuracy.high
        self.gains_held += found.gain.low <= gain <= found.gain.high
        self.gain += gain
        for one, share in zip(found.labels, truth, strict=True):
            if one.accuracy is not None:
                self.labels += 1
                self.labels_held += one.accuracy.low <= share <= one.accuracy.high


@dataclass(frozen=True)
class Site:
    """A simulated site: (C, F) means of its labels, and the head that was best at home."""

    means: Values
    home: Values

    def shots(self, items: int, views: int, generator: np.random.Generator) -> Shots:
        """Draw so many items of each label, with so many views."""
        truth = np.repeat(np.arange(LABELS), items)
        looks = self.means[truth] + generator.normal(size=(len(truth), FEATURES))
        rows = np.repeat(np.arange(len(truth)), views)
        features = looks[rows] + 0.5 * generator.normal(size=(len(rows), FEATURES))
        logits = features @ self.home.T - (self.home**2).sum(axis=1) / 2
        return Shots(logits, features + _OFFSET, truth[rows], rows)


def site_of(setting: Setting, generator: np.random.Generator) -> Site:
    """Draw a site: labels lie some deviations apart, so that the best head at home is right in most cases."""
    home = 2.6 * generator.normal(size=(LABELS, FEATURES)) / np.sqrt(FEATURES)
    together = setting.moved * generator.normal(size=(1, FEATURES)) / np.sqrt(FEATURES)
    each = setting.moved * generator.normal(size=(LABELS, FEATURES)) / np.sqrt(FEATURES)
    return Site(home + 2 * together + each, home)


def recalls(logits: Values, truth: NDArray[np.int64]) -> Values:
    """(C,): the share of each label that is named rightly; every label is there."""
    right = logits.argmax(axis=1) == truth
    return np.array([right[truth == index].mean() for index in range(truth.max() + 1)])


def measure(settings: Iterable[Setting], sites: int, seed: int = 0) -> dict[Setting, Tally]:
    """Simulate so many sites a setting."""
    tallies = {}
    for number, setting in enumerate(settings):
        generator, tally = np.random.default_rng([seed, number]), Tally()
        for _ in range(sites):
            site = site_of(setting, generator)
            shots = site.shots(setting.items, setting.views, generator)
            fit = fit_head(shots, LABELS, 1.0)
            others = site.shots(TEST_ITEMS // LABELS, 1, generator)
            truth = recalls(fit.head(others.logits, others.features), others.truth)
            found = assess(shots, fit, [f"label {index}" for index in range(LABELS)])
            tally.count(found, truth, recalls(others.logits, others.truth))
        tallies[setting] = tally
    return tallies


def measure_rendered(sites: Sequence[Shots], temperature: float, shown: Iterable[int] = SHOWN) -> dict[int, Tally]:
    """Show so many items of each label of each rendered site, and judge by the others; tallies by items shown.

    Args:
        sites: of `rendered_sites.answers`: items of a label lie together, in random order.
        temperature: of the shipped head.
        shown: items of each label.
    """
    tallies = {}
    for items in shown:
        tally = tallies[items] = Tally()
        for shots in sites:
            labels = int(shots.truth.max()) + 1
            few = np.isin(shots.item, _first(shots, items))
            seen, others = shots.of(few), shots.of(~few)
            fit = fit_head(seen, labels, temperature)
            truth = recalls(fit.head(others.logits, others.features), others.truth)
            found = assess(seen, fit, [f"label {index}" for index in range(labels)])
            tally.count(found, truth, recalls(others.logits, others.truth))
    return tallies


def _first(shots: Shots, items: int) -> NDArray[np.int64]:
    """The numbers of the first so many items of each label."""
    numbers, first = np.unique(shots.item, return_index=True)
    truth = shots.truth[first]
    return np.concatenate([numbers[truth == index][:items] for index in range(int(truth.max()) + 1)])


def wrong_once(moved: float, sites: int, seed: int = 11) -> int:
    """Count sites whose head is called better at one of `PEEKS` items a label, the first time without being so."""
    labels, wrong = [f"label {index}" for index in range(LABELS)], 0
    for number in range(sites):
        generator = np.random.default_rng([seed, number, int(moved)])
        site = site_of(Setting(moved, PEEKS[-1], 1), generator)
        shots = site.shots(PEEKS[-1], 1, generator)
        others = site.shots(TEST_ITEMS // LABELS, 1, generator)
        shipped = recalls(others.logits, others.truth).mean()
        for items in PEEKS:
            seen = shots.of(np.concatenate([np.flatnonzero(shots.truth == one)[:items] for one in range(LABELS)]))
            fit = fit_head(seen, LABELS, 1.0)
            if assess(seen, fit, labels).better:
                wrong += bool(recalls(fit.head(others.logits, others.features), others.truth).mean() <= shipped)
                break
    return wrong


def table(tallies: dict[Setting, Tally]) -> str:
    """Coverage by setting, and the verdicts."""
    names = {one: [f"{one.moved:g}", str(one.items), str(one.views)] for one in tallies}
    return _table(["site moved", "items a label", "views"], [(names[one], tally) for one, tally in tallies.items()])


def table_of_rendered(tallies: dict[int, Tally]) -> str:
    """The same of rendered sites, by items shown of each label."""
    return _table(["items a label"], [([str(items)], tally) for items, tally in tallies.items()])


def _table(names: list[str], rows: list[tuple[list[str], Tally]]) -> str:
    heads = [*names, "true gain", "mean held", "labels held", "gain held", "called better", "and was not"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---:|" * len(heads)]
    for name, tally in rows:
        shares = [
            f"{tally.gain / tally.sites * 100:+.0f} points",
            f"{tally.means_held / tally.sites:.0%}",
            f"{tally.labels_held / max(1, tally.labels):.0%}",
            f"{tally.gains_held / tally.sites:.0%}",
            f"{tally.better / tally.sites:.0%}",
            f"{tally.worse / tally.sites:.1%}",
        ]
        lines.append(f"| {' | '.join([*name, *shares])} |")
    return "\n".join(lines)


def _held(tallies: Iterable[Tally]) -> str:
    """The shares of all rows together."""
    every = list(tallies)
    means = sum(tally.means_held for tally in every) / sum(tally.sites for tally in every)
    labels = sum(tally.labels_held for tally in every) / sum(tally.labels for tally in every)
    return f"{means:.1%} of the means' intervals and {labels:.1%} of the labels' hold the truth."


def _progress(done: int, total: int) -> None:
    print(f"\r{done} of {total} sites", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Coverage of the intervals of waste-edge commission.")
    parser.add_argument("--sites", type=int, help=f"simulated sites a row (25), or rendered ones ({RENDERED_SITES})")
    parser.add_argument("--seed", type=int, default=0, help="of every chance of simulated sites")
    parser.add_argument("--peek", action="store_true", help="count wrong verdicts of whoever asks again and again")
    parser.add_argument("--rendered", action="store_true", help="sites of rendered items, seen by a real network")
    parser.add_argument("--bundle", default="small", help="whose network sees the rendered sites")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "waste-edge" / "head-coverage"
    parser.add_argument("--cache", type=Path, default=cache, help="folder for its answers")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    given = _parsed()
    if given.peek:
        for moved in (0.0, 1.0):
            wrong = wrong_once(moved, 60)
            print(f"site moved {moved:g}: wrongly called better at one of {len(PEEKS)} looks: {wrong} of 60")
    elif given.rendered:
        sites, temperature = answers(
            given.bundle, given.sites or RENDERED_SITES, RENDERED_ITEMS, given.cache, _progress
        )
        rendered = measure_rendered(sites, temperature)
        held = _held(rendered.values())
        print(f"{table_of_rendered(rendered)}\n\n`{given.bundle}`, {len(sites)} rendered sites: {held}")
    else:
        count = given.sites or 25
        tallies = measure(SETTINGS, count, given.seed)
        print(f"{table(tallies)}\n\n{count} sites a row, seed {given.seed}: {_held(tallies.values())}")


if __name__ == "__main__":
    main()
