"""Items as a station shows them to a network: what a known score learns from, and what its threshold is set by.

Composed on a ground, found, cropped, as `evaluate --through-the-station` does, but on grounds that may teach:
photographs of bare surfaces where other sources have such, else what training renders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset import Photo
from waste_edge.engines.engine import Engine
from waste_edge.evaluation.evaluate import Outputs
from waste_edge.evaluation.station_view import Grounds, scene_of
from waste_edge.export.material import Material
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import prepare
from waste_edge.item import Ground, crop_item, find_item, look_of
from waste_edge.rendering.canvas import Bytes
from waste_edge.rendering.cutouts import credible_sprite
from waste_edge.rendering.outliers import outlined
from waste_edge.rendering.textures import paint_texture

GROUNDS = "ground"  # label of pictures of bare surfaces among those without a meaning to the model, as in a stock
_SPRITE_PX = 320
_SEED = 20_261_129
_FITTED_LOOKS = (0, 3)  # more of the same items hardly move a direction


@dataclass(frozen=True)
class Scenes:
    """A run of scenes; those of two runs have nothing in common.

    Attributes:
        first: number of the first one.
        outlines: a thing that cannot be cut out is an outline filled with its picture, a thing of such stuff; else it
            is left out.
        times: how many scenes each thing is laid into, one after the other.
    """

    first: int
    outlines: bool = False
    times: int = 1


# A threshold is set by the few least scores, and where a thing is laid by chance moves each of these.
TAUGHT, VALIDATED, STRANGE = Scenes(1_000_000), Scenes(2_000_000, times=5), Scenes(3_000_000, outlines=True)


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Features of items as a station shows them.

    Attributes:
        known: float32 (N, F), of training photographs' items.
        unknown: float32 (M, F), of things without a label.
        in_words: how many they are.
    """

    known: NDArray[np.float32]
    unknown: NDArray[np.float32]
    in_words: str


def is_shown_items(material: Material) -> bool:
    """Return whether a station shows the network an item's crop, not the whole view."""
    return material.spec.view.kind == "item"


def grounds_that_teach(material: Material) -> Grounds:
    """The surfaces to lay items on."""
    domains = material.domains
    strange = domains.teaching.strange(material.labels, material.origin.label_map).rows if domains else ()
    paths = tuple(row.photo.path for row in strange if row.photo.label == GROUNDS and row.photo.path is not None)
    return Grounds(Path("/"), tuple(path.absolute() for path in paths)) if paths else Grounds(paint=paint_texture)


def item_features(
    material: Material, engine: Engine, known: Sequence[Photo], unknown: Sequence[Photo]
) -> ItemFeatures | None:
    """Ask an engine about items as a station shows them, plain, and mirrored before grey.

    Args:
        known: training photographs.
        unknown: pictures of things without a label.

    Returns:
        None where none of the photographs' items can be cut out.
    """
    own = ask_looks(material, engine, item_crops(material, known, TAUGHT), _FITTED_LOOKS)
    if own is None:
        return None
    strange = ask_looks(material, engine, item_crops(material, unknown, STRANGE), _FITTED_LOOKS)
    if strange is None:
        return None
    known_items, unknown_items = (len(some.logits) // len(_FITTED_LOOKS) for some in (own, strange))
    words = f"{known_items} training items and {unknown_items} strange ones as a station shows them"
    return ItemFeatures(own.features, strange.features, words)


def ask_looks(material: Material, engine: Engine, crops: Iterable[Pixels], numbers: Sequence[int]) -> Outputs | None:
    """Ask an engine about looks at items: answers of the first item's looks, then of the second's; None of no item.

    Args:
        crops: of `item_crops`; one is held at a time.
        numbers: which of `LOOKS`.
    """
    view, spec = material.spec.view, material.spec
    rows = [engine.infer(prepare(look_of(crop, view, number), spec)) for crop in crops for number in numbers]
    return Outputs.stacked(rows) if rows else None


def item_crops(material: Material, photos: Sequence[Photo], scenes: Scenes) -> Iterator[Pixels]:
    """Each photograph's item as a station crops it, uint8 (S, S, 3), as many as can be cut out and found.

    Args:
        photos: pictures of single things; the same ones give the same crops.
        scenes: where they are laid.

    Raises:
        PictureError: a picture cannot be read.
    """
    grounds = grounds_that_teach(material)
    for index, photo in enumerate(photos):
        pixels, number = photo.pixels(), scenes.first + index * scenes.times
        material.progress(index + 1, len(photos))
        sprite: Bytes | None = credible_sprite(pixels)
        if sprite is None and scenes.outlines:
            sprite = outlined(pixels, np.random.default_rng([_SEED, number]), _SPRITE_PX)
        if sprite is None:
            continue
        for scene in (scene_of(sprite, grounds, number + time) for time in range(scenes.times)):
            region = find_item(scene.frames[0], Ground(scene.empty))
            if region is not None:
                yield crop_item(scene.frames[0], region, material.spec.view)
