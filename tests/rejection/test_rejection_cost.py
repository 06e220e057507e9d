"""What the known score of the shipped bundles costs: `pytest -s tests/rejection/test_rejection_cost.py`."""

from __future__ import annotations

import time

import numpy as np
import pytest

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.engines.classifier import load_classifier

pytestmark = pytest.mark.alone

GOAL_MS = 0.1  # of one prediction's score
BUSY = 5  # so many times as long on a machine that does other things as well
CALLS = 5000


@pytest.mark.parametrize("name", ["small", "accurate"])
def test_the_known_score_takes_next_to_nothing(name: str) -> None:
    with open_bundle(find_bundle(name)) as bundle:
        classifier = load_classifier(bundle)
        picture = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
        prediction = classifier.classify(picture)
    scorer, logits, features = classifier.scorer, prediction.logits[None], prediction.features[None]
    took_ms = np.empty(CALLS)
    for call in range(CALLS):
        start_ns = time.perf_counter_ns()
        scorer(logits, features)
        took_ms[call] = (time.perf_counter_ns() - start_ns) / 1e6
    median_ms = float(np.median(took_ms[CALLS // 10 :]))
    print(f"\n{name}: known score {median_ms:.4f} ms (median of {CALLS}, {features.shape[1]} features), goal {GOAL_MS}")
    assert np.isfinite(scorer(logits, features)).all()
    assert median_ms <= BUSY * GOAL_MS
