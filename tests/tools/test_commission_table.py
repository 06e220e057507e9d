"""The figures of commissioning, from made-up answers of a network."""

from __future__ import annotations

import numpy as np

from tools.commission_table import Model, Rows, measure, tables
from waste_edge.rejection import Direction, Scorer

LABELS = ["can", "cup", "box"]


def model() -> Model:
    """Two sites whose labels lie elsewhere than the network believes."""
    generator = np.random.default_rng(0)
    home, count = 3 * generator.normal(size=(3, 8)), 90
    parts = []
    for source in ("here", "there"):
        means = home + 4 * generator.normal(size=home.shape)
        truth = np.arange(count) % 3
        looks = means[truth][:, None] + generator.normal(size=(count, 2, 8))
        parts.append((looks @ home.T, looks + 9, np.array(LABELS)[truth], np.full(count, source)))
        odd = 6 * generator.normal(size=(40, 2, 8))
        parts.append((odd @ home.T, odd + 9, np.full(40, "wood"), np.full(40, source)))
    logits, features, label, source = (np.concatenate(part) for part in zip(*parts, strict=True))
    group = np.array([f"g{index}" for index in range(len(label))])
    scorer = Scorer("linear", 1.0, Direction(np.zeros(8), 0.0))
    return Model(LABELS, 1.0, scorer, 0.5, Rows(logits, features, label, source, group))


def test_a_site_gains_by_the_items_that_it_was_shown() -> None:
    found = {(items, source): values for items, source, values in measure(model(), [4, 12], 2)}
    assert set(found) == {(4, "here"), (4, "there"), (12, "here"), (12, "there")}
    for values in found.values():
        items, shipped, new = values[:3]
        assert items in (12, 36)
        assert new > shipped + 0.05
    assert found[12, "here"][-1] > 0.5, "a known score of its own, where the shipped one knows nothing"


def test_the_tables_have_a_line_a_site_and_their_mean() -> None:
    text = tables({"tiny": model()}, [4], 1)
    assert text.count("| 4 |") == 3
    assert "**mean of sites**" in text
