"""Films composed of things and a ground: each thing slides into view, lies still, and is taken away."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.clock import NS_PER_S
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.preprocess import Region
from waste_edge.item.compose import (
    Camera,
    Light,
    Place,
    SceneRanges,
    Sprite,
    box_of,
    draw_cameras,
    draw_light,
    draw_place,
    fit_ground,
    lay,
    silhouette,
    trim,
)
from waste_edge.item.ground import lit
from waste_edge.rehearsal.items import FilmItem

FPS = 10
FIRST_EMPTY_S, ARRIVE_S, REST_S, LEAVE_S, EMPTY_S = 1.5, 0.4, 1.4, 0.4, 0.9
_STEP_FRAMES = 3  # over which an exposure step is spread, as automatic exposure does
_BANK_PX = 48  # how much larger than a frame the grain is, from which each frame gets another part


@dataclass(frozen=True)
class Visit:
    """Stay of an item before the camera, in seconds from the video's start.

    Attributes:
        label: "unknown" for what belongs to none of the model's labels.
        group: visits of one group show the same object.
        name: for people.
        arrives_s, gone_s: it is in view, at least in part, between these.
        box: where it lay still, in shares of the frame; None if nobody wrote that down.
    """

    label: str
    group: str
    name: str
    arrives_s: float
    gone_s: float
    box: Region | None = None


class Video(Protocol):
    """A film whose items are known."""

    @property
    def title(self) -> str: ...

    @property
    def visits(self) -> Sequence[Visit]:
        """Stays in their order; complete once the frames were played."""
        ...

    def frames(self) -> Iterator[Frame]:
        """The frames in their order, each with its own time."""
        ...


@dataclass(frozen=True, eq=False)
class _Laid:
    """One thing in its place, and how the camera took it."""

    sprite: Sprite
    place: Place
    light: Light
    before: Camera
    after: Camera
    outside: tuple[float, float]  # from the place to where it comes from, in shares of the view


class ComposedVideo:
    """One ground and some things, one after another.

    Args:
        title: for people.
        ground: a picture of a surface, uint8 (H, W, 3), of any size.
        things: what is laid down, in this order.
        seed: of every chance; the same seed gives the same frames.
        ranges: sizes, light and camera.
    """

    def __init__(
        self, title: str, ground: Pixels, things: Sequence[FilmItem], seed: Sequence[int], ranges: SceneRanges
    ) -> None:
        self.title = title
        self.visits: list[Visit] = []
        self._things = things
        self._seed = list(seed)
        self._ranges = ranges
        rng = np.random.default_rng([*self._seed, 0])
        self._surface = fit_ground(ground, ranges.width_px, ranges.height_px, rng)
        self._noise = float(rng.uniform(*ranges.noise))
        self._jpeg = None if ranges.jpeg is None else int(rng.integers(ranges.jpeg[0], ranges.jpeg[1] + 1))
        self._grain_rng = np.random.default_rng([*self._seed, 1])
        self._bank = self._grain_bank()
        self._number = 0

    def frames(self) -> Iterator[Frame]:
        """See `Video.frames`; 10 a second."""
        self.visits.clear()
        self._number = 0
        yield from self._shots([(self._surface, Camera())] * round(FIRST_EMPTY_S * FPS))
        for index, thing in enumerate(self._things):
            laid = self._laid(thing, np.random.default_rng([*self._seed, 2, index]))
            resting, cover = lay(laid.sprite, self._surface, laid.place, laid.light)
            arrives_s = self._number / FPS
            yield from self._shots(self._scenes(laid, resting))
            box = box_of(silhouette(cover))
            self.visits.append(Visit(thing.label, thing.group, thing.name, arrives_s, self._number / FPS, box))
            yield from self._shots(_ramp(self._surface, laid.after, laid.before, round(EMPTY_S * FPS)))

    def _laid(self, thing: FilmItem, rng: np.random.Generator) -> _Laid:
        sprite = trim(thing.draw())
        place = draw_place(sprite, self._ranges, rng)
        light = draw_light(self._ranges, rng)
        before, after = draw_cameras(self._ranges, rng)
        angle = float(rng.uniform(0, 2 * np.pi))
        # Far enough that nothing of it is in view, wherever it lies and comes from.
        far = 1.1 + place.size_px / min(self._ranges.width_px, self._ranges.height_px)
        outside = (math.cos(angle) * far, math.sin(angle) * far)
        return _Laid(sprite, place, light, before, after, outside)

    def _scenes(self, laid: _Laid, resting: Pixels) -> Iterator[tuple[Pixels, Camera]]:
        arriving, leaving = round(ARRIVE_S * FPS), round(LEAVE_S * FPS)
        for step in range(arriving):  # slowing down
            yield self._on_the_way(laid, (1 - (step + 1) / (arriving + 1)) ** 2), laid.before
        yield from _ramp(resting, laid.before, laid.after, round(REST_S * FPS))
        for step in range(leaving):
            yield self._on_the_way(laid, ((step + 1) / leaving) ** 2), laid.after

    def _on_the_way(self, laid: _Laid, away: float) -> Pixels:
        place = replace(laid.place, x=laid.place.x + away * laid.outside[0], y=laid.place.y + away * laid.outside[1])
        return lay(laid.sprite, self._surface, place, laid.light)[0]

    def _shots(self, scenes: Iterator[tuple[Pixels, Camera]] | list[tuple[Pixels, Camera]]) -> Iterator[Frame]:
        for scene, camera in scenes:
            time_s = self._number / FPS
            drift = 1 + 0.02 * math.sin(2 * math.pi * time_s / 19.0)
            yield Frame(self._shot(scene, camera, drift), round(time_s * NS_PER_S))
            self._number += 1

    def _shot(self, scene: Pixels, camera: Camera, drift: float) -> Pixels:
        seen = lit(scene, np.array(camera.factors, np.float32) * np.float32(drift))
        if self._noise > 0:
            top, left = (int(at) for at in self._grain_rng.integers(_BANK_PX + 1, size=2))
            height, width = scene.shape[:2]
            grain = self._bank[top : top + height, left : left + width]
            seen = np.asarray(cv2.add(seen, grain, dtype=cv2.CV_8U), np.uint8)
        if self._jpeg is None:
            return seen
        _, data = cv2.imencode(".jpg", seen[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self._jpeg])
        return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])

    def _grain_bank(self) -> NDArray[np.int16]:
        """Camera noise once, larger than a frame: drawing it anew for each would take most of the time."""
        height, width = self._surface.shape[:2]
        grain = self._grain_rng.standard_normal((height + _BANK_PX, width + _BANK_PX, 3), dtype=np.float32)
        return np.asarray(np.rint(grain * np.float32(self._noise)), np.int16)


def _ramp(scene: Pixels, first: Camera, last: Camera, frames: int) -> Iterator[tuple[Pixels, Camera]]:
    """A scene for so many frames, while the exposure goes from one camera's to another's."""
    for index in range(frames):
        share = min(1.0, (index + 1) / _STEP_FRAMES)
        factors = tuple(a + share * (b - a) for a, b in zip(first.factors, last.factors, strict=True))
        yield scene, Camera((factors[0], factors[1], factors[2]), last.noise, last.jpeg)
