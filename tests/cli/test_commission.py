"""`waste-edge commission` from its options, without a person."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.device.commission.pictures import picture, write_site
from tests.device.models.keys import make_keys, sign
from tests.device.replay.conftest import live_pictures
from tests.device.replay.test_compare import answered
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.signing import SIGNATURE_NAME
from waste_edge.device.models.store import ModelStore
from waste_edge.device.outbox.read_only import KeptItems
from waste_edge.engines.classifier import load_classifier
from waste_edge.site import site_of_labels

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
        (["--undo", "--page", ""], "--undo and --page exclude each other"),
        (["--undo", "--shots", "x"], "--undo and --shots exclude each other"),
        (["--undo", "--install"], "--undo and --install exclude each other"),
        (["--undo", "--no-install"], "--undo and --no-install exclude each other"),
        (["--undo", "--restart"], "--undo and --restart exclude each other"),
        (["--from-answers", "--shots", "x"], "--from-answers and --shots exclude each other"),
        (["--from-answers", "--source", "x"], "--from-answers and --source exclude each other"),
        (["--from-answers", "--camera", "x"], "--from-answers and --camera exclude each other"),
        (["--from-answers", "--show", "red"], "--from-answers and --show exclude each other"),
        (["--shots", "x", "--show", "red"], "--shots and --show exclude each other"),
        (["--shots", "x", "--source", "y"], "--shots and --source exclude each other"),
        (["--shots", "x", "--camera", "y"], "--shots and --camera exclude each other"),
        (["--out", "x", "--install"], "--out and --install exclude each other"),
        (["--no-install", "--despite"], "--no-install and --despite exclude each other"),
        (["--camera", "synthetic", "--page", "0.0.0.0"], "a token is required"),
        (["--camera", "synthetic", "--page", "http://here"], "expected HOST, PORT or HOST:PORT"),
    ],
)
def test_mistakes_are_said_in_one_line(waste_edge: Call, options: list[object], given: list[str], message: str) -> None:
    outcome = waste_edge(*options, *given)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1


def write_known(folder: Path) -> Path:
    """Things that the network names rightly as it was shipped: nothing can be gained."""
    for label, colour in (("red", "green"), ("blue", "red")):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(picture(colour, number)).save(folder / label / f"{number}.png")
    return folder


def lines(outcome: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_a_head_that_is_no_better_ends_with_2_only_where_it_was_asked_for(
    waste_edge: Call, options: list[object], tmp_path: Path
) -> None:
    assert waste_edge(*options, "--shots", write_known(tmp_path / "shots")).exit_code == 0
    assert waste_edge(*options, "--no-install").exit_code == 0
    for wish in (["--install"], ["--out", tmp_path / "out"]):
        refused = waste_edge(*options, *wish)
        assert (refused.exit_code, "not installed: the new head is" in refused.stderr) == (2, True)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "state" / "models").exists()


def test_despite_is_said_in_the_output_the_history_and_the_card(
    waste_edge: Call, options: list[object], tmp_path: Path
) -> None:
    said = "although it is not shown to be better (--despite)"
    done = waste_edge(*options, "--shots", write_known(tmp_path / "shots"), "--install", "--despite")
    assert done.exit_code == 0, done.stderr
    assert f"installed tiny-station 1.0.1 {said}" in done.stdout
    assert ModelStore(tmp_path / "state").history()[-1].reason.endswith(f"on items left out, {said}")
    (folder,) = (tmp_path / "state" / "models").glob("tiny-station-*")
    assert said in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    again = lines(waste_edge(*options, "--install", "--despite", "--json"))
    assert again[-1]["installed"]["despite"] is True
    assert said in again[-1]["text"]
    out = lines(waste_edge(*options, "--out", tmp_path / "out", "--despite", "--json"))
    assert (out[-1]["despite"], said in out[-1]["text"]) == (True, True)


def test_too_little_for_a_head_ends_with_2_where_one_was_asked_for(
    waste_edge: Call, options: list[object], tmp_path: Path
) -> None:
    done = waste_edge(*options, "--shots", write_site(tmp_path / "shots", 1), "--install")
    assert (done.exit_code, "nothing was fitted" in done.stderr) == (2, True)


def test_a_bundle_is_written_signed_and_nothing_is_installed(
    waste_edge: Call, options: list[object], tmp_path: Path
) -> None:
    keys = make_keys(tmp_path / "keys")
    config = tmp_path / "station.toml"
    config.write_text(f'require_key = "{keys.public}"\n', encoding="utf-8")
    sign(copied(Path(str(options[-1])), tmp_path / "tiny"), keys)
    given = [*options[:-1], tmp_path / "tiny", "--config", config, "--shots", write_site(tmp_path / "shots", 7)]
    without = waste_edge(*given, "--out", tmp_path / "out")
    assert (without.exit_code, "give its private key: --sign KEY" in without.stderr) == (2, True)
    done = waste_edge(*given, "--out", tmp_path / "out", "--sign", keys.private)
    assert done.exit_code == 0, done.stderr
    assert not (tmp_path / "state" / "models").exists()
    verified = waste_edge("verify", tmp_path / "out", "--require-key", keys.public)
    assert (verified.exit_code, "answers 21 items of its own as it did there" in verified.stdout) == (0, True)
    assert "its answers to 21 of these items" in waste_edge("inspect", tmp_path / "out").stdout
    (tmp_path / "out" / SIGNATURE_NAME).unlink()
    assert waste_edge("verify", tmp_path / "out", "--require-key", keys.public).exit_code == 2


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def test_restart_forgets_what_was_shown(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    waste_edge(*options, "--shots", write_site(tmp_path / "a", 2), "--no-install")
    kept = waste_edge(*options, "--shots", tmp_path / "a", "--no-install", "--json")
    assert [line["item"] for line in lines(kept) if line["event"] == "shot"] == [0] * 6, "near-copies of these"
    anew = waste_edge(*options, "--shots", tmp_path / "a", "--no-install", "--json", "--restart")
    assert [line["item"] for line in lines(anew) if line["event"] == "shot"] == [1, 2, 3, 4, 5, 6]


def test_answered_items_are_added_and_a_head_is_installed(
    waste_edge: Call, options: list[object], tiny_bundle: Path, tmp_path: Path
) -> None:
    state, labels = tmp_path / "state", ("red", "green", "blue")
    shown = [picture(label, number) for number in range(6) for label in labels]
    with open_bundle(tiny_bundle) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        live_pictures(state, load_classifier(bundle, "onnx"), site, shown)
    items = [item.id for item in KeptItems(state)]
    answered(state, {item: (labels[number % 3],) * 2 for number, item in enumerate(items)})
    done = waste_edge(*options, "--from-answers", "--install", "--json")
    assert done.exit_code == 0, done.stderr
    found = lines(done)
    taken = [line for line in found if line["event"] == "shot" and line["item"]]
    assert len(taken) >= 6, "some are alike to a network with three features"
    assert all(line["source"].startswith("answer ") for line in taken)
    assert f"{len(taken)} answered items added" in next(line["text"] for line in found if line["event"] == "state")
    assert found[-1]["installed"]["name"] == "tiny-station"
    again = waste_edge(*options, "--from-answers", "--no-install")
    assert "0 answered items added" in again.stdout


def test_a_film_is_not_named_without_a_camera(waste_edge: Call, options: list[object], tmp_path: Path) -> None:
    waste_edge(*options, "--shots", write_site(tmp_path / "a", 2), "--no-install")
    outcome = waste_edge(*options, "--show", "red")
    assert (outcome.exit_code, "no camera: give --camera" in outcome.stderr) == (2, True)


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
