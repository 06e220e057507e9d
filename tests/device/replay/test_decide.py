"""What was decided live and what is decided again from what was kept of it: the same, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.conftest import sha256_of
from tests.device.replay.conftest import in_random_order, live, live_pictures
from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.device.config import StationConfig
from waste_edge.device.outbox.read_only import KeptItems
from waste_edge.device.replay.decide import (
    APART,
    NOT_KEPT,
    OTHER_NETWORK,
    OTHER_VIEW,
    NotReplayedError,
    Replay,
    bundle_that_answered,
    require_same_network,
)
from waste_edge.engines.classifier import load_classifier
from waste_edge.errors import DataError
from waste_edge.evaluation.station_view import grounds_of
from waste_edge.imaging.preprocess import Region
from waste_edge.item.compose import SceneRanges
from waste_edge.rehearsal.film import ComposedVideo, Video
from waste_edge.rehearsal.items import rendered, rendered_unknown
from waste_edge.site import Site, site_of_labels

LABELS = ("red", "green", "blue")


def films(known: int, unknown: int, labels: list[str]) -> list[Video]:
    scenery = SceneRanges(width_px=320, height_px=240, noise=(0.5, 1.5), jpeg=None)
    things = in_random_order(rendered(labels, known, 3), rendered_unknown(unknown, 3))
    grounds = grounds_of(None)
    half = len(things) // 2
    return [
        ComposedVideo(
            str(number), grounds.ground(np.random.default_rng(number), 320, 240)[1], part, [9, number], scenery
        )
        for number, part in enumerate((things[:half], things[half:]))
    ]


def asking_site(labels: list[str]) -> Site:
    streams = {label: "blue" if label in ("cardboard", "paper") else label for label in labels}
    return Site(name="asks", residual="rest", streams=streams, ask=0.2, costs={"blue": {"glass": 5.0}})


def check_same(state: Path, bundle: Bundle, site: Site) -> int:
    """Check every item against its event; returns how many labels and actions there were."""
    replay, found = Replay(bundle, site), set()
    items = list(KeptItems(state))
    for item in items:
        redone = replay.redo(item)
        assert redone.after == redone.before, item.id
        found.add((redone.after.label, redone.after.action))
    return len(found)


@pytest.mark.parametrize(
    ("name", "known", "unknown"), [("small", 18, 8), pytest.param("accurate", 72, 36, marks=pytest.mark.long)]
)
def test_a_rehearsal_of_dozens_replayed_is_the_live_one_to_the_bit(
    tmp_path: Path, name: str, known: int, unknown: int
) -> None:
    with open_bundle(find_bundle(name)) as bundle:
        labels = bundle.manifest.labels
        site = asking_site(labels)
        events = live(tmp_path, load_classifier(bundle), site, films(known, unknown, labels))
        kinds = check_same(tmp_path, bundle, site)
    assert len(events) >= 0.9 * (known + unknown)
    assert kinds >= 4, "sorted, unknown and asked ones are among them"
    told = [item.record.event["decision"]["reason"] for item in KeptItems(tmp_path)]
    assert told == [event.decision.reason for event in events]


# --- pictures of colours through a bundle that names them ----------------------------------------------------


def redo_all(state: Path, bundle: Path, site: Site) -> list[str]:
    """The stream of each item, or why it has none."""
    found = []
    with open_bundle(bundle) as opened:
        replay = Replay(opened, site)
        for item in KeptItems(state):
            try:
                found.append(replay.redo(item).after.stream)
            except NotReplayedError as reason:
                found.append(str(reason))
    return found


def test_pictures_are_replayed_as_they_were_decided(state: Path, tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle) as bundle:
        assert check_same(state, bundle, site_of_labels(bundle.manifest.labels)) >= 3


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_another_calibration_decides_as_it_would_have_live(
    state: Path,
    bundle_copy: Path,
    edit_manifest: Callable[..., None],
    pictures: list[Any],
    tmp_path: Path,
    temperature: float,
) -> None:
    edit_manifest(bundle_copy, "calibration.temperature", temperature)
    edit_manifest(bundle_copy, "calibration.min_known_score", 0.5)
    with open_bundle(bundle_copy) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        events = live_pictures(tmp_path / "other", load_classifier(bundle, "onnx"), site, pictures)
        replay = Replay(bundle, site)
        redone = [replay.redo(item) for item in KeptItems(state)]
    assert [one.after for one in redone] == [event.decision for event in events]
    assert any(one.after.stream != one.before.stream for one in redone)


def test_a_learnt_known_score_decides_as_it_would_have_live(
    state: Path, bundle_copy: Path, give_known_score: Callable[..., None], pictures: list[Any], tmp_path: Path
) -> None:
    give_known_score(bundle_copy, "linear_unit", 0.3, weights=[1.0, 0.0, 0.2], bias=0.0)
    with open_bundle(bundle_copy) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        events = live_pictures(tmp_path / "other", load_classifier(bundle, "onnx"), site, pictures)
        replay = Replay(bundle, site)
        assert [replay.redo(item).after for item in KeptItems(state)] == [event.decision for event in events]


def give_head(bundle: Path, edit_manifest: Callable[..., None]) -> None:
    """Give a bundle the head of a station that learnt a fourth label."""
    rng = np.random.default_rng(8)
    arrays = {"carry": rng.normal(0, 1, (3, 4)), "weights": rng.normal(0, 3, (3, 4)), "bias": rng.normal(0, 1, 4)}
    path = bundle / "head.npz"
    np.savez(path, **{key: value.astype(np.float32) for key, value in arrays.items()})
    labels = json.loads((bundle / MANIFEST_NAME).read_text())["labels"]
    one = {"value": 0.5, "low": 0.4, "high": 0.6}
    head = {
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "network_labels": labels,
        "site": "bin 1",
        "created": "2026-03-01T00:00:00+00:00",
        "parent": "tiny 1.0",
        "parent_digest": "0" * 64,
        "items": dict.fromkeys([*labels, "grey"], 3),
        "shots": 12,
        "strangers": 0,
        "assessment": assessment(one),
    }
    edit_manifest(bundle, "labels", [*labels, "grey"])
    edit_manifest(bundle, "head", head)


def assessment(one: dict[str, float]) -> dict[str, Any]:
    return {"items": 12, "shots": 12, "accuracy": one, "shipped": one, "gain": one, "p_value": 0.01, "labels": []}


def test_a_head_fitted_on_the_device_is_replayed_as_it_would_have_been_live(
    state: Path, bundle_copy: Path, edit_manifest: Callable[..., None], pictures: list[Any], tmp_path: Path
) -> None:
    give_head(bundle_copy, edit_manifest)
    edit_manifest(bundle_copy, "calibration.min_known_score", -10.0)
    with open_bundle(bundle_copy) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        events = live_pictures(tmp_path / "other", load_classifier(bundle, "onnx"), site, pictures)
        replay = Replay(bundle, site)
        redone = [replay.redo(item).after for item in KeptItems(state)]
        again = [replay.redo(item) for item in KeptItems(tmp_path / "other")]
    assert redone == [event.decision for event in events]
    assert len({decision.label for decision in redone}) >= 3
    assert all(one.after == one.before for one in again), "what was kept is the network's own, not the head's"


def test_a_site_with_other_streams_and_costs_decides_from_what_was_kept(state: Path, tiny_bundle: Path) -> None:
    labels = LABELS
    one_bin = redo_all(state, tiny_bundle, Site(name="s", residual="rest", streams=dict.fromkeys(labels, "bin")))
    assert set(one_bin) == {"bin", "rest"}
    plain = redo_all(state, tiny_bundle, site_of_labels(labels))
    dear = Site(name="dear", residual="rest", streams={x: x for x in labels}, ask=0.0)
    assert "ask" in redo_all(state, tiny_bundle, dear)
    assert "ask" not in plain


def test_what_cannot_be_told_is_not_guessed(
    state: Path, tiny_bundle: Path, bundle_copy: Path, replace_file: Callable[..., None]
) -> None:
    labels = LABELS
    turned = msgspec.structs.replace(site_of_labels(labels), rotate=90)
    part = msgspec.structs.replace(site_of_labels(labels), region=Region(left=0.1, top=0.0, right=1.0, bottom=1.0))
    for site in (turned, part):
        assert set(redo_all(state, tiny_bundle, site)) == {OTHER_VIEW}
    (state / "features.sqlite").unlink()
    assert set(redo_all(state, tiny_bundle, site_of_labels(labels))) == {NOT_KEPT}


def test_another_network_cannot_be_replayed_and_the_remedy_is_named(
    state: Path, bundle_copy: Path, replace_file: Callable[..., None]
) -> None:
    for name in ("onnx-fp32", "onnx-int8"):
        replace_file(bundle_copy, f"artifacts.{name}", (bundle_copy / f"{name}.onnx").read_bytes() + b" ")
    assert set(redo_all(state, bundle_copy, site_of_labels(LABELS))) == {OTHER_NETWORK}
    with open_bundle(bundle_copy) as bundle:
        replay, models = Replay(bundle, site_of_labels(bundle.manifest.labels)), KeptItems(state).models()
        assert [model.title for model in models] == ["tiny 1.0"]
        with pytest.raises(DataError, match=r"other network files .*tiny 1.0, onnx-int8.*waste-edge model install"):
            require_same_network(replay, models)
        require_same_network(replay, [])


def test_things_that_lay_apart_are_replayed_only_if_the_network_was_asked(state: Path, tiny_bundle: Path) -> None:
    largest = msgspec.structs.replace(site_of_labels(LABELS), several="largest")
    item = next(iter(KeptItems(state)))
    event = {**item.record.event, "visibility": "several"}
    apart = replace(item, record=replace(item.record, event=event))
    with open_bundle(tiny_bundle) as bundle:
        with pytest.raises(NotReplayedError, match=APART):
            Replay(bundle, largest).redo(apart)
        residual = Replay(bundle, site_of_labels(LABELS)).redo(apart).after
    assert (residual.action, residual.label) == ("residual", "unknown")
    assert "1 things lie apart" in residual.reason


def test_the_bundle_that_decided_is_found_by_its_digest(state: Path, bundle_copy: Path, tiny_bundle: Path) -> None:
    model = KeptItems(state).models()[-1]
    config = StationConfig(bundle=str(tiny_bundle))
    with bundle_that_answered(model, state, config, None) as found:
        assert found.digest == model.bundle
    with pytest.raises(DataError, match=r"tiny 1\.0, which decided last at this station, is not on this machine"):
        bundle_that_answered(model, state, None, None)
    with pytest.raises(DataError, match="no item's features are kept"):
        bundle_that_answered(None, state, config, None)
