"""Items as a station shows them: the same scenes for every view, and none of them the photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from waste_edge.dataset import Photo
from waste_edge.errors import DataError
from waste_edge.evaluation.rendered_pictures import Drawn
from waste_edge.evaluation.station_view import grounds_of, through_the_station
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import read_picture
from waste_edge.imaging.preprocess import View


def on_board(colour: tuple[int, int, int]) -> Pixels:
    pixels = np.random.default_rng(0).normal(205, 2, (256, 192, 3))
    pixels[60:200, 50:140] = colour
    return np.asarray(np.clip(pixels, 0, 255), np.uint8)


def photo(key: str, pixels: Pixels) -> Photo:
    return Drawn(None, key, "red", key, draw=lambda: pixels)


def test_an_item_is_shown_as_a_square_crop_that_it_fills() -> None:
    (shown,) = through_the_station(
        [photo("a", on_board((200, 40, 40)))], View(kind="item", margin=0.1), grounds_of(None)
    )
    crop = shown.pixels()
    assert crop.shape[0] == crop.shape[1]
    redder = crop[..., 0].astype(int) - crop[..., 1] > 60
    assert redder.mean() > 0.2
    assert (shown.pixels() == crop).all()


def test_a_bundle_of_whole_pictures_is_shown_the_whole_view() -> None:
    photos = [photo("a", on_board((200, 40, 40)))]
    (shown,) = through_the_station(photos, View(), grounds_of(None))
    assert shown.pixels().shape == (480, 640, 3)


def test_what_cannot_be_cut_out_is_left_out_and_nothing_left_is_an_error() -> None:
    bare = photo("bare", np.asarray(np.random.default_rng(1).normal(205, 2, (256, 192, 3)).clip(0, 255), np.uint8))
    good = photo("good", on_board((40, 60, 200)))
    shown = through_the_station([bare, good], View(kind="item"), grounds_of(None))
    assert [one.key for one in shown] == ["good"]
    with pytest.raises(DataError, match="none of 1 pictures"):
        through_the_station([bare], View(kind="item"), grounds_of(None))


def test_grounds_come_from_a_folder(tmp_path: Path) -> None:
    import cv2

    green = np.zeros((120, 160, 3), np.uint8)
    green[..., 1] = 180
    cv2.imwrite(str(tmp_path / "green.png"), green)
    assert read_picture(tmp_path / "green.png")[0, 0, 1] == 180
    grounds = grounds_of(tmp_path)
    assert grounds.in_words == f"1 pictures of surfaces in {tmp_path.name}"
    (shown,) = through_the_station([photo("a", on_board((200, 40, 40)))], View(), grounds)
    corner = shown.pixels()[:20, :20].reshape(-1, 3).mean(axis=0)
    assert corner[1] > 100 > max(corner[0], corner[2])
    with pytest.raises(DataError, match="bare surfaces"):
        grounds_of(tmp_path / "nothing")
