"""`waste-edge commission` from its options, without a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.device.commission.pictures import write_site

Call = Callable[..., Any]


@pytest.fixture
def options(tiny_bundle: Path, tmp_path: Path) -> list[object]:
    return ["commission", "--state", tmp_path / "state", "--bundle", tiny_bundle]


def test_a_folder_is_shown_fitted_installed_and_undone(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    shots = write_site(tmp_path / "shots", 7)
    done = waste_edge(*options, "--shots", shots, "--install", "--items", 5)
    assert done.exit_code == 0, done.stderr
    assert "✓ blue/00.png: item 1, blue" in done.stdout
    assert "better than the shipped head" in done.stdout
    assert "installed tiny-station 1.0.1" in done.stdout
    (folder,) = (tmp_path / "state" / "models").glob("tiny-station-*")
    told = waste_edge("inspect", folder).stdout
    assert "learnt at" in told
    assert "7 blue, 7 green, 7 red" in told
    used = waste_edge(
        "run",
        "--source",
        shots / "red",
        "--state",
        tmp_path / "state",
        "--config",
        _station(tmp_path, options[-1]),
        "--json",
    )
    labels = [line["label"] for line in map(json.loads, used.stdout.splitlines()) if line["kind"] == "frame"]
    assert labels.count("red") >= 5, "the station decides by it, where red is another colour to the shipped head"
    undone = waste_edge(*options, "--undo")
    assert "the configured bundle is in charge again" in undone.stdout
    again = waste_edge(*options, "--undo")
    assert again.exit_code == 2
    assert "none to take back" in again.stderr


def _station(folder: Path, bundle: object) -> Path:
    path = folder / "station.toml"
    path.write_text(f'bundle = "{bundle}"\n', encoding="utf-8")
    return path


def test_json_lines(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    done = waste_edge(*options, "--shots", write_site(tmp_path / "shots", 4), "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines[:12]] == ["shot"] * 12
    outcome = next(line for line in lines if line["event"] == "outcome")
    assert outcome["assessment"]["items"] == 12
    assert lines[-1] == {"event": "ended", "text": "nothing was installed; give --install", "installed": None}


def test_it_goes_on_where_it_was_stopped(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    first = waste_edge(*options, "--shots", write_site(tmp_path / "a", 1))
    assert first.exit_code == 0
    assert "still to be shown: 2 items of each of 2 labels" in first.stdout
    second = waste_edge(*options, "--shots", write_site(tmp_path / "b", 6), "--no-install")
    assert "near-copy of item" in second.stdout
    assert "what was shown is kept" in second.stdout
    third = waste_edge(*options)
    assert "left out" in third.stdout, "without anything to show, what was shown is looked at"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--own", "cup"], "expected LABEL=OTHER"),
        (["--own", "cup=none"], "has no label 'none'"),
        (["--show", "red,purple"], "--show purple: is no label"),
        ([], "no camera: give --camera"),
        (["--shots", "/nowhere"], "no such folder"),
        (["--undo"], "none to take back"),
    ],
)
def test_mistakes_are_said_in_one_line(waste_edge: Call, options: list[object], given: list[str], message: str) -> None:
    outcome = waste_edge(*options, *given)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_a_folder_of_another_name_than_a_label(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    outcome = waste_edge(*options, "--shots", write_site(tmp_path / "shots", 1, ("purple",)))
    assert outcome.exit_code == 2
    assert "'purple' is no label" in outcome.stderr
    assert "--own purple=LABEL" in outcome.stderr


def test_a_site_without_a_stream_for_a_label(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('name = "x"\nresidual = "rest"\n[streams]\nred = "a"\ngreen = "b"\n', encoding="utf-8")
    outcome = waste_edge(*options, "--site", site, "--shots", write_site(tmp_path / "shots", 1))
    assert outcome.exit_code == 2
    assert "has no stream for blue" in outcome.stderr


def test_no_state_folder(waste_edge: Call, tiny_bundle: Path) -> None:
    outcome = waste_edge("commission", "--bundle", tiny_bundle)
    assert (outcome.exit_code, "give --state DIR" in outcome.stderr) == (2, True)
