from __future__ import annotations

from typing import Any

import pytest

from waste_edge.errors import ConfigError
from waste_edge.taxonomy import Site, check_labels, check_tree, lineage, site_of_labels

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


SITE = Site(name="yard", residual="black", streams={"packaging": "yellow", "hdpe": "special", "paper": "blue"})


@pytest.mark.parametrize(
    ("label", "stream"),
    [("pet", "yellow"), ("hdpe", "special"), ("can", "yellow"), ("paper", "blue"), ("unknown", "black")],
)
def test_the_nearest_entry_decides(label: str, stream: str) -> None:
    SITE.check_covers(LABELS, TREE)
    assert SITE.stream_of(label, TREE) == stream


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({"paper": "blue"}, r"no stream for pet, hdpe, can"),
        ({"packaging": "yellow", "paper": "blue", "wood": "brown"}, r"maps wood, which the model does not know"),
    ],
)
def test_a_site_must_fit_the_model(streams: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Site(name="yard", residual="black", streams=streams).check_covers(LABELS, TREE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"residual": ""}, "residual"),
        ({"streams": {}}, "at least one label"),
        ({"streams": {"a": ""}}, "none empty"),
        ({"min_confidence": 1.0}, "min_confidence"),
    ],
)
def test_impossible_sites_are_refused(changes: dict[str, Any], message: str) -> None:
    keys: dict[str, Any] = {"name": "s", "residual": "r", "streams": {"a": "b"}} | changes
    with pytest.raises(ValueError, match=message):
        Site(**keys)


def test_without_a_site_every_label_is_its_own_stream() -> None:
    site = site_of_labels(LABELS)
    site.check_covers(LABELS, {})
    assert [site.stream_of(label, {}) for label in [*LABELS, "unknown"]] == [*LABELS, "residual"]
