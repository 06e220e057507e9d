"""All films of a rehearsal together: counts, shares with 95 % intervals by group, and every outcome, worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from waste_edge.files.strict import Strict
from waste_edge.metrics.significance import Interval, group_bootstrap_mean
from waste_edge.rehearsal.score import Outcome
from waste_edge.taxonomy import UNKNOWN

_WRONG_UNKNOWN_COST = 1.0  # orders unknown things among mistakes where the site gives no cost


class StationFacts(Strict, frozen=True):
    """StationFacts that was rehearsed: bundle, site and settings.

    Attributes:
        bundle: its name and version.
        artifact, engine: which of its networks, run by what.
        view: what the network is shown of an item.
        site: the site's name.
        looks: how many answers of the network a decision is made from.
    """

    bundle: str
    artifact: str
    engine: str
    view: str
    site: str
    looks: int


class Material(Strict, frozen=True):
    """Material that was played.

    Attributes:
        known, unknown: where the things came from, in words.
        grounds: where the grounds came from, in words.
        seed: of every chance; None for films that a person made.
        films, frames: how many were played.
        seconds: of film.
        refused: pictures that were passed over because no item could be cut out of them.
        untrusted_frames: frames that the camera's health held to be unfit.
    """

    known: str
    unknown: str
    grounds: str
    seed: int | None
    films: int
    frames: int
    seconds: float
    refused: int = 0
    untrusted_frames: int = 0


class Tally(Strict, frozen=True):
    """Counts for things of one kind.

    Attributes:
        label: which; empty for all known ones together.
        items, groups: how many.
        missed, doubled: things without an event, and events beyond the first.
        label_right, stream_right, sorted_wrong, kept_out: shares of the items, with intervals by group.
        mean_cost: of those that were decided; None if none was.
        called: how many of the items were called what.
    """

    label: str
    items: int
    groups: int
    missed: int
    doubled: int
    label_right: Interval
    stream_right: Interval
    sorted_wrong: Interval
    kept_out: Interval
    mean_cost: float | None
    called: dict[str, int]


class BoxOverlap(Strict, frozen=True):
    """Fit of the station's boxes to the true ones: intersection over union of things that were decided.

    Attributes:
        film: its title, which names the ground; empty for all films.
        items: things whose true box is known.
        median, tenth: 50th and 10th percentile.
        below_half: share of the things with less than 0.5.
    """

    film: str
    items: int
    median: float
    tenth: float
    below_half: float


class RehearsalReport(Strict, frozen=True):
    """A rehearsal. The same inputs, seed and machine give the same report, to the byte.

    Attributes:
        schema: 1.
        station, material: what was rehearsed, and with what.
        known: all things of the model's labels; None if there were none.
        unknown: all things of none of them; None if there were none.
        labels: the known ones by label.
        missed, doubled, extra: of all things; `extra` are events of nothing.
        median_box_overlap: of the box that the station saw and the true one; None where that is not known.
        outcomes: worst first.
        box_overlap: of all films; None where no true box is known.
        box_overlap_by_film: worst first.
    """

    schema: Literal[1]
    station: StationFacts
    material: Material
    known: Tally | None
    unknown: Tally | None
    labels: list[Tally]
    missed: int
    doubled: int
    extra: int
    median_box_overlap: float | None
    outcomes: list[Outcome]
    box_overlap: BoxOverlap | None = None
    box_overlap_by_film: list[BoxOverlap] = msgspec.field(default_factory=list)


def report_of(station: StationFacts, material: Material, outcomes: Sequence[Outcome]) -> RehearsalReport:
    """The report of all outcomes of all films."""
    known = [one for one in outcomes if one.is_known]
    unknown = [one for one in outcomes if one.label == UNKNOWN]
    boxes = _box_overlap("", outcomes)
    by_film = [_box_overlap(film, [o for o in outcomes if o.film == film]) for film in {one.film for one in outcomes}]
    labels = sorted({one.label for one in known})
    return RehearsalReport(
        schema=1,
        station=station,
        material=material,
        known=_tally("", known),
        unknown=_tally(UNKNOWN, unknown),
        labels=[tally for label in labels if (tally := _tally(label, [o for o in known if o.label == label]))],
        missed=sum(one.status == "missed" for one in outcomes),
        doubled=sum(one.status == "doubled" for one in outcomes),
        extra=sum(one.status == "extra" for one in outcomes),
        median_box_overlap=None if boxes is None else boxes.median,
        outcomes=sorted(outcomes, key=_badness, reverse=True),
        box_overlap=boxes,
        box_overlap_by_film=sorted(filter(None, by_film), key=lambda one: (-one.below_half, one.median, one.film)),
    )


def _box_overlap(film: str, outcomes: Sequence[Outcome]) -> BoxOverlap | None:
    """Of the first event of each thing."""
    decided = [one.box_overlap for one in outcomes if one.status == "decided" and one.box_overlap is not None]
    if not decided:
        return None
    overlaps = np.array(decided)
    return BoxOverlap(
        film=film,
        items=len(decided),
        median=round(float(np.median(overlaps)), 4),
        tenth=round(float(np.percentile(overlaps, 10)), 4),
        below_half=round(float(np.mean(overlaps < 0.5)), 4),
    )


def _tally(label: str, outcomes: Sequence[Outcome]) -> Tally | None:
    """Tally the first event of each thing, and things without one; None where there are no things."""
    first = [one for one in outcomes if one.status != "doubled"]
    if not first:
        return None
    groups = [one.group for one in first]
    costs = [one.cost for one in first if one.cost is not None]
    called: dict[str, int] = {}
    for one in first:
        name = one.verdict.label if one.verdict else "missed"
        called[name] = called.get(name, 0) + 1

    def share(of: Callable[[Outcome], bool]) -> Interval:
        return _rounded(group_bootstrap_mean(np.array([float(of(one)) for one in first]), groups))

    return Tally(
        label=label,
        items=len(first),
        groups=len(set(groups)),
        missed=sum(one.status == "missed" for one in first),
        doubled=len(outcomes) - len(first),
        label_right=share(lambda one: one.label_right),
        stream_right=share(lambda one: one.stream_right),
        sorted_wrong=share(lambda one: one.sorted_wrong),
        kept_out=share(lambda one: one.kept_out),
        mean_cost=round(float(np.mean(costs)), 4) if costs else None,
        called=dict(sorted(called.items(), key=lambda entry: (-entry[1], entry[0]))),
    )


def _rounded(interval: Interval) -> Interval:
    return Interval(value=round(interval.value, 4), low=round(interval.low, 4), high=round(interval.high, 4))


def _badness(outcome: Outcome) -> tuple[float, float, float]:
    """Orders outcomes: tracking mistakes, then wrong streams by what they cost, wrong labels, things kept out."""
    confidence = outcome.verdict.confidence if outcome.verdict else 1.0
    if outcome.status != "decided":
        return 5.0, confidence, -outcome.start_s
    if outcome.sorted_wrong:
        return 4.0, (outcome.cost or _WRONG_UNKNOWN_COST), confidence
    if outcome.is_known and outcome.kept_out:
        return 3.0, 1 - confidence, -outcome.start_s
    if outcome.is_known and not outcome.label_right:
        return 2.0, confidence, -outcome.start_s
    return 0.0, 1 - confidence, -outcome.start_s
