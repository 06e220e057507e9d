"""From what was predicted of an item to one decision: which stream it goes to, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.engines.classifier import Prediction, judge
from waste_edge.manifest import Calibration, Manifest
from waste_edge.taxonomy import UNKNOWN, Site


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
