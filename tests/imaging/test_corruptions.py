"""What may happen to a picture: repeatable, and worse the stronger it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from waste_edge.imaging.corruptions import CORRUPTIONS, STRENGTHS, bad_camera
from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.items.sprites import ITEM_LABELS
from waste_edge.rendering.scene import render_view

VIEWS = [render_view(label, np.random.default_rng(index), 96, 72) for index, label in enumerate(ITEM_LABELS)]


def changed(name: str, strength: float, pixels: Pixels, seed: int = 0) -> Pixels:
    return CORRUPTIONS[name](pixels, strength, np.random.default_rng(seed))


def distance(name: str, strength: float) -> float:
    """Mean difference from the original over several views and seeds."""
    apart = [
        np.abs(changed(name, strength, view, seed).astype(int) - view).mean() for view in VIEWS for seed in range(6)
    ]
    return float(np.mean(apart))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_chances_make_the_same_picture_and_the_original_stays(name: str) -> None:
    before = VIEWS[2].copy()
    first, again, other = (changed(name, 2, VIEWS[2], seed) for seed in (3, 3, 4))
    assert (first.shape, first.dtype) == (before.shape, np.uint8)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(VIEWS[2], before)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (25, 24)])
def test_pictures_of_any_size_can_be_changed(name: str, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for strength in (0.3, *STRENGTHS):
        made = changed(name, strength, picture)
        assert (made.shape, made.dtype) == (picture.shape, np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_stronger_is_further_from_the_original(name: str) -> None:
    # Weaker than the weakest too: training draws strengths from a range.
    apart = [distance(name, strength) for strength in (0.4, *STRENGTHS)]
    assert apart[0] > 0
    assert all(more > 1.05 * less for less, more in pairwise(apart)), apart


def test_blur_takes_the_detail_and_leaves_the_brightness() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    for seed in range(6):  # both kinds: out of focus, and moved
        soft = changed("blur", 3, noise, seed).astype(float)
        assert soft.mean() == pytest.approx(noise.mean(), abs=2)
        assert soft.std() < 0.8 * noise.std()


@pytest.mark.parametrize("strength", [0.4, *STRENGTHS])
def test_blur_shifts_nothing(strength: float) -> None:
    dot = np.zeros((121, 121, 3), np.uint8)
    dot[50:71, 50:71] = 255
    for seed in range(8):
        weight = changed("blur", strength, dot, seed)[..., 0].astype(float)
        rows, columns = np.mgrid[0:121, 0:121]
        assert weight.sum() == pytest.approx(21 * 21 * 255, rel=0.01)
        assert (weight * columns).sum() / weight.sum() == pytest.approx(60, abs=0.05)
        assert (weight * rows).sum() / weight.sum() == pytest.approx(60, abs=0.05)


def test_light_goes_where_it_says() -> None:
    grey = np.full((60, 60, 3), 100, np.uint8)
    for seed in range(6):
        levels = [changed("dark", strength, grey, seed).mean() for strength in STRENGTHS]
        assert 100 > levels[0] > levels[1] > levels[2]
        assert 22 < levels[2] < 45, "about a third of the light is left"
        bright = changed("overexposed", 3, grey, seed)
        assert 170 <= bright.min() == bright.max() <= 190
        assert changed("overexposed", 3, np.full_like(grey, 200), seed).min() == 255


def test_a_wrong_white_balance_moves_red_against_blue() -> None:
    grey = np.full((4, 4, 3), 100, np.uint8)
    casts = [changed("white balance", 3, grey, seed)[0, 0].astype(int) for seed in range(20)]
    assert all(abs((cast[0] - 100) + (cast[2] - 100)) <= 1 for cast in casts)
    warmths = [cast[0] - cast[2] for cast in casts]
    assert min(warmths) < -20
    assert max(warmths) > 20


def test_noise_is_unbiased_and_grows_with_brightness() -> None:
    grey, dark = (np.full((90, 90, 3), level, np.uint8) for level in (120, 40))
    noisy = changed("noise", 1, grey).astype(float)
    assert noisy.mean() == pytest.approx(120, abs=0.5)
    assert 8 < noisy.std() < 13
    assert changed("noise", 1, dark).astype(float).std() < 0.85 * noisy.std()


def test_rotation_turns_by_the_promised_angle_round_the_middle() -> None:
    picture = np.zeros((101, 101, 3), np.uint8)
    picture[47:54, 67:74] = 255  # 20 pixels to the right of the middle, too near it to be mirrored in a corner
    for strength in STRENGTHS:
        for seed in range(4):
            rows, columns = np.nonzero(changed("rotation", strength, picture, seed)[..., 0] > 128)
            y, x = rows.mean() - 50, columns.mean() - 50
            assert np.hypot(x, y) == pytest.approx(20, abs=1)
            assert 15 * strength - 3 <= abs(np.degrees(np.arctan2(y, x))) <= 30 * strength + 3


@pytest.mark.parametrize("strength", STRENGTHS)
def test_occlusion_covers_a_bar_of_one_colour_and_nothing_else(strength: int) -> None:
    blank = np.full((100, 100, 3), 127, np.uint8)
    shares = []
    for seed in range(12):
        made = changed("occlusion", strength, blank, seed)
        covered = (made != 127).any(axis=2)
        assert len(np.unique(made[covered], axis=0)) == 1
        shares.append(covered.mean())
    assert 0.08 * strength < np.mean(shares) < 0.13 * strength


def test_a_bad_camera_always_has_a_fault_and_never_another_one_for_the_same_chances() -> None:
    made = [bad_camera(VIEWS[0], np.random.default_rng(seed)) for seed in range(30)]
    again = [bad_camera(VIEWS[0], np.random.default_rng(seed)) for seed in range(30)]
    assert all(np.array_equal(first, second) for first, second in zip(made, again, strict=True))
    assert not any(np.array_equal(one, VIEWS[0]) for one in made)
    assert all(one.shape == VIEWS[0].shape for one in made)


def test_a_bad_camera_neither_turns_nor_hides_the_item(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()

    def spy(name: str) -> None:
        plain = CORRUPTIONS[name]
        monkeypatch.setitem(
            CORRUPTIONS, name, lambda pixels, strength, rng: (used.add(name), plain(pixels, strength, rng))[1]
        )

    for name in list(CORRUPTIONS):
        spy(name)
    for seed in range(60):
        bad_camera(VIEWS[0], np.random.default_rng(seed))
    assert used == set(CORRUPTIONS) - {"rotation", "occlusion"}
