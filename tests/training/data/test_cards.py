from __future__ import annotations

from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.files.strict import read_toml
from waste_edge.training.data.cards import DataCard, Taxonomy, read_card, shipped_cards, shipped_taxonomies

MINIMAL = """
name = "mini"
title = "Mini"
citation = "Nobody"
homepage = "https://example.org"
licence = "CC0"
labels = ["glass", "paper"]
addresses = ["https://example.org/mini.zip"]
[folders]
"mini" = ""
"""


@pytest.mark.parametrize("path", shipped_cards(), ids=lambda path: path.stem)
def test_shipped_cards_parse_and_are_called_what_their_file_is(path: Path) -> None:
    card = read_card(path.stem)
    assert card.name == path.stem
    assert card == read_card(str(path))
    for name, pairs in card.maps.items():
        merged = card.merge(name)
        assert sorted(label for labels in merged.values() for label in labels) == card.labels
        assert set(merged) == set(pairs.values())


@pytest.mark.parametrize("path", shipped_taxonomies(), ids=lambda path: path.stem)
def test_shipped_taxonomies_parse_and_are_called_what_their_file_is(path: Path) -> None:
    assert read_toml(path, Taxonomy).name == path.stem


def test_the_taxonomies_of_the_field_are_there() -> None:
    assert {path.stem for path in shipped_taxonomies()} >= {
        "six_materials", "four_bins", "biodegradable", "organic_recyclable",
    }  # fmt: skip


def test_the_rooms_readme_lists_every_card_and_taxonomy() -> None:
    text = (shipped_cards()[0].parent / "README.md").read_text(encoding="utf-8")
    for path in (*shipped_cards(), *shipped_taxonomies()):
        assert f"`{path.name}`" in text


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (('licence = "CC0"', 'license = "CC0"'), "license"),
        (('licence = "CC0"', ""), "licence"),
        (('["glass", "paper"]', '["paper", "glass"]'), "sorted"),
        (('["glass", "paper"]', '["glass"]'), "two labels"),
        (("https://example.org/mini.zip", "file:///etc/passwd"), "--archive"),
        (("https://example.org/mini.zip", "ftp://example.org/mini.zip"), "https"),
        (("https://example.org/mini.zip", "http://example.org/mini.zip"), "not encrypted"),
        (('["https://example.org/mini.zip"]', "[]"), "login"),
        (("[folders]", 'sha256 = "abc"\n[folders]'), "sha256"),
        (("[folders]", 'login = "ask"\n[folders]'), "login"),
        (('"mini" = ""', '"../mini" = ""'), "plain path"),
        (('"mini" = ""', ""), "folders is empty"),
        (("[folders]", 'taxonomy = "six_materials"\n[folders]'), "six_materials"),
        (("[folders]", 'taxonomy = "sizes"\n[folders]'), "sizes"),
        (('"mini" = ""', '"mini" = ""\n[maps.biodegradable]\nglass = "non_biodegradable"'), "nothing of paper"),
        (
            ('"mini" = ""', '"mini" = ""\n[maps.biodegradable]\nglass = "lasting"\npaper = "biodegradable"'),
            "lasting is no label",
        ),
        (
            ('"mini" = ""', '"mini" = ""\n[maps.four_bins]\nglass = "blue"\npaper = "blue"\nrags = "black"'),
            "maps rags",
        ),
        (('"mini" = ""', '"mini" = ""\n[maps.four_bins]\nglass = "blue"\npaper = "blue"'), "one label"),
        (('"mini" = ""', '"mini" = ""\n[maps.colours]\nglass = "blue"\npaper = "red"'), "colours"),
    ],
)
def test_a_wrong_card_is_refused_in_one_line(tmp_path: Path, change: tuple[str, str], names: str) -> None:
    path = tmp_path / "mini.toml"
    path.write_text(MINIMAL.replace(*change), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != MINIMAL
    with pytest.raises(ConfigError) as raised:
        read_card(str(path))
    assert names in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_map_turns_into_what_a_recipe_merges(tmp_path: Path) -> None:
    path = tmp_path / "mini.toml"
    path.write_text(
        MINIMAL + '[maps.biodegradable]\nglass = "non_biodegradable"\npaper = "biodegradable"\n', encoding="utf-8"
    )
    card = read_card(str(path))
    assert card.merge("biodegradable") == {"non_biodegradable": ["glass"], "biodegradable": ["paper"]}
    with pytest.raises(ConfigError, match="it has biodegradable"):
        card.merge("four_bins")


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="trashnet"):
        read_card("trashnot")


def test_a_card_is_strict() -> None:
    assert DataCard.__struct_config__.forbid_unknown_fields
