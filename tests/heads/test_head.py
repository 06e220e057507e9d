"""The head itself: affine, of the right shapes, and the counting of items."""

from __future__ import annotations

import numpy as np
import pytest

from waste_edge.heads import Head, Shots, labels_over
from waste_edge.heads.head import shipped_logits


def test_a_head_adds_up_what_it_carries_and_what_it_learnt() -> None:
    head = Head(np.eye(2, 3), np.array([[0.0, 0.0, 5.0]]), np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(head(np.array([[2.0, 3.0]]), np.array([[7.0]])), [[2.0, 4.0, 5.0]])


def test_a_head_of_shapes_that_do_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="a head of 3 labels"):
        Head(np.eye(2), np.zeros((4, 3)), np.zeros(3))


def test_pictures_of_an_item_count_as_one_and_rare_labels_a_little_more() -> None:
    shots = Shots(np.zeros((7, 2)), np.zeros((7, 1)), np.array([0, 0, 0, 0, 0, 0, 1]), np.array([1, 1, 1, 2, 3, 4, 9]))
    weights = shots.weights()
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:3].sum() == pytest.approx(weights[3])
    assert weights[6] == pytest.approx(2 * weights[3]), "the root of four items to one"
    assert shots.truth_of_items().tolist() == [0, 0, 0, 0, 1]


def test_the_shipped_head_cannot_name_an_own_label() -> None:
    assert shipped_logits(np.zeros((1, 2)), 3).argmax() < 2
    assert labels_over(["a", "b"], ["b", "c"]) == ["a", "b", "c"]
