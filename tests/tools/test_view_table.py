"""The table of whole view against item's crop, from the first picture to the last cell."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tools import view_table
from waste_edge.errors import DataError
from waste_edge.item import Ground, find_item


def pictures(count: int) -> list[np.ndarray]:
    """A grey scene with a red square that lies elsewhere each time."""
    shown = []
    for number in range(count):
        picture = np.full((120, 160, 3), 110, np.uint8)
        picture[20:60, 20 + 30 * number : 50 + 30 * number] = (200, 20, 20)
        shown.append(picture)
    return shown


def test_the_median_over_pictures_in_which_the_item_moves_is_the_empty_scene() -> None:
    scene = view_table.median_scene(pictures(4) + pictures(4)[::-1])
    assert scene.shape == (120, 160, 3)
    region = find_item(pictures(4)[1], Ground(np.full((120, 160, 3), 110, np.uint8)))
    assert region is not None
    odd = view_table.median_scene([*pictures(4), np.full((120, 160, 3), 110, np.uint8)])
    assert np.array_equal(odd, np.full((120, 160, 3), 110, np.uint8))


def test_pictures_of_several_sizes_are_of_no_fixed_camera() -> None:
    with pytest.raises(DataError, match="one size"):
        view_table.median_scene([*pictures(2), np.zeros((10, 10, 3), np.uint8)])


def test_both_tables_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ("glass", "paper")
    board = np.full((150, 200, 3), (190, 197, 203), np.uint8)
    rows = ["file,label,source,licence,group"]
    for index, label in enumerate(labels * 3):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True, exist_ok=True)
        picture = board.copy()
        picture[40:110, 60:140] = (40, 60 + 20 * index, 140)
        cv2.imwrite(str(folder / f"{index}.png"), picture)
        camera = tmp_path / "bin" / label
        camera.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(camera / f"{index}.png"), pictures(6)[index % 4])
        rows.append(f"bin/{label}/{index}.png,{label},bin,MIT,{index}")
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    view_table.main(
        ["small", "--data", str(tmp_path / "photos"), "--domains", str(tmp_path / "rows.csv"), "--fixed-camera", "bin"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("| small") for line in lines) == 2
    assert sum("margin 10%, plain" in line for line in lines) == 2
    assert any("| bin |" in line for line in lines)
