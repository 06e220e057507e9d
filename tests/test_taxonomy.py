from __future__ import annotations

import time

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


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["Glass", "glass", "metal"], "Glass and glass differ in case only"),
        (["verr\u00e9", "verre\u0301", "metal"], "read the same, and differ only in how accents"),
        (["plastic\u00a0cup", "plastic cup"], "read the same"),
        (["Unknown", "glass"], "reads like the reserved word"),
        (["UNKNOWN", "glass"], "reads like the reserved word"),
        (["paper\u00a0", "glass"], "with blanks around it"),
        (["a\x1b[2J", "glass"], "a name with control characters"),
        (["glass\u202egnp", "paper"], "turns the order of letters round"),
        (["x" * 300, "glass"], "longer than 200 letters"),
        ([f"n{number}" for number in range(5000)], "at most 4,096"),
    ],
)
def test_labels_that_nobody_could_tell_apart_are_refused(labels: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check_labels(labels)
    assert len(str(caught.value)) < 300


def test_labels_of_other_scripts_are_labels() -> None:
    check_labels(["\u0645\u06cc\u200c\u062e\u0648\u0631\u0645", "\u30d3\u30f3\u3000\u7f36", "verre\u0301"])


def test_a_hundred_thousand_are_refused_in_no_time() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="at most 4,096"):
        check_labels(["a"] * 100_000)
    with pytest.raises(ValueError, match="at most 8,192"):
        check_tree({f"n{k}": f"n{k + 1}" for k in range(100_000)} | {"a": "n0"}, ["a", "b"])
    with pytest.raises(ValueError, match="more than 32 deep"):
        check_tree({f"n{k}": f"n{k + 1}" for k in range(8_000)} | {"a": "n0"}, ["a", "b"])
    assert time.monotonic() - started < 2
