from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.dataset import Photo
from waste_edge.dataset.near_duplicates import find_copies, refuse_copies
from waste_edge.errors import DataError
from waste_edge.rendering.scene import render_view


def scene(seed: int) -> Image.Image:
    return Image.fromarray(render_view("glass", np.random.default_rng(seed), 96, 96))


def photos(folder: Path, *names: str) -> list[Photo]:
    return [Photo(folder / name, name, "glass", name) for name in names]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[list[Photo], list[Photo]]:
    """Twelve scenes that teach and twelve that judge, two of these planted: one compressed again, one halved."""
    for seed in range(24):
        scene(seed).save(tmp_path / f"{seed}.png")
    scene(3).save(tmp_path / "20.jpg", quality=50)
    scene(5).resize((48, 48)).save(tmp_path / "21.png")
    teach = photos(tmp_path, *(f"{seed}.png" for seed in range(12)))
    return teach, photos(tmp_path, *(f"{seed}.png" for seed in range(12, 20)), "20.jpg", "21.png", "22.png", "23.png")


def test_planted_copies_are_found_and_nothing_else(sides: tuple[list[Photo], list[Photo]]) -> None:
    calls: list[tuple[int, int]] = []
    found = find_copies(*sides, lambda done, total: calls.append((done, total)))
    assert [(copy.taught.key, copy.judged.key) for copy in found] == [("3.png", "20.jpg"), ("5.png", "21.png")]
    assert calls == [(n, 24) for n in range(1, 25)]


def test_copies_are_refused_with_both_names_and_the_remedy(sides: tuple[list[Photo], list[Photo]]) -> None:
    with pytest.raises(DataError) as refused:
        refuse_copies(find_copies(*sides), "take one away")
    message = str(refused.value)
    for name in ("20.jpg", "3.png", "21.png", "5.png", "take one away"):
        assert name in message
    refuse_copies([], "nothing")


def test_many_copies_are_counted_and_few_named(sides: tuple[list[Photo], list[Photo]]) -> None:
    with pytest.raises(DataError, match="and 7 more"):
        refuse_copies(find_copies(sides[0], sides[0]), "take one away")


def test_a_side_without_pictures_has_no_copies(sides: tuple[list[Photo], list[Photo]]) -> None:
    assert find_copies(sides[0], [Photo(None, "row 1", "glass", "row 1", "a jar")]) == []
