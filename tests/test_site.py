"""`site.toml`: what it may say, what it means, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from waste_edge.errors import ConfigError
from waste_edge.files.resources import shipped
from waste_edge.site import SITES, Site, find_site, read_site, site_of_labels

TREE = {"pet": "plastic", "hdpe": "plastic", "plastic": "packaging", "can": "packaging"}
LABELS = ["pet", "hdpe", "can", "paper"]
MATERIALS = ["cardboard", "glass", "metal", "paper", "plastic", "trash"]


YARD = Site(name="yard", residual="black", streams={"packaging": "yellow", "hdpe": "special", "paper": "blue"})


@pytest.mark.parametrize(
    ("label", "stream"),
    [("pet", "yellow"), ("hdpe", "special"), ("can", "yellow"), ("paper", "blue"), ("unknown", "black")],
)
def test_the_nearest_entry_decides(label: str, stream: str) -> None:
    YARD.check_covers(LABELS, TREE)
    assert YARD.stream_of(label, TREE) == stream


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
        ({"min_confidence": float("nan")}, "min_confidence"),
        ({"streams": {"a": "ask"}}, "no name for a stream"),
        ({"ask": -0.1}, "ask: a cost is 0 to 1000"),
        ({"ask": float("inf")}, "ask: a cost is 0 to 1000"),
        ({"costs": {"b": {"r": -1.0}}}, "costs.b.r: a cost is 0 to 1000, where 1 is a usual mistake; got -1"),
        ({"costs": {"b": {"r": 1e6}}}, "costs.b.r: a cost is 0 to 1000"),
        ({"costs": {"b": {"r": float("nan")}}}, "costs.b.r"),
        ({"costs": {"b": {"grene": 2.0}}}, "costs.b.grene: there is no stream 'grene'; there are b and r"),
        ({"costs": {"grene": {"b": 2.0}}}, "costs.grene: nothing belongs to a stream 'grene'; a row is for .* of b"),
        ({"costs": {"r": {"b": 2.0}}}, "costs.r: nothing belongs"),
        ({"costs": {"b": {"b": 0.5}}}, "costs.b.b: the right stream costs nothing; remove"),
        ({"groups": {"g": []}}, "groups.g: a group needs a name and at least one label"),
        ({"groups": {"": ["a"]}}, "a group needs a name"),
        ({"groups": {"g": ["a"], "h": ["a"]}}, "groups.h: 'a' is in group 'g' already; leave it in one"),
        ({"groups": {"g": ["h"], "h": ["g"]}}, "groups: .*loop.*cannot hold itself"),
        ({"groups": {"g": ["g"]}}, "cannot hold itself"),
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


@pytest.mark.parametrize(
    ("belongs", "put", "cost"),
    [
        ("blue", "blue", 0.0),
        ("blue", "green", 1.0),
        ("green", "blue", 5.0),
        ("blue", "black", 0.3),
        ("green", "black", 0.25),
    ],
)
def test_what_is_left_out_costs_one_and_the_residual_what_the_threshold_means(belongs, put, cost):
    site = Site(
        name="s",
        residual="black",
        streams={"paper": "blue", "glass": "green"},
        costs={"green": {"blue": 5.0, "black": 0.25}},
    )
    assert site.cost(belongs, put, min_confidence=0.7) == cost


def test_a_residual_stream_with_labels_of_its_own_costs_what_every_stream_costs():
    site = Site(name="s", residual="black", streams={"paper": "blue", "trash": "black"})
    assert site.cost("blue", "black", min_confidence=0.7) == 1.0


GROUPED: dict[str, Any] = {
    "name": "grouped",
    "residual": "rest",
    "groups": {"dry": ["paper", "tins"], "tins": ["can"], "bottles": ["plastic"]},
    "streams": {"dry": "blue", "bottles": "yellow", "hdpe": "special"},
}


def test_a_sites_groups_change_the_taxonomy_over_the_models_tree():
    site = Site(**GROUPED)
    site.check_covers(LABELS, TREE)
    streams = {label: site.stream_of(label, TREE) for label in LABELS}
    assert streams == {"pet": "yellow", "hdpe": "special", "can": "blue", "paper": "blue"}


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"groups": {"dry": ["paper", "wood"]}}, "groups.dry", "groups wood, which the model lacks"),
        ({"groups": {"plastic": ["paper"]}}, "groups.plastic", "a group named like the model's plastic"),
        ({"groups": {"paper": ["can"]}}, "groups.paper", "a group named like the model's paper"),
        ({"streams": {"dry": "blue"}}, "streams", "no stream for pet, hdpe; add a line"),
        ({"streams": {"dry": "blue", "bottles": "b", "wood": "c"}}, "streams.wood", "maps wood, which the model"),
    ],
)
def test_what_does_not_fit_the_model_is_named_with_its_key(changes, key, message):
    site = Site(**GROUPED | changes)
    found = dict(site.misfits(LABELS, TREE))
    assert message in found[key]
    with pytest.raises(ConfigError, match="site 'grouped' "):
        site.check_covers(LABELS, TREE)


def test_a_site_file_from_before_there_were_costs_is_still_read(tmp_path: Path):
    path = tmp_path / "old.toml"
    path.write_text('name = "old"\nresidual = "r"\nmin_confidence = 0.6\n[streams]\na = "x"\nb = "y"\n')
    site = read_site(str(path), ["a", "b"], {})
    assert (site.costs, site.groups, site.ask) == ({}, {}, None)
    assert site.cost("x", "y", 0.6) == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[costs.x]\ny = "dear"', "`costs"),
        ("[costs.x]\ny = -2", "costs.x.y: a cost is 0 to 1000"),
        ("[cost.x]\ny = 2", "unknown key `cost`"),
        ('[groups]\ng = "a"', "`groups"),
        ("[groups]\ng = ['a', 'c']", "groups c, which the model lacks; it knows a, b"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(tmp_path: Path, text: str, message: str):
    path = tmp_path / "site.toml"
    path.write_text(f'name = "s"\nresidual = "r"\n[streams]\na = "x"\nb = "y"\n{text}\n')
    with pytest.raises(ConfigError) as caught:
        read_site(str(path), ["a", "b"], {})
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_shipped_site_is_found_by_name_and_a_missing_one_lists_them():
    assert find_site("four_bins") == shipped(f"{SITES}/four_bins.toml")
    with pytest.raises(
        ConfigError, match=r"no such file; .*biodegradable, four_bins, organic_recyclable, six_materials"
    ):
        find_site("five_bins")


@pytest.mark.parametrize(
    ("name", "label", "stream"),
    [
        ("four_bins", "paper", "blue"),
        ("four_bins", "trash", "black"),
        ("six_materials", "glass", "glass"),
        ("biodegradable", "cardboard", "biodegradable"),
        ("biodegradable", "glass", "not biodegradable"),
        ("organic_recyclable", "paper", "organic"),
        ("organic_recyclable", "trash", "rest"),
    ],
)
def test_the_shipped_sites_send_labels_where_they_say(name: str, label: str, stream: str):
    assert read_site(name, MATERIALS, {}).stream_of(label, {}) == stream


@pytest.mark.parametrize("word", ["gr\x1b[31m", "two\nlines"])
def test_names_that_cannot_be_printed_are_refused(word):
    with pytest.raises(ValueError, match="cannot be printed"):
        Site(name="here", residual="rest", streams={"glass": word})
