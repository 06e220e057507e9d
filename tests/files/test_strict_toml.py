from __future__ import annotations

import time
from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.files.strict import parse_toml, read_json, read_toml
from waste_edge.imaging.preprocess import InputSpec


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".".join(["a"] * 50_000) + " = 1", "line 1: a key of more than 32 parts"),
        ("x = 1\n[" + ".".join(['"a b"'] * 40) + "]", "line 2: a key of more than 32 parts"),
        ("x = " + "[" * 20_000, "too deep"),
        ("x = " + "[" * 100 + "]" * 100, "too deep"),
        ("x = " + "{a=" * 300 + "1" + "}" * 300, "too deep"),
        ("[t]\nmax_mb = inf", "t.max_mb: inf cannot be meant"),
        ("max_mb = nan", "max_mb: nan cannot be meant"),
        ("a = [1, 1e300]", r"a\[1\]: 1e\+300 cannot be meant"),
        ("keep = " + "9" * 4000, "keep: a number of 13288 bits cannot be meant"),
        ("keep = " + "9" * 5000, "limit"),
        ('require_key = "\\u0000"', "require_key: holds a NUL"),
        ('"\\u0000" = 1', "holds a NUL"),
        ("x = \0", "Illegal|Invalid|control"),
    ],
    ids=str,
)
def test_what_no_file_of_ours_can_mean_is_refused_at_once(text: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=said) as caught:
        parse_toml(text)
    assert time.monotonic() - started < 2
    assert len(str(caught.value)) < 400


def test_what_people_write_is_read() -> None:
    text = 'a.b.c = 1\nwhen = 2026-01-02\nsay = "one. two. three."\n[x]\nlist = [[1], [2.5]]\nhuge = 1e15\n'
    assert parse_toml(text)["x"]["list"] == [[1], [2.5]]


def test_a_deep_json_document_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.json: ") as caught:
        read_json(tmp_path / "a.json", InputSpec)
    assert "\n" not in str(caught.value)


def test_a_word_that_a_key_does_not_take_lists_those_it_takes(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('width_px = 96\nheight_px = 96\nresize = "stretch"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="Invalid enum value 'stretch', in `resize`; expected one of crop, letterbox"):
        read_toml(tmp_path / "a.toml", InputSpec)
