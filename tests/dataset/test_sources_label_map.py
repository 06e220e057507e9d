from __future__ import annotations

from pathlib import Path

import pytest

from waste_edge.dataset import LabelMap
from waste_edge.errors import ConfigError, DataError
from waste_edge.files.strict import read_toml


def test_what_becomes_of_each_label() -> None:
    label_map = LabelMap(drop=["a"], merge={"b": ["c"], "c": ["b"], "x": ["d", "e"]})
    assert label_map.targets(list("abcdef"), "data") == {"b": "c", "c": "b", "d": "x", "e": "x", "f": "f"}
    with pytest.raises(DataError, match=r"data: labels\.merge\.x names e, which the data lack; they have a, b, c, d"):
        label_map.targets(list("abcd"), "data")
    assert label_map.targets(["d"], "data", complete=False) == {"d": "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('drop = ["a"]\n[merge]\nb = ["a"]', "a: named twice in labels.drop and labels.merge"),
        ('[merge]\nb = ["a"]\nc = ["a"]', "a: named twice"),
        ('drop = ["a", "a"]', "a: named twice"),
        ("[merge]\nb = []", "labels.merge.b is empty"),
        ('dropp = ["a"]', "unknown key `dropp`"),
        ('drop = "a"', "drop"),
    ],
)
def test_a_map_that_contradicts_itself(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_toml(tmp_path / "map.toml", LabelMap)
