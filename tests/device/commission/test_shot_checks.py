"""Shots that are refused, each with its reason; and good ones that are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from waste_edge.device.commission.shot_checks import (
    LEAST_SHARPNESS,
    cut_box,
    hash_of,
    near_duplicate,
    refuse_shot,
    sharpness,
)
from waste_edge.device.vision.inspection import ItemView, Visibility
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region
from waste_edge.item import ItemRegion
from waste_edge.rendering.scene import render_view


def rendered(label: str, seed: int = 0) -> Pixels:
    return render_view(label, np.random.default_rng(seed), 320, 240)


def bits(text: str) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8)).astype(bool)


@pytest.mark.parametrize("label", ["glass", "metal", "paper", "plastic", "cardboard"])
def test_a_good_shot_is_taken(label: str) -> None:
    assert refuse_shot(rendered(label), None) == ""


def test_blurred_dark_and_empty_ones_are_not() -> None:
    good = rendered("metal")
    blurred = np.asarray(cv2.GaussianBlur(good, (0, 0), 6), np.uint8)
    assert "blurred" in refuse_shot(blurred, None)
    assert "too dark" in refuse_shot((good // 16).astype(np.uint8), None)
    assert "empty" in refuse_shot(np.full((100, 100, 3), 200, np.uint8), None)


@pytest.mark.parametrize("side_px", [96, 224, 640])
def test_sharpness_is_that_of_what_the_network_sees(side_px: int) -> None:
    good = np.asarray(
        cv2.resize(render_view("metal", np.random.default_rng(2), 640, 640), (side_px, side_px)), np.uint8
    )
    soft = np.asarray(cv2.GaussianBlur(good, (0, 0), 3 * max(1, side_px / 224)), np.uint8)
    assert sharpness(soft) < LEAST_SHARPNESS < sharpness(good)


@pytest.mark.parametrize(
    ("visibility", "reason"),
    [(Visibility.PARTLY, "partly in view"), (Visibility.SMALL, "too small"), (Visibility.SEVERAL, "one at a time")],
)
def test_what_the_eye_does_not_see_well_is_refused(visibility: Visibility, reason: str) -> None:
    region = ItemRegion(Region(left=0, top=0, right=1, bottom=1), np.ones((4, 4), bool), 1.0, True, ())
    view = ItemView(region, region.box, visibility, rendered("glass"))
    assert reason in refuse_shot(rendered("glass"), view)


def test_a_near_copy_is_found_and_another_item_is_none() -> None:
    first = rendered("glass", 1)
    kept = {7: bits(hash_of(first))}
    brighter = np.asarray(np.clip(first.astype(float) * 1.1, 0, 255), np.uint8)
    assert near_duplicate(hash_of(brighter), kept) == 7
    assert near_duplicate(hash_of(rendered("paper", 2)), kept) is None
    assert near_duplicate(hash_of(np.full((50, 50, 3), 90, np.uint8)), kept) is None, "a plain one is like no other"


def test_a_box_is_cut_inside_the_frame() -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    assert cut_box(frame, Region(left=0.5, top=0.5, right=1.0, bottom=1.0)).shape == (20, 30, 3)
    assert cut_box(frame, Region(left=0.999, top=0.999, right=1.0, bottom=1.0)).shape == (8, 8, 3)
