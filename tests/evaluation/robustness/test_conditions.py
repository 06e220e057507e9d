"""The same photograph under the same condition is the same picture, for whoever asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.robustness.shots import write_shots
from waste_edge.dataset import Dataset
from waste_edge.evaluation.robustness.conditions import CONDITIONS, Condition, Original, shown
from waste_edge.imaging.corruptions import CORRUPTIONS, STRENGTHS


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_shots(tmp_path_factory.mktemp("shots"))


def of(name: str, strength: int = 0) -> Condition:
    return next(one for one in CONDITIONS if (one.name, one.strength) == (name, strength))


def test_every_corruption_is_there_at_every_strength_and_clean_is_first() -> None:
    assert CONDITIONS[0][:2] == ("clean", 0)
    assert [one[:2] for one in CONDITIONS[1:-2]] == [(name, n) for name in CORRUPTIONS for n in STRENGTHS]
    assert [one[:2] for one in CONDITIONS[-2:]] == [("cut out", 0), ("background", 0)]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: f"{one.name} {one.strength}")
def test_a_picture_repeats_has_its_own_size_and_leaves_the_original(shots: Dataset, condition: Condition) -> None:
    photo = shots.photos[3]
    original = Original(photo)
    before = original.pixels.copy()
    first, again = shown(original, condition), shown(Original(photo), condition)
    assert first is not None
    assert again is not None
    assert (first.pixels().shape, first.pixels().dtype) == (before.shape, np.uint8)
    assert np.array_equal(first.pixels(), again.pixels())
    assert np.array_equal(first.pixels(), before) == (condition.name == "clean")
    assert np.array_equal(original.pixels, before)
    assert (first.key, first.label, first.group, first.path) == (photo.key, photo.label, photo.group, photo.path)


def test_chances_are_of_the_photograph_and_the_condition(shots: Dataset) -> None:
    photo = shots.photos[3]
    renamed = Original(replace(photo, key="elsewhere.png"))
    for name in ("noise", "rotation", "background"):
        condition = of(name, 1 if name in CORRUPTIONS else 0)
        one, two = shown(Original(photo), condition), shown(renamed, condition)
        assert one is not None
        assert two is not None
        assert not np.array_equal(one.pixels(), two.pixels())


def test_strengths_differ_in_nothing_but_strength(shots: Dataset) -> None:
    """The bar has one colour and lies across one place; it only grows."""
    for photo in shots.photos:
        original = Original(photo)
        bars = []
        for strength in STRENGTHS:
            made = shown(original, of("occlusion", strength))
            assert made is not None
            bars.append((made.pixels() != original.pixels).any(axis=2))
        assert bars[0].sum() < bars[1].sum() < bars[2].sum()
        assert (bars[0] & ~bars[2]).mean() < 0.01


def test_another_ground_keeps_the_item_and_needs_one(shots: Dataset) -> None:
    by_key = {photo.key: Original(photo) for photo in shots.photos}
    for name, least, most in (("cut out", 0, 8), ("background", 25, 255)):
        assert shown(by_key["jar/0.png"], of(name)) is None, "it fills its picture"
        assert shown(by_key["can/1.png"], of(name)) is None, "an empty board"
        apart = []
        for key in ("can/0.png", "can/3.png", "jar/1.png", "jar/2.png", "jar/3.png"):
            original = by_key[key]
            made = shown(original, of(name))
            assert made is not None
            height, width = original.pixels.shape[:2]
            middle = np.s_[height // 2 - 6 : height // 2 + 6, width // 2 - 6 : width // 2 + 6]
            assert np.abs(made.pixels()[middle].astype(int) - original.pixels[middle]).max() <= 1
            apart.append(np.abs(made.pixels()[:6].astype(int) - original.pixels[:6]).mean())
        assert least <= np.median(apart) <= most


def test_an_item_is_cut_out_once(shots: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from waste_edge.evaluation.robustness import conditions

    cut: list[int] = []
    cut_out = conditions.cut_out
    monkeypatch.setattr(conditions, "cut_out", lambda pixels: cut.append(1) or cut_out(pixels))
    original = Original(shots.photos[0])
    assert not cut
    for condition in CONDITIONS:
        shown(original, condition)
    assert len(cut) == 1
