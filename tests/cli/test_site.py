"""`waste-edge site check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def check(waste_edge, tiny_bundle):
    return lambda *arguments: waste_edge("site", "check", *arguments, "--bundle", tiny_bundle)


def write_site(path: Path, more: str = "", streams: str = 'blue = "b"\ngreen = "g"\nwarm = "w"') -> Path:
    path.write_text(f'name = "test"\nresidual = "rest"\nmin_confidence = 0.6\n{more}\n[streams]\n{streams}\n')
    return path


def test_it_says_in_words_what_a_site_means(check, tmp_path: Path) -> None:
    path = write_site(tmp_path / "site.toml", "costs.g.b = 4\nask = 0.3")
    outcome = check(path)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert lines[0] == f"test ({path}), held against tiny 1.0"
    for line in (
        "blue → b",
        "red → w",
        "unknown, like none of these → rest",
        "unsure, no stream reaches 60% → rest or ask, whichever is expected to cost less",
        "what belongs to g costs 4 in b, 1 in w, 0.4 in rest",
        "b or g: g below 30% b, ask from 30%, b from 92.5%",
    ):
        assert line in lines
    assert "warn: " in outcome.stdout, "asking is cheaper than the residual, always"
    assert lines[-1] == "can be used: 0 contradictions, 1 warning"


def test_a_plain_site_is_short(check, tmp_path: Path) -> None:
    plain = write_site(tmp_path / "site.toml", streams='blue = "b"\ngreen = "g"\nred = "rest"')
    outcome = check(plain)
    assert "every mistake costs 1\n" in outcome.stdout


def test_a_name_that_is_no_part_of_a_topic_says_what_becomes_of_it(check, tmp_path: Path) -> None:
    path = write_site(tmp_path / "site.toml", streams='blue = "Bioabfälle"\ngreen = "g"\nwarm = "w"')
    assert "over MQTT Bioabfälle is streams/Bioabf_lle_964855\n" in check(path).stdout
    assert "over MQTT" not in check(write_site(tmp_path / "plain.toml")).stdout


def test_a_contradiction_is_exit_code_2_and_names_the_line(check, tmp_path: Path) -> None:
    path = write_site(tmp_path / "site.toml", "ask = 0.0")
    outcome = check(path)
    assert outcome.exit_code == 2
    assert f"bad: {path}:4: every item goes to ask" in outcome.stdout
    assert "cannot be used: 1 contradiction, 0 warnings" in outcome.stdout


def test_json_is_for_machines(check, tmp_path: Path) -> None:
    outcome = check(write_site(tmp_path / "site.toml", "ask = 0.0"), "--json")
    report: dict[str, Any] = json.loads(outcome.stdout)
    assert (outcome.exit_code, report["usable"], report["labels"]["red"]) == (2, False, "w")
    (finding,) = report["findings"]
    assert (finding["level"], finding["part"], finding["key"], finding["line"]) == ("bad", "ask", "ask", 4)
    assert report["mixtures"][0] == {"first": "b", "second": "g", "parts": [{"low": 0.0, "high": 1.0, "choice": "ask"}]}
    fine = check(write_site(tmp_path / "site.toml"), "--json")
    assert (fine.exit_code, json.loads(fine.stdout)["usable"], json.loads(fine.stdout)["findings"]) == (0, True, [])


def test_a_site_that_cannot_be_read_is_one_line_or_one_finding(check, tmp_path: Path) -> None:
    path = write_site(tmp_path / "site.toml", "costs.g.b = -4")
    outcome = check(path)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"waste-edge: {path}: costs.g.b: a cost is 0 to 1000")
    outcome = check(path, "--json")
    report = json.loads(outcome.stdout)
    assert (outcome.exit_code, outcome.stderr, report["usable"]) == (2, "", False)
    assert "costs.g.b" in report["findings"][0]["text"]


def test_every_misfit_with_the_model_is_listed(check, tmp_path: Path) -> None:
    outcome = check(write_site(tmp_path / "site.toml", streams='blue = "b"\nwood = "w"'))
    assert outcome.exit_code == 2
    assert "no stream for green, red" in outcome.stdout
    assert "maps wood" in outcome.stdout


def test_words_in_brackets_are_not_taken_for_colours(check, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text('name = "[red]x[/]"\nresidual = "[b]"\n[streams]\nblue = "b"\ngreen = "g"\nred = "r"\n')
    outcome = check(path)
    assert "[red]x[/]" in outcome.stdout
    assert "→ [b]" in outcome.stdout


@pytest.mark.parametrize("name", ["four_bins", "six_materials", "biodegradable", "organic_recyclable"])
def test_the_shipped_sites_suit_the_default_bundle(waste_edge, default_bundle: Path, name: str) -> None:
    outcome = waste_edge("site", "check", name)
    assert outcome.exit_code == 0, outcome.stdout
    assert outcome.stdout.endswith("can be used: 0 contradictions, 0 warnings\n")


def test_a_site_that_is_not_there_is_named(check) -> None:
    outcome = check("nowhere.toml")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "nowhere.toml: no such file" in outcome.stderr


def test_help_teaches_with_an_example(waste_edge) -> None:
    assert "check" in waste_edge("site", "--help").stdout
    outcome = waste_edge("site", "check", "--help")
    assert "waste-edge site check four_bins" in outcome.stdout


def test_a_run_asks_where_its_site_says_so(waste_edge, tiny_bundle, colour_photos: Path, tmp_path: Path) -> None:
    picture = colour_photos / "images" / "red" / "0.png"
    streams = []
    for name, ask in (("asks", "ask = 0.0"), ("sorts", "ask = 0.9")):
        path = write_site(tmp_path / f"{name}.toml", ask)
        outcome = waste_edge("run", "--source", picture, "--bundle", tiny_bundle, "--site", path, "--json")
        lines = [json.loads(line) for line in outcome.stdout.splitlines()]
        streams += [line["stream"] for line in lines if line["kind"] == "decision"]
    assert streams == ["ask", "w"]
