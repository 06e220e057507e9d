"""Under which conditions a photograph is shown: as it is, corrupted, on another ground; to every model alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import cv2
import numpy as np

from waste_edge.dataset import Photo
from waste_edge.imaging.corruptions import CORRUPTIONS, STRENGTHS
from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.cutouts import Cutout, change_ground, cut_out
from waste_edge.rendering.textures import paint_texture

Rng = np.random.Generator
CLEAN, CUT_OUT, BACKGROUND = "clean", "cut out", "background"
_PAINTED_PX = 512  # longer side at which a ground is painted: it takes long, and is soft anyway


@dataclass(frozen=True)
class Shown(Photo):
    """A photograph in memory, as some condition shows it; its key, label and group are the original's."""

    seen: Pixels | None = field(default=None, compare=False)

    def pixels(self) -> Pixels:
        assert self.seen is not None
        return self.seen


class Original:
    """A photograph, read once; its item is cut out once, and only if somebody asks."""

    def __init__(self, photo: Photo) -> None:
        self.photo, self.pixels = photo, photo.pixels()

    @cached_property
    def item(self) -> Cutout | None:
        """Cutout of the item on its board; None if it cannot be cut out, or fills the picture."""
        found = cut_out(self.pixels)
        return found if found is not None and found.board is not None else None


class Condition(NamedTuple):
    """One way to show a photograph.

    Attributes:
        name: the corruption's or the change's.
        strength: 1 to 3; 0 where there are no strengths.
        show: gives the changed pixels at the photograph's own size, or None where it cannot.
    """

    name: str
    strength: int
    show: Callable[[Original, Rng], Pixels | None]


def shown(original: Original, condition: Condition) -> Shown | None:
    """The photograph under a condition, the same each time: chances are of its key and the condition's name alone.

    So the strengths of a corruption share their chances too (the noise, the angle, the bar), and differ in nothing
    but strength.
    """
    photo = original.photo
    digest = hashlib.sha256(f"{photo.key}\0{condition.name}".encode()).digest()
    seen = condition.show(original, np.random.default_rng(int.from_bytes(digest[:8], "little")))
    if seen is None:
        return None
    return Shown(photo.path, photo.key, photo.label, photo.group, photo.text, photo.part, seen)


def _clean(original: Original, rng: Rng) -> Pixels:
    return original.pixels


def _corrupted(original: Original, rng: Rng, name: str, strength: int) -> Pixels:
    return CORRUPTIONS[name](original.pixels, strength, rng)


def _cut_out(original: Original, rng: Rng) -> Pixels | None:
    """The item put back where it lay, on a plain board of its own board's colour: what cutting alone costs."""
    if original.item is None or original.item.board is None:
        return None
    board = np.empty_like(original.pixels)
    board[:] = np.clip(original.item.board + 0.5, 0, 255).astype(np.uint8)
    return change_ground(original.pixels, original.item, board)


def _on_other_ground(original: Original, rng: Rng) -> Pixels | None:
    """The item where it lay, on a painted surface."""
    if original.item is None:
        return None
    height, width = original.pixels.shape[:2]
    scale = min(1.0, _PAINTED_PX / max(height, width))
    painted = paint_texture(rng, max(32, round(width * scale)), max(32, round(height * scale)))
    ground = cv2.resize(painted, (width, height), interpolation=cv2.INTER_CUBIC)
    return change_ground(original.pixels, original.item, np.asarray(ground, np.uint8))


CONDITIONS: tuple[Condition, ...] = (
    Condition(CLEAN, 0, _clean),
    *(
        Condition(name, strength, partial(_corrupted, name=name, strength=strength))
        for name in CORRUPTIONS
        for strength in STRENGTHS
    ),
    Condition(CUT_OUT, 0, _cut_out),
    Condition(BACKGROUND, 0, _on_other_ground),
)
