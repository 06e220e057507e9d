"""What is found in a site that contradicts itself, and where."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from waste_edge.device.decision.site_check import SiteReport, check_site, line_of
from waste_edge.device.system.condition import Level
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_toml
from waste_edge.site import SITES, Site

MATERIALS = ["cardboard", "glass", "metal", "paper", "plastic", "trash"]
STREAMS = """
[streams]
glass = "green"
paper = "blue"
metal = "blue"
"""


@pytest.fixture
def check(manifest, tmp_path):
    """Check a site for a model of glass, paper and metal with a threshold of 0.5."""
    manifest.name, manifest.version = "colours", "1"

    def from_text(text: str, streams: str = STREAMS) -> SiteReport:
        path = tmp_path / "site.toml"
        path.write_text(f'name = "here"\nresidual = "rest"\n{text.replace("|", streams)}\n')
        return check_site(read_toml(path, Site), manifest, path)

    return from_text


def test_a_sound_site_is_explained_and_nothing_is_found(check):
    report = check("min_confidence = 0.6|")
    assert (report.findings, report.usable) == ([], True)
    assert report.labels == {"glass": "green", "paper": "blue", "metal": "blue"}
    assert report.costs["blue"] == {"blue": 0.0, "green": 1.0, "rest": 0.4}
    (between,) = report.mixtures
    assert (between.first, between.second) == ("blue", "green")
    assert [(part.choice, part.high) for part in between.parts] == [("green", 0.4), ("rest", 0.6), ("blue", 1.0)]


TABLE = [
    # text, level, key, line, words
    ("min_confidence = 0.6\nask = 0.0|", "bad", "ask", 4, "every item goes to ask"),
    ("min_confidence = 0.6\nask = 0.005|", "bad", "ask", 4, "every item goes to ask"),
    ("min_confidence = 0.995|", "bad", "min_confidence", 3, "no stream reaches 99.5%; lower it"),
    ("min_confidence = 0.6|[costs]\nblue = {rest = 0.0}\ngreen = {rest = 0.0}", "bad", "costs", 8, "goes to rest"),
    ("min_confidence = 0.6|[costs.blue]\nrest = 0.0", "bad", "costs.blue", 8, "nothing ever goes to blue"),
    ("min_confidence = 0.6|[costs.blue]\ngreen = 0.0", "bad", "costs.blue", 8, "costs nothing in green"),
    ("min_confidence = 0.6|[costs.blue]\ngreen = 40", "warn", "costs.blue.green", 9, "only from 99.0% on"),
    ("min_confidence = 0.6\nask = 0.9|", "warn", "ask", 4, "nobody is ever asked"),
    ("min_confidence = 0.6\nask = 0.3|", "warn", "ask", 4, "only the unknown goes to the residual"),
    ("min_confidence = 0.5|", "warn", "min_confidence", 3, "rejects nothing: of 2 streams the likeliest has 50%"),
    ("|[costs.blue]\nrest = 1.2\n[costs.green]\nrest = 1.2", "warn", "residual", 2, "a stream is always cheaper"),
    ("min_confidence = 0.6|[region]\nleft = 0.95\ntop = 0.9", "warn", "region", 8, "0.50% of the camera's frame"),
    ('min_confidence = 0.6|[groups]\nmill = ["paper"]', "warn", "groups.mill", 9, "leads to no stream"),
    ('min_confidence = 0.6|mill = "blue"\n[groups]\nmill = ["paper"]', "warn", "streams.mill", 8, "a nearer line"),
    ('[streams]\nglass = "x"\npaper = "x"\nmetal = "x"', "warn", "streams", 3, "every label goes to x"),
    ('[streams]\nglass = "x"\npaper = "y"', "bad", "streams", 3, "no stream for metal; add a line"),
    ('min_confidence = 0.6|wood = "x"', "bad", "streams.wood", 8, "maps wood, which the model does not know"),
    ('min_confidence = 0.6|[groups]\nmill = ["wood"]', "bad", "groups.mill", 9, "groups wood, which the model lacks"),
]


@pytest.mark.parametrize(("text", "level", "key", "line", "words"), TABLE)
def test_a_contradiction_is_found_with_its_line_and_remedy(check, text, level, key, line, words):
    report = check(text)
    found = {finding.key: finding for finding in report.findings}
    assert key in found, report.findings
    finding = found[key]
    assert finding.condition.level == level
    assert words in finding.condition.text
    assert finding.remedy
    assert finding.condition.text.endswith(f"; {finding.remedy}")
    assert finding.line == line
    assert finding.condition.part == key.partition(".")[0].replace("_", "-")
    assert report.usable == all(each.condition.level is not Level.BAD for each in report.findings)
    assert report.usable == (level == "warn")


def test_a_free_mistake_both_ways_is_only_a_warning(check):
    report = check("min_confidence = 0.6|[costs.blue]\ngreen = 0.0\n[costs.green]\nblue = 0.0")
    assert {finding.condition.level for finding in report.findings} == {Level.WARN}
    assert "a wrong stream is free" in report.findings[0].condition.text


def test_the_worst_comes_first(check):
    levels = [finding.condition.level for finding in check("min_confidence = 0.5\nask = 0.001|").findings]
    levels += [finding.condition.level for finding in check("ask = 3|[costs.blue]\ngreen = 0.0").findings]
    assert levels == [Level.BAD, Level.BAD, Level.WARN, Level.WARN, Level.WARN]


def test_many_streams_are_checked_quickly_and_soundly(tmp_path: Path):
    labels = [f"label{index}" for index in range(20)]
    path = tmp_path / "site.toml"
    streams = "\n".join(f'{label} = "{label}"' for label in labels)
    path.write_text(f'name = "many"\nresidual = "rest"\n[streams]\n{streams}\n')
    calibration = SimpleNamespace(min_confidence=0.4)
    manifest = SimpleNamespace(labels=labels, tree={}, calibration=calibration, name="many", version="1")
    assert check_site(read_toml(path, Site), manifest, path).findings == []  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(shipped(SITES).glob("*.toml")), ids=lambda path: path.stem)
def test_nothing_is_found_in_the_shipped_sites(path, manifest):
    manifest.name, manifest.version, manifest.labels = "small", "1", MATERIALS
    assert check_site(read_toml(path, Site), manifest, path).findings == []


@pytest.mark.parametrize(
    ("key", "line"),
    [("name", 1), ("costs.a b.c", 5), ("costs.a b", 4), ("costs.a b.d", 4), ("groups", 6), ("nothing", 0), ("c", 0)],
)
def test_a_keys_line(key, line):
    text = 'name = "c = 1"\n# c = 3\n\n[costs."a b"]  # c\nc = 2\n[groups]\n'
    assert line_of(text, key) == line
