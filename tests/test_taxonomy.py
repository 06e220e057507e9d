from __future__ import annotations

import pytest

from waste_edge.taxonomy import check_labels, check_tree, lineage

TREE = {"pet": "plastic", "hdpe": "plastic", "plastic": "packaging", "can": "packaging"}
LABELS = ["pet", "hdpe", "can", "paper"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "at least two"),
        (["a"], "at least two"),
        (["a", ""], "not allowed"),
        (["a", " b"], "not allowed"),
        (["a", "unknown"], "reserved word"),
        (["a", "b", "a"], "appear twice: a"),
    ],
)
def test_impossible_labels_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_labels(labels)


@pytest.mark.parametrize(
    ("tree", "message"),
    [({"a": "a"}, "loop"), ({"a": "b", "b": "c", "c": "a"}, "loop"), ({"stranger": "b"}, "'stranger'")],
)
def test_impossible_trees_are_refused(tree: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_tree(tree, ["a", "b"])


def test_a_tree_of_depth_two() -> None:
    check_tree(TREE, LABELS)
    assert lineage("pet", TREE) == ["pet", "plastic", "packaging"]
    assert lineage("paper", TREE) == ["paper"]
