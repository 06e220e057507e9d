"""What the tests of `run` share: pictures, and two colours that the tiny bundle knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

RED, GREEN = (220, 30, 30), (30, 220, 30)


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(4):
        Image.new("RGB", (40, 30), (RED, GREEN)[index % 2]).save(folder / f"{index}.png")
    return folder
