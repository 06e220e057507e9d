"""The outcome of a commissioning so far: the head fitted to what was shown, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.commission.records import Records
from waste_edge.errors import UserError
from waste_edge.heads import (
    Assessment,
    Confidence,
    Fit,
    Incumbent,
    IncumbentComparison,
    LabelAssessment,
    Wanted,
    assess,
    compare_with_incumbent,
    fit_confidence,
    fit_head,
)
from waste_edge.site import USUAL_COST, Site
from waste_edge.taxonomy import UNKNOWN

LEAST_OF_A_LABEL = 2  # items, or none can be left out


@dataclass(frozen=True, eq=False)
class Outcome:
    """A fitted head.

    Attributes:
        fit: the head, and its held-out answers.
        confidence: temperature, known score, thresholds.
        assessment: what it is worth against the shipped head.
        strangers: how many shots of none of the labels there were.
        comparison: with the head of the same networks that is in charge; None where there is none.
    """

    fit: Fit
    confidence: Confidence
    assessment: Assessment
    strangers: int
    comparison: IncumbentComparison | None = None

    @property
    def better(self) -> bool:
        """Better than the shipped head by more than chance, and than the one in charge where the two can be told."""
        return self.assessment.better and not (self.comparison is not None and self.comparison.speaks_against)

    @property
    def verdict(self) -> str:
        """One or two sentences for people."""
        if self.comparison is None or not self.assessment.better:
            return self.assessment.verdict
        link = "but" if self.comparison.speaks_against else "and"
        return f"{self.assessment.verdict}; {link} {self.comparison.verdict}"


def missing(records: Records, wanted: int) -> list[str]:
    """List what is still to be shown before a head can be fitted, in words; empty if nothing is.

    Args:
        records: of what was shown.
        wanted: items of each label that the person means to show.
    """
    counts = {label: records.items(label) for label in records.setup.all_labels}
    enough = [label for label, count in counts.items() if count >= LEAST_OF_A_LABEL]
    found = []
    if len(enough) < 2:
        have = ", ".join(f"{count} of {label}" for label, count in counts.items() if count) or "none"
        found.append(f"{LEAST_OF_A_LABEL} items of each of 2 labels at least; shown so far: {have}")
    found += [
        f"{LEAST_OF_A_LABEL} items of {label}, which the shipped model does not know"
        for label in records.setup.own
        if counts[label] < LEAST_OF_A_LABEL
    ]
    few = [f"{wanted - count} of {label}" for label, count in counts.items() if 0 < count < wanted]
    if not found and few:
        found.append(f"for {wanted} items a label: {', '.join(few)}")
    return found


def can_fit(records: Records) -> bool:
    """Return whether enough was shown to fit a head at all."""
    counts = [records.items(label) for label in records.setup.all_labels]
    own = [records.items(label) for label in records.setup.own]
    return sum(count >= LEAST_OF_A_LABEL for count in counts) >= 2 and all(n >= LEAST_OF_A_LABEL for n in own)


def evaluate(records: Records, bundle: Bundle, site: Site, incumbent: Incumbent | None = None) -> Outcome:
    """Fit a head to what was shown, and judge it by items left out.

    Args:
        records: of what was shown.
        bundle: that the commissioning starts from.
        site: of the station; its costs choose the threshold.
        incumbent: the head of the same networks that is in charge, if there is one.

    Raises:
        UserError: too little was shown; the message says what is missing.
    """
    if not can_fit(records):
        raise UserError(f"nothing can be fitted yet: show {'; '.join(missing(records, LEAST_OF_A_LABEL))}")
    labels, calibration = records.setup.all_labels, bundle.manifest.calibration
    shots, strangers = records.known(), records.strangers()
    fit = fit_head(shots, len(labels), calibration.temperature)
    wanted = Wanted(calibration.min_confidence, reject_cost(site, calibration.min_confidence))
    confidence = fit_confidence(shots, fit, strangers, bundle.known_scorer(), wanted)
    shown = 0 if strangers is None else len(strangers.features)
    compared = None if incumbent is None else compare_with_incumbent(shots, fit, labels, incumbent)
    return Outcome(fit, confidence, assess(shots, fit, labels), shown, compared)


def reject_cost(site: Site, min_confidence: float) -> float | None:
    """Cost of sending an item to the residual stream where its right one is another, over all streams.

    Returns:
        A share of a usual mistake's cost; None where the site states no costs, and its own threshold is to stay.
    """
    if not site.costs:
        return None
    streams = sorted(set(site.streams.values()) - {site.residual})
    costs = [site.cost(stream, site.residual, min_confidence) for stream in streams]
    return min(USUAL_COST, float(np.mean(costs))) if costs else None


def concerns(outcome: Outcome, labels: Sequence[str]) -> list[str]:
    """List what a person should know before the head is installed, one line each.

    Args:
        outcome: of `evaluate`.
        labels: of the shipped model.
    """
    confidence = outcome.confidence
    found = [
        f"{one.label} gets worse: {_share(one.shipped)} before, {_share(_value(one))} now"
        for one in outcome.assessment.labels
        if one.worse
    ]
    unsure = [one.label for one in outcome.assessment.labels if one.may_be_worse and one.items]
    if unsure:
        found.append(f"too few were shown to tell that these do not get worse: {', '.join(unsure)}")
    not_shown = [one.label for one in outcome.assessment.labels if not one.items]
    if not_shown:
        found.append(f"not shown, so nothing is known of: {', '.join(not_shown)}; the new head will seldom name them")
    if outcome.strangers == 0:
        found.append(f"no hands, sleeves or other things were shown ({UNKNOWN}): the known score is the shipped one's")
    elif confidence.strangers_let_through is not None and confidence.strangers_let_through > 0.3:
        found.append(
            f"{confidence.strangers_let_through:.0%} of what is none of the labels would be sorted all the same"
        )
    return found


def _value(one: LabelAssessment) -> float | None:
    return None if one.accuracy is None else one.accuracy.value


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"
