"""The scene as a pile of looks: the empty scene at the bottom, and a layer for each decided item.

Colours are compared cell by cell on a small grid, after an even change of light has been taken away. Only the
top layer is seen, so only it follows the light; the layers below are carried along: where they still show, as the
top layer changes, and where they are covered, by the same factor. So the empty scene is found again after a
dusk under an item, and never learns the item.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.vision.scene_ground import ground_bytes, ground_of, relit
from waste_edge.imaging.frames import Pixels
from waste_edge.item import Ground

GRID_WIDTH, GRID_HEIGHT = 64, 48

Grid = NDArray[np.float32]  # (48, 64, 3): a frame, small
Mask = NDArray[np.bool_]  # (48, 64)

_UNCOVERED = 0.15  # of what is strange: a nudged item uncovers more of what it lay on
_ONE_SPOT = 0.7  # of what is strange lies in one place, if it is one thing
_COMPACT = 0.4  # of a thing's box is the thing, and much less of a rim's

_FORMAT = b"waste-edge pile 1\n"  # what kept bytes begin with; then the SHA-256 of the rest, an .npz
_DIGEST = 32


@dataclass(frozen=True)
class PresenceConfig:
    """Settings of presence. Areas are shares of the frame, levels are 0 to 255.

    Attributes:
        learn_s: stillness needed at the start to learn the empty scene.
        learn_at_most_s: a scene that never rests is taken as it is after so long.
        settle_s: stillness after movement before the scene is judged.
        level: a smaller change of a grid cell is never a change.
        noise_factor: nor is one within so many times the cell's usual deviation.
        item_area: the least area that counts as an item.
        still_area: less than this changing between two frames is stillness.
        adapt_s: time constant of following the light.
        light_gain: an even change of brightness up to this factor is the light's, or the camera's exposure.
        new_share: movement that changed less than this share of the last item's area only nudged it.
        max_layers: the most layers remembered.
        gap_s: after so long without a frame nothing is taken for granted.
        foreign_area: a scene found again after a gap that differs this much from every layer is another scene.
    """

    learn_s: float = 0.6
    learn_at_most_s: float = 5.0
    settle_s: float = 0.3
    level: float = 14.0
    noise_factor: float = 6.0
    item_area: float = 0.012
    still_area: float = 0.004
    adapt_s: float = 20.0
    light_gain: float = 2.0
    new_share: float = 0.6
    max_layers: int = 8
    gap_s: float = 30.0
    foreign_area: float = 0.6


def small(pixels: Pixels) -> Grid:
    """A frame, uint8 (H, W, 3), on the grid: each cell is the mean of 4 samples, which calms the camera's noise.

    Sampling first is what makes it cheap: averaging every pixel takes ten times as long, and for every fifth row
    that is not read the memory need not be waited for.
    """
    sampled = cv2.resize(pixels, (2 * GRID_WIDTH, 2 * GRID_HEIGHT), interpolation=cv2.INTER_NEAREST_EXACT)
    return cv2.resize(sampled, (GRID_WIDTH, GRID_HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


def difference(first: Grid, second: Grid) -> NDArray[np.float32]:
    """Per cell the largest absolute difference of the three colours, (48, 64). Faster than `max(axis=-1)`."""
    absolute = cv2.absdiff(first, second)
    return np.maximum(np.maximum(absolute[..., 0], absolute[..., 1]), absolute[..., 2])


def gain_of(look: Grid, reference: Grid, limit: float) -> NDArray[np.float32]:
    """Compute a look's gain over a reference, by colour: (3,). What covers less than half of the frame is ignored."""
    # Every other cell is enough for a median; the 4 keeps black cells from having a say.
    ratios = (look[::2, ::2] + 4) / (reference[::2, ::2] + 4)
    middle = np.sort(ratios.reshape(-1, 3), axis=0)[ratios.size // 6]
    return np.asarray(middle.clip(1 / limit, limit), np.float32)


def brightened(look: Grid, gain: NDArray[np.float32]) -> Grid:
    """A look times a gain by colour. Rows of 192 are multiplied five times as fast as triples."""
    rows = look.reshape(GRID_HEIGHT, -1) * np.tile(gain, GRID_WIDTH)
    return rows.reshape(look.shape)


def area(mask: Mask) -> float:
    """The share of the frame that a mask marks."""
    return 0.0 if mask is _NOWHERE else np.count_nonzero(mask) / mask.size


def _no_cells() -> Mask:
    return np.zeros((GRID_HEIGHT, GRID_WIDTH), np.bool_)


_NOWHERE = _no_cells()
_NOWHERE.flags.writeable = False  # it is handed out


@dataclass
class Layer:
    """Layer of the scene.

    Attributes:
        look: the scene when this item lay on top.
        item_id: the item's event; empty for the empty scene.
        covers: where it differs from the layer below.
        buried: where the layers above hide it.
        ground: the same scene, fine enough to crop what comes on top; None until it has been seen at rest.
    """

    look: Grid
    item_id: str = ""
    covers: Mask = field(default_factory=_no_cells)
    buried: Mask = field(default_factory=_no_cells)
    ground: Ground | None = None


MAX_LIGHTS = 4  # that are known beside the present one


@dataclass
class LitScene:
    """The empty scene in another light than the present one.

    Attributes:
        number: of the light, from 1, in the order in which they were first seen.
        look: the empty scene in it.
        ground: the same, fine; None if it is not kept.
    """

    number: int
    look: Grid
    ground: Ground | None = None


class SceneModel:
    """The layers of one scene; the last one is what lies there now.

    Attributes:
        layers: from the empty scene up.
        light: number of the present light.
        lights: the others that the empty scene was seen in, the one that was left last at the end; see `lights.py`.

    Args:
        sense: how finely to look.
        empty_look: the empty scene.
        noise: (48, 64), each cell's usual deviation from its look.
    """

    def __init__(self, sense: PresenceConfig, empty_look: Grid, noise: NDArray[np.float32]) -> None:
        self.layers = [Layer(empty_look)]
        self.light = 1
        self.lights: list[LitScene] = []
        self._sense = sense
        self._known_gain: tuple[Grid, Layer, NDArray[np.float32]] | None = None
        self._set_noise(noise)

    @property
    def noise(self) -> NDArray[np.float32]:
        """Each cell's usual deviation from its look, (48, 64); not to be changed."""
        return self._noise

    @property
    def lit(self) -> LitScene:
        """The empty scene in the present light."""
        return LitScene(self.light, self.layers[0].look, self.layers[0].ground)

    def moved(self, first: Grid, second: Grid) -> bool:
        """Return whether something moved between two frames."""
        if not self._differs(first, second):
            return False
        return area(difference(first, second) > self._threshold) >= self._sense.still_area

    def changed(self, look: Grid, layer: Layer) -> Mask:
        """Mask the cells where a look differs from a layer by more than light and noise."""
        if not self._differs(look, layer.look):  # in the same light, as nearly always: the light need not be found
            return _NOWHERE
        return np.asarray(difference(look, brightened(layer.look, self._gain(look, layer))) > self._threshold)

    def find(self, look: Grid) -> int | None:
        """Find the layer that a look shows, 0 the empty scene; None if it shows something else."""
        for depth, layer in enumerate(self.layers):
            if area(self.changed(look, layer)) < self._sense.item_area:
                return depth
        return None

    def is_foreign(self, look: Grid) -> bool:
        """Return whether a look shows another scene: nearly all differs, or nearly all along the edge."""
        return all(self._is_foreign_to(layer, look) for layer in self.layers)

    def same_item(self, look: Grid) -> bool:
        """Return whether a look that shows no layer still has no new item in it.

        It has none if the top item was only nudged, or if what changed mostly shows what lay below, while most
        of the item lies as it lay: a hand was drawn back, or an older item taken from beside it. A spot that shows no
        layer, while nothing was uncovered, is a smaller item that lies on the top one.
        """
        if len(self.layers) == 1:
            return False
        top = self.layers[-1]
        changed = self.changed(look, top)
        strange = changed.copy()
        for layer in self.layers[:-1]:
            strange &= self.changed(look, layer)
        uncovered = area(changed & ~strange)
        if area(changed) < self._sense.new_share * min(area(top.covers), 0.35):
            return uncovered > _UNCOVERED * area(strange) or not self._is_spot(strange)
        kept = self.changed(look, self.layers[0]) & ~changed
        return uncovered >= self._sense.item_area and area(strange) <= min(uncovered, area(kept))

    def _is_spot(self, strange: Mask) -> bool:
        """Return whether what is strange is one compact thing, large enough for an item, and no rim of a nudged one."""
        _, _, boxes, _ = cv2.connectedComponentsWithStats(strange.astype(np.uint8))
        of_spots = boxes[1:]
        if not len(of_spots):
            return False
        _, _, width, height, cells = (int(value) for value in of_spots[of_spots[:, cv2.CC_STAT_AREA].argmax()])
        least = max(
            self._sense.item_area * strange.size,
            _ONE_SPOT * np.count_nonzero(strange),
            _COMPACT * width * height,
        )
        return bool(cells >= least)

    def lies_on(self, look: Grid) -> Layer:
        """The layer that a new item lies on: the one that still shows most. An item may take another's place."""
        if len(self.layers) == 1:
            return self.layers[0]
        return min(reversed(self.layers), key=lambda layer: area(self.changed(look, layer)))

    def put(self, look: Grid, item_id: str) -> None:
        """Lay an item on top."""
        self.layers.append(Layer(look.copy(), item_id))
        if len(self.layers) > self._sense.max_layers:
            del self.layers[1]  # never the empty scene
        self.restack()

    def renew_top(self, look: Grid) -> None:
        """The top item looks different now."""
        self.layers[-1].look, self.layers[-1].ground = look.copy(), None
        self._known_gain = None
        self.restack()

    def relight(self, look: Grid, gain: NDArray[np.float32]) -> None:
        """The whole scene is seen in another light than any that is known; the one from before is kept as such.

        Args:
            look: the scene as it is seen now: the top layer's.
            gain: (48, 64, 3), by how much each part is brighter; the lower layers are carried along by it.
        """
        self.lights = [*self.lights, replace(self.lit, look=self.layers[0].look.copy())][-MAX_LIGHTS:]
        self.light = max(self.light, *(one.number for one in self.lights)) + 1
        for layer in self.layers[:-1]:
            layer.look = np.asarray(((layer.look + 4) * gain - 4).clip(0, 255), np.float32)
            layer.ground = None if layer.ground is None else relit(layer.ground, gain)
        self.renew_top(look)

    def patch(self, look: Grid, cells: Mask, seen: Pixels, mask: Mask) -> None:
        """Replace the ground of a part of the scene, after a thing that was learned with it has gone.

        Args:
            look: the scene as it is seen now.
            cells: (48, 64), which part.
            seen: the same at working resolution, uint8 (h, w, 3).
            mask: (h, w), which part.
        """
        before = self.layers[0].look
        for one in self.lights:  # how much of the light falls there is known from the thing that has gone
            there = ((look + 4) * (one.look + 4) / (before + 4) - 4).clip(0, 255)
            one.look, one.ground = np.where(cells[..., None], there, one.look), None
        for layer in self.layers:
            layer.look = np.where(cells[..., None], look, layer.look)
            if layer.ground is not None and layer.ground.look.shape == seen.shape:
                layer.ground = Ground(np.where(mask[..., None], seen, layer.ground.look).astype(np.uint8))
        self._known_gain = None
        self.restack()

    def take_down_to(self, depth: int) -> None:
        """Take away all layers above one."""
        del self.layers[depth + 1 :]
        self.layers[-1].ground = None  # the light may have changed since; it is seen again now
        self.restack()

    def follow(self, look: Grid, elapsed_s: float) -> None:
        """Adapt the top layer and the noise to the present view, and carry the lower layers along."""
        share = np.float32(min(1.0, min(elapsed_s, 1.0) / self._sense.adapt_s))
        top = self.layers[-1]
        self._set_noise(self._noise + share * (difference(look, top.look) - self._noise))
        step = (look - top.look) * share
        if len(self.layers) > 1:
            factor = (self._gain(look, top) - 1) * share
            for layer in self.layers[:-1]:
                # 4 levels, as in `gain_of`: without them an hour of dawn is followed a little too slowly.
                layer.look += np.where(layer.buried[..., None], (layer.look + 4) * factor, step)
        top.look += step
        self._known_gain = None

    def pack(self) -> bytes:
        """The pile as bytes, at most some 100 kB: looks in whole levels, ids, noise, grounds; no pickle.

        Grounds are those of the empty scene and of the top, as JPEG: of the others an item hides the most, and what
        is seen again gets a new one.
        """
        grounds = {index: ground_bytes(self.layers[index].ground) for index in {0, len(self.layers) - 1}}
        packed = [grounds.get(index, b"") for index in range(len(self.layers))]
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            grounds=np.frombuffer(b"".join(packed), np.uint8),
            ground_bytes=np.array([len(one) for one in packed], np.int64),
            looks=_whole([layer.look for layer in self.layers]),
            item_ids=np.array([layer.item_id for layer in self.layers], np.str_),
            noise=self._noise.astype(np.float16),
            lights=_whole([one.look for one in self.lights]),
            light_numbers=np.array([self.light, *(one.number for one in self.lights)], np.int64),
        )
        payload = buffer.getvalue()
        return _FORMAT + hashlib.sha256(payload).digest() + payload

    def _gain(self, look: Grid, layer: Layer) -> NDArray[np.float32]:
        """Compute the gain as `gain_of`, with a cache: a look is compared with the top layer twice in a row."""
        known = self._known_gain
        if known is None or known[0] is not look or known[1] is not layer:
            known = self._known_gain = look, layer, gain_of(look, layer.look, self._sense.light_gain)
        return known[2]

    def _is_foreign_to(self, layer: Layer, look: Grid) -> bool:
        changed = self.changed(look, layer)
        edge = np.concatenate([changed[0], changed[-1], changed[:, 0], changed[:, -1]])
        return max(area(changed), area(edge)) >= self._sense.foreign_area

    def _differs(self, first: Grid, second: Grid) -> bool:
        """Return whether any colour of any cell differs by more than noise: a tenth of what it takes to say where."""
        if cv2.norm(first, second, cv2.NORM_INF) <= self._least_threshold:
            return False  # the quick answer, nearly always
        beyond = cv2.compare(cv2.absdiff(first, second), self._thresholds, cv2.CMP_GT)
        return cv2.countNonZero(beyond.reshape(GRID_HEIGHT, -1)) > 0

    def restack(self) -> None:
        """Find anew what each layer covers, from the top down."""
        buried = _no_cells()
        for below, layer in zip(reversed(self.layers[:-1]), reversed(self.layers[1:]), strict=True):
            layer.covers, layer.buried = self.changed(layer.look, below), buried
            buried = buried | layer.covers
        self.layers[0].buried = buried

    def _set_noise(self, noise: NDArray[np.float32]) -> None:
        self._noise = noise
        self._threshold = np.maximum(noise * np.float32(self._sense.noise_factor), np.float32(self._sense.level))
        self._thresholds = cv2.merge([self._threshold] * 3)  # of each colour
        self._least_threshold = float(self._threshold.min())


def _whole(looks: list[Grid]) -> NDArray[np.uint8]:
    """Looks in whole levels, (N, 48, 64, 3)."""
    stacked = np.array(looks, np.float32).reshape(-1, GRID_HEIGHT, GRID_WIDTH, 3)
    return stacked.round().clip(0, 255).astype(np.uint8)


def unpack(kept: bytes, sense: PresenceConfig) -> SceneModel | None:
    """The pile that `SceneModel.pack` made bytes of; None if they are damaged or of another version."""
    head = len(_FORMAT) + _DIGEST
    payload = kept[head:]
    if not kept.startswith(_FORMAT) or hashlib.sha256(payload).digest() != kept[len(_FORMAT) : head]:
        return None
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            looks, noise = arrays["looks"].astype(np.float32), arrays["noise"].astype(np.float32)
            item_ids = [str(item_id) for item_id in arrays["item_ids"]]
            # Versions before there were grounds kept none.
            kept_grounds = arrays["grounds"].tobytes() if "grounds" in arrays else b""
            lengths = arrays["ground_bytes"].tolist() if "ground_bytes" in arrays else [0] * len(item_ids)
            # And versions before there were lights none of those.
            lights = arrays["lights"].astype(np.float32) if "lights" in arrays else looks[:0]
            numbers = [int(number) for number in arrays["light_numbers"]] if "light_numbers" in arrays else [1]
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None
    shape = (len(item_ids), GRID_HEIGHT, GRID_WIDTH, 3)
    if not item_ids or looks.shape != shape or noise.shape != shape[1:3] or not np.isfinite(noise).all():
        return None
    scene_model = SceneModel(sense, looks[0], noise)
    if lights.shape == (len(numbers) - 1, *shape[1:]) and len(lights) <= MAX_LIGHTS:
        scene_model.light = numbers[0]
        scene_model.lights = [LitScene(number, look) for number, look in zip(numbers[1:], lights, strict=True)]
    scene_model.layers += [Layer(look, item_id) for look, item_id in zip(looks[1:], item_ids[1:], strict=True)]
    if len(lengths) == len(item_ids) and sum(lengths) == len(kept_grounds) and min(lengths) >= 0:
        for layer, length, end in zip(scene_model.layers, lengths, itertools.accumulate(lengths), strict=True):
            layer.ground = ground_of(kept_grounds[end - length : end])
    scene_model.restack()
    return scene_model
