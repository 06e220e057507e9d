"""Rendered foreign sites, as a bundle's network answers them: for `python -m tools.head_coverage --rendered`.

Each site has a ground, a lamp and a camera of its own, and of each label a few kinds of items (half of the painters
that there are). An item is laid on the ground, found and cropped as by a station (`find_item`, `crop_item`), and its
crop is shown to the network, plain and mirrored. Sprites are drawn once and laid at many sites, as the same can comes
to many bins; no item lies twice at one site.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.bundle.manifest import Manifest
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.evaluation.evaluate import Progress, without_progress
from waste_edge.files.atomic import write_atomically
from waste_edge.heads import Shots
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import prepare
from waste_edge.item import Ground, crop_item, find_item
from waste_edge.item.compose import Light, SceneRanges, Sprite, draw_place, lay, trim
from waste_edge.rendering.backgrounds import Background, paint_background
from waste_edge.rendering.held_out import JUDGING
from waste_edge.rendering.items.sprites import PAINTERS, render_item
from waste_edge.rendering.scene import CameraEffects, camera_effects

RANGES = SceneRanges(width_px=320, height_px=240)
LOOKS = 2  # plain and mirrored, as `waste-edge commission` looks
_SPRITE_PX = 160
_POOL = 40  # sprites of each painter
_STYLES = (Background.TRAY, Background.WOOD, Background.CONCRETE, Background.SPECKLED, Background.GRADIENT)
Rng = np.random.Generator
Pool = Mapping[str, Sequence[Sequence[Sprite]]]  # label, painter, sprites


@dataclass(frozen=True, eq=False)
class RenderedSite:
    """One site's view.

    Attributes:
        surface: the ground, uint8 (240, 320, 3).
        factors: of its lamp, by colour.
        effects: of its camera.
    """

    surface: Pixels
    factors: tuple[float, float, float]
    effects: CameraEffects

    def photograph(self, scene: Pixels, rng: Rng) -> Pixels:
        """A scene as the site's camera sees it."""
        return camera_effects(scene, rng, self.effects)

    def light(self, rng: Rng) -> Light:
        """The lamp on one item: the site's, which falls a little differently wherever an item lies."""
        level = float(rng.uniform(0.93, 1.07))
        red, green, blue = self.factors
        return Light(
            factors=(red * level, green * level, blue * level),
            shadow=float(rng.uniform(0.1, 0.45)),
            shadow_angle=float(rng.uniform(0, 2 * np.pi)),
            shadow_reach=float(rng.uniform(0.02, 0.12)),
            shadow_softness=float(rng.uniform(0.04, 0.12)),
        )


def draw_site(rng: Rng) -> RenderedSite:
    """Draw a site: of half of them training never saw such a ground."""
    size = (RANGES.width_px, RANGES.height_px)
    if rng.random() < 0.5:
        surface = JUDGING.paint(rng, *size)
    else:
        surface = paint_background(_STYLES[int(rng.integers(len(_STYLES)))], rng, *size)
    level = float(rng.uniform(0.55, 1.2))
    warm, green = float(rng.uniform(-0.2, 0.2)), float(rng.uniform(-0.05, 0.05))
    factors = (level * (1 + warm), level * (1 + green), level * (1 - warm))
    surface = np.asarray((surface * np.array(factors, np.float32)).clip(0, 255), np.uint8)
    tint = float(rng.normal(0, 0.06))
    effects = CameraEffects(
        exposure=float(rng.uniform(0.7, 1.2)),
        white_balance=(1 + tint, 1.0, 1 - tint),
        contrast=float(rng.uniform(0.8, 1.15)),
        blur_px=float(rng.uniform(0.0, 1.4)),
        vignette=float(rng.uniform(0.0, 0.3)),
        noise=float(rng.uniform(0.4, 4.0)),
    )
    return RenderedSite(surface, factors, effects)


def draw_pool(labels: Sequence[str], sprites: int = _POOL) -> Pool:
    """Draw so many sprites of each painter of each label, without their transparent rims."""
    return {
        label: [
            [trim(render_item(label, np.random.default_rng([17, place, number]), _SPRITE_PX, painter))
             for number in range(sprites)]
            for place, painter in enumerate(PAINTERS[label])
        ]
        for label in labels
    }  # fmt: skip


def items_of(pool: Pool, label: str, rng: Rng) -> Iterator[Sprite]:
    """The items of a label at one site, each once: of half of its painters, mixed."""
    kinds = pool[label]
    chosen = rng.choice(len(kinds), size=max(2, len(kinds) // 2), replace=False)
    found = [sprite for kind in chosen for sprite in kinds[int(kind)]]
    for number in rng.permutation(len(found)):
        yield found[int(number)]


def shots_of_site(classifier: Classifier, pool: Pool, items: int, rng: Rng) -> Shots:
    """Show the network so many items of each label at a new site, twice each, items of a label in random order.

    An item that the station's eye does not find is passed over, as a station would not decide it.

    Raises:
        ValueError: a label has fewer sprites than that.
    """
    manifest, site = classifier.manifest, draw_site(rng)
    ground = Ground(site.photograph(site.surface, rng))
    logits, features, truth = [], [], []
    for index, label in enumerate(manifest.labels):
        found = 0
        for sprite in items_of(pool, label, rng):
            crop = _crop(site, ground, sprite, manifest, rng)
            if crop is None:
                continue
            for look in (crop, np.asarray(cv2.flip(crop, 1), np.uint8)):
                output = classifier.engine.infer(prepare(look, manifest.input))
                logits.append(output.logits.copy())
                features.append(output.features.copy())
            truth.append(index)
            found += 1
            if found == items:
                break
        if found < items:
            raise ValueError(f"{label}: {found} of {items} items were found at a site; draw a larger pool")
    numbers = np.repeat(np.arange(len(truth)), LOOKS)
    return Shots(np.array(logits, np.float64), np.array(features, np.float64), np.array(truth)[numbers], numbers)


def _crop(site: RenderedSite, ground: Ground, sprite: Sprite, manifest: Manifest, rng: Rng) -> Pixels | None:
    scene, _ = lay(sprite, site.surface, draw_place(sprite, RANGES, rng), site.light(rng))
    frame = site.photograph(scene, rng)
    region = find_item(frame, ground)
    return None if region is None else crop_item(frame, region, manifest.input.view)


def answers(
    bundle: str, sites: int, items: int, cache: Path, progress: Progress = without_progress
) -> tuple[list[Shots], float]:
    """The answers of a bundle's preferred network at so many sites, from the cache if they are there.

    Returns:
        Each site's shots, and the bundle's temperature.
    """
    with open_bundle(find_bundle(bundle)) as opened:
        path = cache / f"{opened.digest[:16]}-{sites}-{items}.npz"
        temperature = opened.manifest.calibration.temperature
        if not path.exists():
            classifier = load_classifier(opened)
            pool, found = draw_pool(classifier.manifest.labels), []
            for number in range(sites):
                found.append(shots_of_site(classifier, pool, items, np.random.default_rng([number, 31])))
                progress(number + 1, sites)
            path.parent.mkdir(parents=True, exist_ok=True)
            content = io.BytesIO()
            np.savez(
                content,
                logits=np.array([one.logits for one in found], np.float32),
                features=np.array([one.features for one in found], np.float32),
                truth=found[0].truth,
                item=found[0].item,
            )
            write_atomically(path, content.getvalue())  # or a stop while it is written would leave half of a file
    with np.load(path, allow_pickle=False) as kept:
        truth, item = kept["truth"], kept["item"]
        parts: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = list(
            zip(kept["logits"], kept["features"], strict=True)
        )
    shots = [Shots(np.asarray(one, np.float64), np.asarray(other, np.float64), truth, item) for one, other in parts]
    return shots, temperature
