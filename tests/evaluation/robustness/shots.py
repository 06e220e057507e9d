"""Photographs of coloured squares on a poster board, and callables that stand for models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from waste_edge.dataset import Dataset, Photo, open_dataset
from waste_edge.evaluation.evaluate import Outputs, Progress
from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.scene import Background, compose, paint_background

LABELS = ("can", "jar")
COLOURS = {"can": (190, 40, 30), "jar": (30, 60, 170)}


def write_shots(folder: Path, each: int = 4, empty: bool = True) -> Dataset:
    """So many pictures of each label, two a group; `jar/0` shows nothing but the item, if `empty` one more no item."""
    lines = ["file,group"]
    for row, label in enumerate(LABELS):
        (folder / "images" / label).mkdir(parents=True)
        sprite = np.zeros((120, 120, 4), np.uint8)
        sprite[10:110, 10:110] = (*COLOURS[label], 255)
        for index in range(each):
            rng = np.random.default_rng([row, index])
            view = paint_background(Background.POSTER, rng, 150 + 10 * index, 200)
            if (label, index) == ("jar", 0):
                view[:] = np.clip(np.array(COLOURS[label]) + rng.normal(0, 8, view.shape), 0, 255)
            elif not empty or (label, index) != ("can", 1):
                view = compose(view, sprite, (0.5, 0.5), 0.6, 25.0 * index, rng)
            name = f"{label}/{index}.png"
            Image.fromarray(view).save(folder / "images" / name)
            lines.append(f"{name},{label}-{index // 2}")
    (folder / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return open_dataset(folder)


@dataclass
class Said:
    """A model that is a function: what it is told to answer, and what it was shown."""

    answer: Callable[[Photo, Pixels], str]
    name: str = "said"
    role: str = "run"
    engine: str = "Python"
    labels: tuple[str, ...] = LABELS
    seen: list[tuple[str, Pixels]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def predict(self, photos: Sequence[Photo], progress: Progress) -> Outputs:
        self.asked.append(len(photos))
        logits = np.zeros((len(photos), len(self.labels)), np.float32)
        for row, photo in enumerate(photos):
            pixels = photo.pixels()
            self.seen.append((photo.key, pixels.copy()))
            logits[row, self.labels.index(self.answer(photo, pixels))] = 1.0
        return Outputs(logits, logits)


def right(photo: Photo, pixels: Pixels) -> str:
    """Always the truth."""
    return photo.label


def other(label: str) -> str:
    return LABELS[1 - LABELS.index(label)]
