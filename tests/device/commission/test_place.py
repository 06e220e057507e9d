"""The view before anything is shown, and the region that items came up in."""

from __future__ import annotations

import cv2
import numpy as np

from waste_edge.device.commission.place import LEAST_FRAMES, PlaceCheck, PlaceReport, propose_region
from waste_edge.device.commission.records import Shot
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region


def tray(seed: int = 0) -> Pixels:
    generator = np.random.default_rng(1)
    patches = generator.choice((50, 200), (6, 8, 1)).repeat(40, axis=0).repeat(40, axis=1).repeat(3, axis=2)
    noise = np.random.default_rng(seed).normal(0, 1.5, patches.shape)
    return np.asarray((patches + noise).clip(0, 255), np.uint8)


def seen(*frames: Pixels) -> PlaceReport:
    check = PlaceCheck()
    for frame in frames:
        check.see(frame)
    assert check.is_enough == (len(frames) >= LEAST_FRAMES)
    return check.report()


def test_a_still_sharp_view_is_in_order() -> None:
    report = seen(*(tray(seed) for seed in range(10)))
    assert report.problems == []
    assert (report.frames, report.moving) == (10, 0.0)


def test_dark_blurred_and_moving_views_are_refused_with_the_remedy() -> None:
    dark = [(tray(seed) // 20).astype(np.uint8) for seed in range(8)]
    assert "switch on the light" in seen(*dark).problems[0]
    soft = [np.asarray(cv2.GaussianBlur(tray(seed), (0, 0), 8), np.uint8) for seed in range(8)]
    assert "focus the camera" in seen(*soft).problems[0]
    moving = [np.roll(tray(seed), 25 * seed, axis=1) for seed in range(8)]
    assert "moves all the time" in seen(*moving).problems[0]
    assert "no frame" in seen().problems[0]


def shot(item: int, *box: float) -> Shot:
    return Shot(item=item, label="red", source="", logits="", features="", box=box)


def test_a_region_is_proposed_once_items_came_up_in_a_part_of_the_view() -> None:
    shots = [shot(item, 0.3 + item / 100, 0.4, 0.5, 0.6) for item in range(5)]
    assert propose_region(shots) == Region(left=0.22, top=0.32, right=0.58, bottom=0.68)
    assert propose_region(shots[:4]) is None, "too few"
    assert propose_region([*shots, shot(9, 0.0, 0.0, 1.0, 0.9)]) is None, "nearly all of it"
    assert propose_region([shot(item) for item in range(9)]) is None, "pictures lie nowhere"
