"""A station that names colours, and things of one colour to lay before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from waste_edge.bundle.bundle import open_bundle
from waste_edge.engines.classifier import load_classifier
from waste_edge.evaluation.station_view import grounds_of
from waste_edge.imaging.frames import Pixels
from waste_edge.item.compose import SceneRanges, Sprite
from waste_edge.rehearsal.items import ItemCandidate
from waste_edge.rehearsal.rehearse import FilmPlan, RehearsedStation
from waste_edge.site import site_of_labels

COLOURS = {"blue": (30, 30, 220), "green": (30, 220, 30), "red": (220, 30, 30)}
SMALL = SceneRanges(width_px=320, height_px=240, noise=(0.5, 1.5), jpeg=(85, 95))


def plate(colour: tuple[int, int, int]) -> Sprite:
    return np.asarray(np.full((60, 80, 4), (*colour, 255)), np.uint8)


def coloured(label: str, colour: tuple[int, int, int], count: int) -> list[ItemCandidate]:
    return [ItemCandidate(label, f"{label} {n // 2}", f"{label} {n}", lambda: plate(colour)) for n in range(count)]


def grey_ground() -> Pixels:
    """A ground without colour: the network names the mean colour of all that it is shown."""
    grain = np.random.default_rng(5).normal(105, 4, (240, 320, 1)).repeat(3, axis=2)
    return np.asarray(np.clip(grain, 0, 255), np.uint8)


@pytest.fixture
def station(bundle_copy: Path, edit_manifest: Callable[[Path, str, Any], None]) -> Iterator[RehearsedStation]:
    edit_manifest(bundle_copy, "input.view", {"kind": "item", "margin": 0.0, "surround": "keep"})
    edit_manifest(bundle_copy, "calibration.min_known_score", 0.2)
    with open_bundle(bundle_copy) as bundle:
        classifier = load_classifier(bundle, "onnx")
        yield RehearsedStation(classifier, site_of_labels(classifier.labels), 2)


@pytest.fixture
def plan(tmp_path: Path) -> FilmPlan:
    folder = tmp_path / "grounds"
    folder.mkdir()
    cv2.imwrite(str(folder / "grey.png"), grey_ground())
    known = [one for label, colour in COLOURS.items() for one in coloured(label, colour, 4)]
    return FilmPlan(
        known=known,
        known_in_words="plates",
        unknown=coloured("unknown", (60, 60, 60), 3),
        unknown_in_words="grey plates",
        grounds=grounds_of(folder),
        items=6,
        unknown_items=2,
        items_per_video=4,
        seed=3,
        scenery=SMALL,
    )
