"""Pictures of a site whose colours mean something else than to the tiny bundle, with enough drawing to be sharp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from waste_edge.imaging.frames import Pixels

COLOURS = {"red": (40, 40, 220), "green": (220, 40, 40), "blue": (40, 220, 40)}  # each is another one's, to the network
SHIFT = 40


def picture(label: str, seed: int, size_px: int = 64) -> Pixels:
    """A patchwork of one colour, lighter and darker, of another drawing for each seed."""
    generator = np.random.default_rng([seed, len(label)])
    patches = generator.choice((-1.0, 1.0), size=(size_px // 4, size_px // 4)).repeat(4, axis=0).repeat(4, axis=1)
    base = np.array(COLOURS.get(label, (128, 128, 128)), float) + generator.normal(0, 6, 3)
    return np.asarray((base + SHIFT * patches[..., None]).clip(0, 255), np.uint8)


def write_site(folder: Path, items: int, labels: tuple[str, ...] = tuple(COLOURS)) -> Path:
    """A folder of shots: so many items of each label."""
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(items):
            Image.fromarray(picture(label, number)).save(folder / label / f"{number:02}.png")
    return folder
