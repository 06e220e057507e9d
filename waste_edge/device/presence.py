"""Is something there? From frames alone: learns the empty scene and notices what comes, rests and goes.

    learning ──> empty ──> arriving ──> settled ──> decided ──> arriving ──> cleared ──> empty
                   ^           │            │                       │
                   └───────────┘ (a hand,   └──> arriving           └──> settled (the next item, in its
                                 a flicker)                              place or on top of it)

The scene is a pile. At the bottom lies the empty scene, and each decided item adds a layer: the scene as it
looked then. Movement that ends in the look of a lower layer means that things were taken away; in the look of
the top layer, that nothing happened; in neither, that a new item lies there. Only the top layer follows slow
changes of light, and only while nothing moves, so the empty scene never learns an item that was left lying.

Time is the frames' own `captured_ns`; nothing here sleeps or asks a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.clock import NS_PER_S
from waste_edge.frames import Pixels

Grid = NDArray[np.float32]  # (48, 64, 3): the scene, small

GRID_WIDTH, GRID_HEIGHT = 64, 48


class State(StrEnum):
    """What the scene does. `CLEARED` lasts one frame."""

    LEARNING = "learning"
    EMPTY = "empty"
    ARRIVING = "arriving"
    SETTLED = "settled"
    DECIDED = "decided"
    CLEARED = "cleared"


@dataclass(frozen=True)
class Sense:
    """How finely presence looks. Areas are shares of the frame, levels are 0 to 255.

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
        pile: the most layers remembered.
    """

    learn_s: float = 0.6
    learn_at_most_s: float = 5.0
    settle_s: float = 0.3
    level: float = 14.0
    noise_factor: float = 6.0
    item_area: float = 0.012
    still_area: float = 0.004
    adapt_s: float = 20.0
    light_gain: float = 1.25
    new_share: float = 0.6
    pile: int = 8


@dataclass
class Layer:
    """A look of the scene, and how much of the frame differs from the layer below it."""

    look: Grid
    area: float


class Presence:
    """Follows one camera's scene, which is taken to be empty when it is first seen.

    Attributes:
        state: after the last frame seen.
        arrived_ns: capture time of the frame in which the present movement or item was first seen.
    """

    def __init__(self, sense: Sense | None = None) -> None:
        self.state = State.LEARNING
        self.arrived_ns = 0
        self._sense = sense or Sense()
        self._layers: list[Layer] = []
        self._noise = np.zeros((GRID_HEIGHT, GRID_WIDTH), np.float32)
        self._last: Grid | None = None
        self._last_ns = 0
        self._still_since_ns = 0
        self._first_ns = 0
        self._lesson: list[tuple[int, Grid]] = []  # capture times and looks

    def see(self, pixels: Pixels, captured_ns: int) -> State:
        """Take in one frame, uint8 (H, W, 3), and return the new state."""
        grid = _small(pixels)
        if self._last is None:
            self._first_ns = self._still_since_ns = self._last_ns = captured_ns
            self._last = grid
        if self._area_of(_largest(grid - self._last)) >= self._sense.still_area:
            self._still_since_ns = captured_ns
        elapsed_s = max(0.0, (captured_ns - self._last_ns) / NS_PER_S)
        self._last, self._last_ns = grid, captured_ns
        if self.state is State.LEARNING:
            self.state = self._learn(grid, captured_ns)
        elif self.state in (State.ARRIVING, State.SETTLED):
            self.state = self._judge(grid, captured_ns)
        else:
            self.state = self._watch(grid, captured_ns, elapsed_s)
        return self.state

    def decided(self) -> None:
        """Say that the settled item has been decided: its look becomes the top of the pile."""
        if self.state is not State.SETTLED or self._last is None:
            raise ValueError(f"only a settled item can be decided, the scene is {self.state.value}")
        self._layers.append(Layer(self._last.copy(), self._change(self._last, self._layers[-1])))
        if len(self._layers) > self._sense.pile:
            del self._layers[1]  # never the empty scene
        self.state = State.DECIDED

    def _learn(self, grid: Grid, now_ns: int) -> State:
        """Average the scene since it became still; one that never rests is taken as it is, after a while."""
        self._lesson.append((now_ns, grid))
        del self._lesson[:-64]  # some seconds are enough to know the noise
        late = (now_ns - self._first_ns) / NS_PER_S >= self._sense.learn_at_most_s
        if not late and (now_ns - self._still_since_ns) / NS_PER_S < self._sense.learn_s:
            return State.LEARNING
        since_ns = 0 if late else self._still_since_ns
        seen = np.stack([look for time_ns, look in self._lesson if time_ns >= since_ns])  # (frames, 48, 64, 3)
        self._layers = [Layer(seen.mean(axis=0), 0.0)]
        self._noise = _largest(seen - self._layers[0].look).mean(axis=0)
        self._lesson.clear()
        return State.EMPTY

    def _watch(self, grid: Grid, now_ns: int, elapsed_s: float) -> State:
        """Nothing new so far: look out for a change, else follow the light."""
        change = self._change(grid, self._layers[-1])
        if change >= self._sense.item_area:
            self.arrived_ns = now_ns
            # The change itself is movement, even if its neighbour frame was just as far from the scene.
            self._still_since_ns = now_ns
            return State.ARRIVING
        if change < self._sense.item_area / 2:
            self._follow(grid, elapsed_s)
        return self._resting()

    def _judge(self, grid: Grid, now_ns: int) -> State:
        """Something moves or lies there: once it is still, say what became of the scene."""
        if (now_ns - self._still_since_ns) / NS_PER_S < self._sense.settle_s:
            return State.ARRIVING
        for depth, layer in enumerate(self._layers):
            if self._change(grid, layer) < self._sense.item_area:
                taken_away = depth + 1 < len(self._layers)
                del self._layers[depth + 1 :]
                return State.CLEARED if taken_away else self._resting()
        top = self._layers[-1]
        if self._change(grid, top) < self._sense.new_share * min(top.area, 0.35):
            top.look = grid.copy()
            return State.DECIDED
        return State.SETTLED

    def _resting(self) -> State:
        return State.EMPTY if len(self._layers) == 1 else State.DECIDED

    def _follow(self, grid: Grid, elapsed_s: float) -> None:
        """Let the top layer and the noise drift towards what is seen."""
        share = min(1.0, min(elapsed_s, 1.0) / self._sense.adapt_s)
        look = self._layers[-1].look
        self._noise += share * (_largest(grid - look) - self._noise)
        look += share * (grid - look)

    def _change(self, grid: Grid, layer: Layer) -> float:
        """The share of the frame that differs from a layer by more than light and noise."""
        limit = self._sense.light_gain
        # Every other cell is enough for a median; the 4 keeps black cells from having a say.
        ratios = (grid[::2, ::2] + 4) / (layer.look[::2, ::2] + 4)
        gain = np.median(ratios.reshape(-1, 3), axis=0).clip(1 / limit, limit).astype(np.float32)
        return self._area_of(_largest(grid - layer.look * gain))

    def _area_of(self, difference: NDArray[np.float32]) -> float:
        threshold = np.maximum(self._sense.level, self._sense.noise_factor * self._noise)
        return float((difference > threshold).mean())


def _largest(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Per cell the largest absolute difference of the three colours: (..., 3) to (...). Faster than `max(axis=-1)`."""
    absolute = np.abs(difference)
    return np.maximum(np.maximum(absolute[..., 0], absolute[..., 1]), absolute[..., 2])


def _small(pixels: Pixels) -> Grid:
    """The frame on the grid; each cell is an average, which takes away most of the camera's noise."""
    return cv2.resize(pixels, (GRID_WIDTH, GRID_HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
