"""`waste-edge collect` as people use it, and a station that collects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from tests.device.collect.crops import id_of
from tests.device.collect.test_export import made
from waste_edge.device.collect.store import CropStore
from waste_edge.device.service import find_state

WasteEdge = Callable[..., Any]
_RECIPE = (
    'name = "tiny"\n[model]\narchitecture = "cnn4"\nwidth = 0.1\n[input]\nwidth_px = 16\nheight_px = 16\n'
    "[fit]\nepochs = 1\nbatch_size = 8\n"
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A station's folder with 18 crops: of twelve the label was answered, of three the stream, of three nothing."""
    folder = tmp_path / "state"
    folder.mkdir()
    store = CropStore(folder)
    answers = [("metal", "yellow"), ("paper", "blue"), ("metal", "yellow"), ("paper", "blue"), None, (None, "blue")]
    for number, answer in enumerate(3 * answers):
        crop = made(store.folder, number, answer)
        store.index.add(crop)
    store.close()
    return folder


def test_the_list_names_reasons_and_answers(waste_edge: WasteEdge, state: Path) -> None:
    outcome = waste_edge("collect", "list", "--state", state)
    assert outcome.exit_code == 0, outcome.stderr
    assert "18 crops" in outcome.stdout
    assert "15 answered" in outcome.stdout
    assert f"{id_of(0)}.jpg" in outcome.stdout
    (state / "collect" / f"{id_of(0)}.jpg").unlink()
    listed = json.loads(waste_edge("collect", "list", "--state", state, "--json").stdout)
    assert len(listed["crops"]) == 17, "what has no file is not listed"
    assert listed["crops"][0]["time_utc"] == "2001-09-09T01:46:40Z"


def test_the_export_passes_the_data_check_and_trains(waste_edge: WasteEdge, state: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    outcome = waste_edge("collect", "export", tmp_path / "mine", "--state", state)
    assert outcome.exit_code == 0, outcome.stderr
    assert "12 pictures in 12 groups" in outcome.stdout
    assert "left out: 3 unanswered" in outcome.stdout
    checked = waste_edge("data", "check", tmp_path / "mine", "--json")
    assert checked.exit_code == 0, checked.stdout
    assert json.loads(checked.stdout)["labels"].keys() == {"metal", "paper"}
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(_RECIPE, encoding="utf-8")
    trained = waste_edge("train", recipe, "--data", tmp_path / "mine", "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.stderr
    again = waste_edge("collect", "export", tmp_path / "mine", "--state", state)
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_purging_asks_and_then_leaves_nothing(waste_edge: WasteEdge, state: Path) -> None:
    from waste_edge.cli.main import command_line

    app = command_line(["collect"])
    runner = typer.testing.CliRunner()
    refused = runner.invoke(app, ["collect", "purge", "--state", str(state)], input="n\n")
    assert refused.exit_code == 1
    assert len(list((state / "collect").glob("*.jpg"))) == 18
    assert waste_edge("collect", "purge", "--state", state, "--json").exit_code == 2, "JSON asks nothing"
    done = waste_edge("collect", "purge", "--state", state, "--yes")
    assert "18 crops deleted" in done.stdout
    assert list((state / "collect").glob("*.jpg")) == []
    assert json.loads(waste_edge("collect", "purge", "--state", state, "--json").stdout)["deleted"] == 0


def test_no_folder_and_no_crops_are_said(
    waste_edge: WasteEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_state, "SERVICE_STATE", tmp_path / "no such folder")
    assert "no station is installed here" in waste_edge("collect", "list").stderr
    assert waste_edge("collect", "list", "--state", tmp_path / "nothing").exit_code == 2
    assert "0 crops" in waste_edge("collect", "list", "--state", tmp_path).stdout
    assert "no crops were collected" in waste_edge("collect", "export", tmp_path / "o", "--state", tmp_path).stderr
    assert list(tmp_path.iterdir()) == [], "nothing was made"


def test_a_damaged_index_is_one_line(waste_edge: WasteEdge, state: Path) -> None:
    (state / "collect" / "index.sqlite").write_bytes(b"no database" * 900)
    outcome = waste_edge("collect", "list", "--state", state)
    assert outcome.exit_code == 2
    assert outcome.stderr.count("\n") == 1
    assert "not a database" in outcome.stderr


# --- a station ----------------------------------------------------------------------------------------------

_MODULES = """
import json, sys
from waste_edge.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print("\\n" + json.dumps([name for name in sys.modules if name.startswith("waste_edge.device.")]))
"""


def modules_of_a_run(*arguments: object) -> tuple[set[str], str]:
    """The modules of ours that a run imported, and what it said."""
    command = [sys.executable, "-c", _MODULES, "run", "--json", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stdout.splitlines()[-1])), ended.stdout


def test_switched_off_it_is_not_imported(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    found, said = modules_of_a_run("--bundle", tiny_bundle, "--source", photos, "--state", tmp_path / "state")
    assert "crops" not in said
    rooms = ("waste_edge.device.collect.", "waste_edge.device.reporting")
    assert {name for name in found if name.startswith(rooms)} <= {
        "waste_edge.device.collect.config",
        "waste_edge.device.collect.build",
    }
    config = tmp_path / "station.toml"
    config.write_text(f'state = "{tmp_path / "state"}"\n[collect]\n', encoding="utf-8")
    found, said = modules_of_a_run("--config", config, "--bundle", tiny_bundle, "--source", photos)
    assert "whole frames are never kept" in said
    assert "waste_edge.device.collect.collector" not in found


def test_crops_from_before_it_was_switched_off_are_said(tiny_bundle: Path, photos: Path, state: Path) -> None:
    _, said = modules_of_a_run("--bundle", tiny_bundle, "--source", photos, "--state", state)
    assert "switched off, and crops from before lie in" in said
    assert len(list((state / "collect").glob("*.jpg"))) == 18, "nothing is deleted behind anyone's back"
