"""What every bundle the suite exports must show: five ways to run one network that agree."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES
from waste_edge.engines.engine import Output
from waste_edge.engines.verify import read_golden

FP32_OFF = 1e-3  # largest difference of a logit or feature: rounding, in another order
INT8_MEAN_OFF = 0.05  # mean difference as a share of the largest value: about six steps of 127
# A student of one epoch answers the rendered golden pictures, unlike any it saw, with logits near zero.
UNTAUGHT_MEAN_OFF = 0.5


def assert_bundle_parity(path: Path) -> None:
    """The manifest holds every artifact's distance from torch, all are small, and golden outputs agree in pairs."""
    with open_bundle(path) as bundle:
        measured, golden = bundle.manifest.metrics.artifacts, read_golden(bundle).outputs
        pictures = {one.scores.pictures for one in measured.values()}
    assert tuple(measured) == ARTIFACT_NAMES
    assert len(pictures) == 1, "all on the same pictures"
    for name, one in measured.items():
        assert 0 <= one.mean_logit_difference <= one.max_logit_difference, name
        assert one.agreement >= (1.0 if name.endswith("fp32") else 0.85), name
        assert one.max_logit_difference < (FP32_OFF if name.endswith("fp32") else 5.0), name
    assert_pairs_agree({name: golden[name] for name in ARTIFACT_NAMES}, UNTAUGHT_MEAN_OFF)


def assert_pairs_agree(outputs: Mapping[str, Output], int8_mean_off: float = INT8_MEAN_OFF) -> None:
    """Every two networks, named `…-fp32` or `…-int8`, answer alike: logits (N, C) and features (N, F)."""
    for one, other in combinations(outputs, 2):
        for kind in ("logits", "features"):
            here, there = getattr(outputs[one], kind), getattr(outputs[other], kind)
            difference = np.abs(here - there)
            if one.endswith("fp32") and other.endswith("fp32"):
                assert difference.max() < FP32_OFF, f"{one} and {other}, {kind}: {difference.max():.3g}"
            else:
                share = float(difference.mean() / np.abs(here).max())
                assert share < int8_mean_off, f"{one} and {other}, {kind}: {share:.1%} of the largest on average"
