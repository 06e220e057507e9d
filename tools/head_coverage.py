"""Coverage of the intervals of `waste-edge commission` on simulated foreign sites, as a Markdown table.

    python -m tools.head_coverage                 25 sites a row, 200 of them foreign: three minutes
    python -m tools.head_coverage --sites 5       quick
    python -m tools.head_coverage --peek          120 sites at which little can be gained, asked again and again
    python -m tools.head_coverage --rendered      200 sites of rendered items, seen by a shipped bundle: half an hour

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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.rendered_sites import answers
from waste_edge.heads import Assessment, Shots, assess, fit_head
from waste_edge.metrics.significance import Interval

FEATURES, LABELS, TEST_ITEMS = 48, 5, 2000
PEEKS = (3, 5, 7, 10)  # items a label, after each of which a person looks whether it is enough
RENDERED_SITES, RENDERED_ITEMS = 200, 40  # and items of each label at each
SHOWN = (5, 10)  # items of each label of a rendered site; the others judge
_OFFSET = 3.0  # pooled features are positive, and far from 0 as a whole
_Z = 1.959964
Values = NDArray[np.float64]
Hits = Sequence[Values]  # of each label's items the share of pictures that were named rightly


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
class Held:
    """Counts of intervals: all, those that held the truth, and those that did if the truth's own chance is allowed for.

    The truth is a share of the items that judge. Where these are few it is off by chance itself; allowed for, limits
    lie as much farther out as the two distances give together (as of a difference of two shares).
    """

    all: int = 0
    held: int = 0
    allowed: int = 0

    def count(self, interval: Interval, truth: float, error: float) -> None:
        """Count one interval; `error` is the standard error of its truth."""
        below, above = (
            float(np.hypot(one, _Z * error)) for one in (interval.value - interval.low, interval.high - interval.value)
        )
        self.all += 1
        self.held += interval.low <= truth <= interval.high
        self.allowed += interval.value - below <= truth <= interval.value + above

    def __add__(self, other: Held) -> Held:
        return Held(self.all + other.all, self.held + other.held, self.allowed + other.allowed)


@dataclass
class Tally:
    """Counts of sites and of intervals.

    Attributes:
        sites, better: how many, and how many heads were called better.
        worse: how many of these were not better in truth.
        means, labels, gains: intervals of the mean of labels, of one label, and of the gain.
        gain: sum of true gains.
    """

    sites: int = 0
    better: int = 0
    worse: int = 0
    gain: float = 0.0
    means: Held = field(default_factory=Held)
    labels: Held = field(default_factory=Held)
    gains: Held = field(default_factory=Held)

    def count(self, found: Assessment, new: Hits, shipped: Hits) -> None:
        """Count one site, by what its head and the shipped one named rightly of the items of each label that judge."""
        shares = [float(one.mean()) for one in new]
        errors = [_error(one) for one in new]
        changes = [one - other for one, other in zip(new, shipped, strict=True)]
        gain = float(np.mean([one.mean() for one in changes]))
        self.sites += 1
        self.better += found.better
        self.worse += found.better and gain <= 0
        self.gain += gain
        self.means.count(found.accuracy, float(np.mean(shares)), _together(errors))
        self.gains.count(found.gain, gain, _together([_error(one) for one in changes]))
        for one, share, error in zip(found.labels, shares, errors, strict=True):
            if one.accuracy is not None:
                self.labels.count(one.accuracy, share, error)


def _error(values: Values) -> float:
    """Standard error of a mean; of all alike ones that of one item that is not."""
    spread = max(float(values.var()), 1 / len(values) - 1 / len(values) ** 2)
    return float(np.sqrt(spread / len(values)))


def _together(errors: Sequence[float]) -> float:
    """Standard error of the mean of labels."""
    return float(np.sqrt(np.sum(np.square(errors)))) / len(errors)


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


def hits(logits: Values, shots: Shots) -> Hits:
    """Share of each item's pictures that is named rightly, by label; every label is there."""
    right, numbers = (logits.argmax(axis=1) == shots.truth).astype(np.float64), shots.items()
    of_items, truth = np.bincount(numbers, right) / np.bincount(numbers), shots.truth_of_items()
    return [of_items[truth == index] for index in range(int(truth.max()) + 1)]


def mean_of(found: Hits) -> float:
    """Mean of the labels' shares."""
    return float(np.mean([one.mean() for one in found]))


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
            found = assess(shots, fit, [f"label {index}" for index in range(LABELS)])
            tally.count(found, hits(fit.head(others.logits, others.features), others), hits(others.logits, others))
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
            found = assess(seen, fit, [f"label {index}" for index in range(labels)])
            tally.count(found, hits(fit.head(others.logits, others.features), others), hits(others.logits, others))
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
        shipped = mean_of(hits(others.logits, others))
        for items in PEEKS:
            seen = shots.of(np.concatenate([np.flatnonzero(shots.truth == one)[:items] for one in range(LABELS)]))
            fit = fit_head(seen, LABELS, 1.0)
            if assess(seen, fit, labels).better:
                wrong += mean_of(hits(fit.head(others.logits, others.features), others)) <= shipped
                break
    return wrong


def table(tallies: dict[Setting, Tally]) -> str:
    """Coverage by setting, and the verdicts."""
    heads = ["site moved", "items a label", "views", "true gain", "mean held", "labels held", "gain held"]
    rows = [
        [f"{one.moved:g}", str(one.items), str(one.views), _gain(tally)]
        + [f"{held.held / held.all:.0%}" for held in (tally.means, tally.labels, tally.gains)]
        for one, tally in tallies.items()
    ]
    return _table(heads, rows, tallies.values())


def table_of_rendered(tallies: dict[int, Tally]) -> str:
    """The same of rendered sites, by items shown of each label; in brackets the truth's own chance is allowed for."""
    heads = ["items a label", "true gain", "mean held", "labels held", "gain held"]
    rows = [
        [str(items), _gain(tally)]
        + [
            f"{held.held / held.all:.0%} ({held.allowed / held.all:.0%})"
            for held in (tally.means, tally.labels, tally.gains)
        ]
        for items, tally in tallies.items()
    ]
    return _table(heads, rows, tallies.values())


def _gain(tally: Tally) -> str:
    return f"{tally.gain / tally.sites * 100:+.0f} points"


def _table(heads: list[str], rows: list[list[str]], tallies: Iterable[Tally]) -> str:
    lines = [f"| {' | '.join([*heads, 'called better', 'and was not'])} |", "|" + "---:|" * (len(heads) + 2)]
    for row, tally in zip(rows, tallies, strict=True):
        verdicts = [f"{tally.better / tally.sites:.0%}", f"{tally.worse / tally.sites:.1%}"]
        lines.append(f"| {' | '.join([*row, *verdicts])} |")
    return "\n".join(lines)


def _in_words(tallies: Iterable[Tally], allowed: bool = False) -> str:
    """The shares of all rows together."""
    every = list(tallies)
    means, labels = sum((one.means for one in every), Held()), sum((one.labels for one in every), Held())
    shares = [f"{held / one.all:.1%}" for one in (means, labels) for held in (one.held, one.allowed)]
    text = f"{shares[0]} of the means' intervals and {shares[2]} of the labels' hold the truth"
    return f"{text}; with its own chance allowed for {shares[1]} and {shares[3]}." if allowed else f"{text}."


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
        held = _in_words(rendered.values(), allowed=True)
        print(f"{table_of_rendered(rendered)}\n\n`{given.bundle}`, {len(sites)} rendered sites: {held}")
    else:
        count = given.sites or 25
        tallies = measure(SETTINGS, count, given.seed)
        print(f"{table(tallies)}\n\n{count} sites a row, seed {given.seed}: {_in_words(tallies.values())}")


if __name__ == "__main__":
    main()
