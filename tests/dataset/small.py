"""Small data sets for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from waste_edge.dataset import Dataset, Photo


def make_folder(root: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (2, 2), (index, 0, 0)).save(root / label / f"{index:03}.png")
    return root


def imagined(seed: int) -> Dataset:
    """A data set without files: groups of 1 to 6 pictures, some of them with two labels."""
    generator = np.random.default_rng(seed)
    photos = []
    for group in range(int(generator.integers(30, 120))):
        label = generator.choice(["glass", "metal", "paper"], p=[0.6, 0.3, 0.1])
        for member in range(int(generator.integers(1, 7))):
            own = generator.choice(["glass", label], p=[0.1, 0.9])
            key = f"{own}/{group}-{member}.jpg"
            photos.append(Photo(Path(key), key, str(own), f"group:{group}"))
    return Dataset(Path(), ("glass", "metal", "paper"), tuple(photos), grouped=True)
