"""`waste-edge rehearse` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

_COMPOSING = ("--items", 3, "--unknown-items", 9, "--items-a-film", 2, "--seed", 7, "--split", "test")


def test_rendered_items_are_rehearsed_and_written_down(waste_edge, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    few = ("rehearse", "--items", 2, "--unknown-items", 1, "--looks", 1, "--page", page, "--json")
    outcome = waste_edge(*few)
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report["schema"] == 1
    assert report["known"]["items"] == 2
    assert report["unknown"]["items"] == 1
    assert report["missed"] == report["doubled"] == report["extra"] == 0
    assert len(report["outcomes"]) == 3
    assert page.read_text(encoding="utf-8").count('class="item ') == 3
    assert waste_edge(*few).stdout == outcome.stdout


def test_auto_is_the_bundle_that_a_station_takes(waste_edge, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    outcome = waste_edge("rehearse", "auto", "--items", 1, "--unknown-items", 0, "--looks", 1, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    taken = outcome.stderr.removeprefix("waste-edge: auto chose ").split(":")[0].split(",")[0]
    assert json.loads(outcome.stdout)["station"]["bundle"].startswith(f"{taken} ")
    assert (tmp_path / "waste-edge" / "speeds.json").is_file(), "measured once and remembered, as a station does"


def test_a_table_for_people(waste_edge) -> None:
    outcome = waste_edge("rehearse", "--items", 1, "--unknown-items", 0, "--looks", 1)
    assert outcome.exit_code == 0
    assert "missed 0, doubled 0, extra 0" in outcome.stdout
    assert "label right" in outcome.stdout


def test_mistakes_of_the_user_are_one_line_each(waste_edge, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, complaint in (
        (("--films", tmp_path / "t.csv", "--data", tmp_path), "leave out --data"),
        (
            ("--films", tmp_path / "t.csv", *_COMPOSING),
            "leave out --split, --items, --unknown-items, --items-a-film, --seed",
        ),
        (("--films", tmp_path / "t.csv", "--items", 96, "--seed", 0), "leave out --items, --seed"),  # the defaults
        (("--split", "val"), "leave out --split"),
        (("--items", 0, "--data", tmp_path), "leave out --data"),
        (("--unknown-items", 0, "--unknown", tmp_path), "leave out --unknown"),
        (("--films", tmp_path / "t.csv"), "t.csv: cannot be read"),
        (("--items", 0, "--unknown-items", 0), "nothing to play"),
        (("--grounds", tmp_path / "empty"), "pictures of bare surfaces"),
        (("--unknown", tmp_path / "none"), "none of the labels"),
        (("--page", tmp_path / "no" / "page.html"), "there is no folder"),
        (("--site", "nowhere"), "no such file"),
    ):
        outcome = waste_edge("rehearse", *words)
        assert outcome.exit_code == 2, words
        assert complaint in outcome.stderr, words
        assert outcome.stderr.count("\n") == 1, outcome.stderr
