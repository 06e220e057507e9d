"""Heads learnt at a station: fitted to a few of its items, assessed on items left out, and given their confidence.

In the core, because the device fits them and every part that runs a bundle applies them. Numpy only.
"""

from waste_edge.heads.assessment import (
    Assessment,
    Incumbent,
    IncumbentComparison,
    LabelAssessment,
    assess,
    compare_with_incumbent,
)
from waste_edge.heads.confidence import Confidence, Strangers, Wanted, fit_confidence
from waste_edge.heads.fitting import CANDIDATES, Candidate, Fit, fit_head
from waste_edge.heads.head import Head, HeadItems, Shots, fingerprints, labels_over

__all__ = [
    "CANDIDATES",
    "Assessment",
    "Candidate",
    "Confidence",
    "Fit",
    "Head",
    "HeadItems",
    "Incumbent",
    "IncumbentComparison",
    "LabelAssessment",
    "Shots",
    "Strangers",
    "Wanted",
    "assess",
    "compare_with_incumbent",
    "fingerprints",
    "fit_confidence",
    "fit_head",
    "labels_over",
]
