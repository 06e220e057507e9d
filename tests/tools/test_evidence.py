"""Every record is of the shipped bundles, and the page lists all of them with command and date."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tools import evidence
from waste_edge.errors import ConfigError
from waste_edge.files.resources import shipped

ROOT = shipped("training").parent
# Records that have to be made again, each with the command that `python -m tools.evidence --check` names. One that is
# made again is taken off this list; one that becomes stale fails the test.
AWAITED: set[str] = {
    "docs/arm64-log.txt",
    "docs/container-log.txt",
    "docs/virtual-board-log.txt",
}


@pytest.fixture(scope="module")
def found() -> list[evidence.Evidence]:
    return list(evidence.gathered(ROOT))


def test_the_page_has_not_drifted(found: list[evidence.Evidence]) -> None:
    text = (ROOT / evidence.PAGE).read_text(encoding="utf-8")
    assert evidence.refreshed(text, found) == text, f"{evidence.PAGE} has drifted from the records; make evidence"


def test_every_record_is_of_the_shipped_bundles(found: list[evidence.Evidence]) -> None:
    stale = {one.record: f"{one.stale}; {one.command}" for one in found if one.stale}
    assert stale.keys() == AWAITED, "\n".join(f"{record}: {why}" for record, why in stale.items())


def test_the_page_names_what_is_stale(found: list[evidence.Evidence]) -> None:
    lines = [line for line in evidence.evidence_table(found).splitlines() if "**stale**" in line]
    assert len(lines) == sum(bool(one.stale) for one in found)


def test_every_page_that_shows_a_record_exists(found: list[evidence.Evidence]) -> None:
    assert [page for one in found for page in one.pages if not (ROOT / page).is_file()] == []


def test_no_record_is_forgotten(found: list[evidence.Evidence]) -> None:
    patterns = ("benchmarks/results/**/*.json", "training/results/*.json", "docs/*-log.txt")
    kept = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    assert kept <= {one.record for one in found}


COPIED = ("benchmarks/results", "training/results")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout of records alone."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "docs").mkdir()
    for path in (ROOT / "docs").glob("*-log.txt"):
        shutil.copy(path, tmp_path / "docs")
    return tmp_path


def stale_in(root: Path) -> set[str]:
    return {one.record for one in evidence.gathered(root) if one.stale}


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def changed_digest(root: Path, pattern: str) -> str:
    """A record with another bundle's hash."""
    path = max(root.glob(pattern))
    document = json.loads(path.read_text(encoding="utf-8"))
    document["digest"] = "0" * 64
    path.write_text(json.dumps(document), encoding="utf-8")
    return path.relative_to(root).as_posix()


def test_a_speed_of_another_bundle_is_stale(copy: Path) -> None:
    path = max((copy / "benchmarks/results").glob("*.json"))
    document = json.loads(path.read_text(encoding="utf-8"))
    for subject in document["subjects"]:
        subject["digest"] = evidence.shipped_version(subject["name"])[1]
    for name, expected in ((evidence.shipped_version("small")[1], False), ("0" * 64, True)):
        document["subjects"][0]["digest"] = name
        path.write_text(json.dumps(document), encoding="utf-8")
        assert (path.relative_to(copy).as_posix() in stale_in(copy)) is expected


def test_a_figure_within_a_page_is_listed_and_grows_stale(copy: Path) -> None:
    page = copy / "docs" / "page.md"
    small, accurate = (f"{name} {evidence.shipped_version(name)[0]}" for name in evidence.NAMES)
    page.write_text(
        f"<!-- measured: One; 2026-01-02; {small}, {accurate}; make one -->\n"
        "<!-- measured: Two; 2026-01-03; small 0; make two -->\n"
        "<!-- measured: Three; 2026-01-04; none; make three -->\n",
        encoding="utf-8",
    )
    one, two, three = (found for found in evidence.gathered(copy) if found.record == "docs/page.md")
    assert (one.figures, one.date, one.command, one.stale) == ("One", "2026-01-02", "make one", "")
    assert two.stale.startswith("small 0, shipped is ")
    assert (three.bundles, three.stale) == ("", "")


def test_a_rehearsal_of_another_version_is_stale(copy: Path) -> None:
    shown = f'"small {evidence.shipped_version("small")[0]}"'
    replaced(copy / "benchmarks/results/rehearsal/small.json", shown, '"small 1"')
    assert "benchmarks/results/rehearsal/small.json" in stale_in(copy)


def test_a_comparison_that_the_cards_do_not_say_is_stale(copy: Path) -> None:
    path = copy / "training/results/model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for model in document["models"]:
        model["scores"]["accuracy"] -= 0.1
        for interval in model["intervals"].values():
            if isinstance(interval, dict) and "low" in interval:
                interval["low"] -= 0.1
    path.write_text(json.dumps(document), encoding="utf-8")
    assert {"training/results/model.json", "training/results/robustness.md"} <= stale_in(copy)


def test_sources_that_the_cards_do_not_say_are_stale(copy: Path) -> None:
    path = copy / "training/results/domains.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for model in document["models"]:
        for source in model["sources"]:
            source["accuracy"] = dict.fromkeys(source["accuracy"], 0.123)
    path.write_text(json.dumps(document), encoding="utf-8")
    assert "training/results/domains.json" in stale_in(copy)


def test_further_cameras_of_another_bundle_are_stale(copy: Path) -> None:
    assert changed_digest(copy, "benchmarks/results/instances/*.json") in stale_in(copy)


def test_a_log_of_another_version_or_of_none_is_stale(copy: Path) -> None:
    log = copy / "docs/boot-log.txt"
    words = evidence.in_words().replace("small ", "`small` ").replace("accurate ", "`accurate` ")
    for said, expected in ((words, False), ("`small` 99", True), ("no bundle", True)):
        log.write_text(f"printed on 2026-11-28 with {said}\nthe rest\n", encoding="utf-8")
        assert ("docs/boot-log.txt" in stale_in(copy)) is expected


def test_a_log_without_a_date_is_named(copy: Path) -> None:
    (copy / "docs/boot-log.txt").write_text("once upon a time\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"boot-log.txt: expected a date"):
        list(evidence.gathered(copy))


def test_figures_without_a_record_are_named(copy: Path) -> None:
    shutil.rmtree(copy / "benchmarks/results/rehearsal")
    with pytest.raises(ConfigError, match=r"rehearsal/\*.json: no record"):
        list(evidence.gathered(copy))


@pytest.mark.parametrize("title", sorted(evidence.EARLIER))
def test_an_earlier_version_that_is_named_has_the_shipped_networks(title: str) -> None:
    assert evidence.has_shipped_networks(title)
    assert evidence.has_shipped_networks(title, evidence.EARLIER[title].digest)
    assert not evidence.has_shipped_networks(title, "0" * 64)
    assert not evidence.has_shipped_networks(title.replace(" ", " 10"))


def test_figures_of_the_same_networks_hold_where_no_threshold_enters(copy: Path) -> None:
    page = copy / "docs" / "page.md"
    earlier = ", ".join(evidence.EARLIER)
    page.write_text(
        f"<!-- measured: One; 2026-01-02; networks of {earlier}; make one -->\n"
        f"<!-- measured: Two; 2026-01-03; {earlier}; make two -->\n"
        "<!-- measured: Three; 2026-01-04; networks of small 0; make three -->\n",
        encoding="utf-8",
    )
    one, two, three = (found for found in evidence.gathered(copy) if found.record == "docs/page.md")
    assert (one.bundles, one.stale) == (f"networks of {earlier}", "")
    assert two.stale.startswith(f"{earlier}, shipped is ")
    assert three.stale.startswith("small 0, shipped is ")
