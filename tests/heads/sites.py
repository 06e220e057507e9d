"""Shots of a simulated site: labels around means that have moved from where the network learnt them."""

from __future__ import annotations

import numpy as np

from waste_edge.heads import Shots

LABELS, FEATURES = 3, 12


def simulated(items: int, views: int = 1, moved: float = 3.0, seed: int = 0, own: int = 0) -> Shots:
    """So many items a label with so many views; the last `own` labels are none of the network's."""
    generator = np.random.default_rng(7)
    home = 2.5 * generator.normal(size=(LABELS + own, FEATURES)) / np.sqrt(FEATURES)
    site = home + moved * generator.normal(size=home.shape) / np.sqrt(FEATURES)
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(LABELS + own), items)
    looks = site[truth] + 0.6 * generator.normal(size=(len(truth), FEATURES))
    rows = np.repeat(np.arange(len(truth)), views)
    features = looks[rows] + 0.2 * generator.normal(size=(len(rows), FEATURES))
    logits = features @ home[:LABELS].T - (home[:LABELS] ** 2).sum(axis=1) / 2
    return Shots(logits, features + 2.0, truth[rows], rows + 1)
