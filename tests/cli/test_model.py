"""`waste-edge model`, beside a station's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def config(tiny_bundle: Path, tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(f'camera = "synthetic"\nbundle = "{tiny_bundle}"\nstate = "state"\nengine = "onnx"\n[answers]\n')
    return path


@pytest.fixture
def newer(tiny_bundle: Path, tmp_path: Path, edit_manifest: Callable[[Path, str, Any], None]) -> Path:
    folder = tmp_path / "newer"
    shutil.copytree(tiny_bundle, folder)
    edit_manifest(folder, "version", "2.0")
    return folder


def test_a_model_is_installed_listed_and_taken_back(waste_edge: Run, config: Path, newer: Path) -> None:
    def run(*words: object) -> Any:
        outcome = waste_edge("model", *words, "--config", config)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.stdout

    assert "no model is installed" in run("list")
    said = run("install", newer)
    assert "ok    golden" in said
    assert "tiny 2.0 is the candidate" in said
    assert "candidate   tiny 2.0" in run("status")
    assert "was shown no item yet" in run("status")
    assert json.loads(run("install", newer, "--now", "--json"))["outcome"] == "activated"
    rows = json.loads(run("list", "--json"))["models"]
    assert [(row["role"], row["version"], row["whole"]) for row in rows] == [("current", "2.0", True)]
    assert "on probation: the station has not run it yet" in run("status")
    assert run("rollback", "--reason", "sorts cans into paper") == (
        "tiny 2.0 was taken back; in charge is the bundle that the configuration names\n"
    )
    status = json.loads(run("status", "--json"))
    assert status["roles"]["current"] is None
    assert [change["action"] for change in status["history"]] == ["proposed", "activated", "rolled_back"]
    assert "sorts cans into paper" in run("status")


def test_what_is_refused_is_one_line_and_exit_code_2(
    waste_edge: Run, config: Path, newer: Path, edit_manifest: Callable[[Path, str, Any], None]
) -> None:
    edit_manifest(newer, "schema", 7)
    for words in (("install", newer), ("install", "nowhere.zip"), ("rollback",)):
        outcome = waste_edge("model", *words, "--config", config)
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr


def test_unattended_a_refusal_is_kept_and_a_folder_without_a_bundle_is_none(
    waste_edge: Run, config: Path, newer: Path, tmp_path: Path, edit_manifest: Callable[[Path, str, Any], None]
) -> None:
    stick = tmp_path / "stick"
    (stick / "DCIM").mkdir(parents=True)
    words = ("--config", config, "--unattended")
    outcome = waste_edge("model", "install", stick, *words)
    assert (outcome.exit_code, outcome.stdout) == (0, f"{stick}: holds no bundle; nothing to install\n")
    assert json.loads(waste_edge("model", "install", stick, *words, "--json").stdout)["outcome"] == "none"
    assert waste_edge("model", "install", stick, "--config", config).exit_code == 2
    assert json.loads(waste_edge("model", "status", "--config", config, "--json").stdout)["refused"] is None

    edit_manifest(newer, "schema", 7)
    newer.rename(stick / "newer")
    assert waste_edge("model", "install", stick, *words).exit_code == 2
    assert "refused" in waste_edge("model", "status", "--config", config).stdout
    refused = json.loads(waste_edge("model", "status", "--config", config, "--json").stdout)["refused"]
    assert str(stick) in refused["reason"]

    edit_manifest(stick / "newer", "schema", 1)
    assert waste_edge("model", "install", stick, *words).exit_code == 0
    assert json.loads(waste_edge("model", "status", "--config", config, "--json").stdout)["refused"] is None


def test_a_damaged_model_is_listed_as_damaged(waste_edge: Run, config: Path, newer: Path, tmp_path: Path) -> None:
    waste_edge("model", "install", newer, "--now", "--config", config)
    (network,) = (tmp_path / "state" / "models").glob("tiny*/onnx-int8.onnx")
    network.write_bytes(b"")
    assert "DAMAGED" in waste_edge("model", "list", "--config", config).stdout
    outcome = waste_edge("run", "--config", config, "--frames", "3", "--json")
    start = json.loads(outcome.stdout.splitlines()[0])
    assert start["bundle"] == "tiny 1.0"
    assert "tiny 1.0 is used, since" in outcome.stderr + outcome.stdout


def test_the_station_says_which_model_is_installed(waste_edge: Run, config: Path, newer: Path) -> None:
    waste_edge("model", "install", newer, "--now", "--config", config)
    outcome = waste_edge("run", "--config", config, "--frames", "3", "--json")
    start = json.loads(outcome.stdout.splitlines()[0])
    assert (start["bundle"], start["bundle_choice"]) == ("tiny 2.0", "tiny 2.0 is installed (waste-edge model status)")
