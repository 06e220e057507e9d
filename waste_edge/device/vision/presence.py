"""Presence of items, from frames alone: learns the empty scene and notices what comes, rests and goes.

    learning ──> empty ──> arriving ──> settled ──> decided ──> arriving ──> cleared ──> empty
                   ^           │            │                       │
                   └───────────┘ (a hand,   └──> arriving           └──> settled (the next item, in its
                                 a flicker)                              place or on top of it)

The scene is a pile (`scene.py`). Movement that ends in the look of a lower layer means that things were taken
away; in the look of the top layer, that nothing happened; in neither, that a new item lies there, unless the
top item was only nudged, a hand drawn back from it, the light over the whole scene switched, or a thing taken away
that was learned with the scene. A light that the empty scene was seen in before is known again, whatever part of the
view it changes and whatever is put in meanwhile (`lights.py`). Only the top layer follows slow changes of light, and
only while nothing moves, so the empty scene never learns an item that was left lying.

After a restart (`recall`) and after half a minute without a frame nothing is taken for granted: the first still
scene is judged against the pile, and one that has nothing in common with it is learned anew.

Time is the frames' own `captured_ns`; nothing here sleeps or asks a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.vision.lights import add, adopt, empty_in_light, known_light
from waste_edge.device.vision.not_items import gain_map, is_left_behind, is_other_light
from waste_edge.device.vision.scene import (
    GRID_HEIGHT,
    GRID_WIDTH,
    Grid,
    LitScene,
    PresenceConfig,
    SceneModel,
    area,
    difference,
    small,
    unpack,
)
from waste_edge.device.vision.scene_ground import region_of_cells
from waste_edge.imaging.frames import Pixels
from waste_edge.item import Ground, ItemRegion, find_item
from waste_edge.item.ground import shrink, working_size

__all__ = ["Grid", "Presence", "PresenceConfig", "State", "small"]


_GROUND_S = 1.0  # nor is its fine picture more often than this
_FOLLOW_S = 0.5  # light changes slowly: not every frame is followed
_MOST_OF_HOLE = 0.5  # of the changed cells' area, at least, is that of a hole's region


class State(StrEnum):
    """State of the scene. `CLEARED` lasts one frame."""

    LEARNING = "learning"
    EMPTY = "empty"
    ARRIVING = "arriving"
    SETTLED = "settled"
    DECIDED = "decided"
    CLEARED = "cleared"


class Presence:
    """Follows one camera's scene, which is taken to be empty when it is first seen.

    Attributes:
        state: after the last frame seen.
        arrived_ns: capture time of the frame in which the present movement or item was first seen.
        pile_changes: counts how often the pile gained, lost or renewed a layer: when it moves, `remember` has
            something new to say.
        relit_ns: capture time of the frame in which the whole scene was last found in another light; None before.
    """

    def __init__(self, sense: PresenceConfig | None = None) -> None:
        self.state = State.LEARNING
        self.arrived_ns = 0
        self.pile_changes = 0
        self.relit_ns: int | None = None
        self._sense = sense or PresenceConfig()
        self._scene_model: SceneModel | None = None  # None while the empty scene is being learned
        self._doubtful = False  # the pile is older than what is seen
        self._last: Grid | None = None
        self._last_ns = 0
        self._still_since_ns = 0
        self._unfollowed_s = 0.0
        self._calm = False  # the last frame showed the top layer and nothing else
        self._ground_ns = 0
        self._first_ns = 0
        self._lesson: list[tuple[int, Grid]] = []  # capture times and looks
        self._lights: list[LitScene] = []  # known while the scene itself is being learned
        no_noise = np.zeros((GRID_HEIGHT, GRID_WIDTH), np.float32)
        self._unlearned = SceneModel(self._sense, np.zeros((GRID_HEIGHT, GRID_WIDTH, 3), np.float32), no_noise)

    @property
    def item_id(self) -> str:
        """The id of the item on top of the pile; empty if the scene is empty or not yet learned."""
        return self._scene_model.layers[-1].item_id if self._scene_model else ""

    def empty_in_light(self, look: Grid) -> LitScene | None:
        """The empty scene in the light of a frame, not to be changed; None while it is being learned."""
        return empty_in_light(self._scene_model, self._sense, look) if self._scene_model else None

    @property
    def light(self) -> int:
        """Number of the light that the scene is seen in, from 1; 0 while it is being learned."""
        return self._scene_model.light if self._scene_model else 0

    @property
    def known_lights(self) -> int:
        """Count the lights that are known, also while the scene is being learned in a further one."""
        return len(self._lights) if self._scene_model is None else len(self._scene_model.lights) + 1

    @property
    def lights(self) -> dict[int, Grid]:
        """The empty scene in each light that is known, which are not to be changed; none while it is being learned."""
        if self._scene_model is None:
            return {}
        return {one.number: one.look for one in (*self._scene_model.lights, self._scene_model.lit)}

    def see(self, look: Grid, captured_ns: int) -> State:
        """Take in one frame as `small` made it and return the new state."""
        self._calm = False
        if self._last is None or captured_ns - self._last_ns > self._sense.gap_s * NS_PER_S:
            self._begin(captured_ns)
        elif self._stillness_counts() and (self._scene_model or self._unlearned).moved(look, self._last):
            self._still_since_ns = captured_ns
        elapsed_s = max(0.0, (captured_ns - self._last_ns) / NS_PER_S)
        self._last, self._last_ns = look, captured_ns
        if self._scene_model is None:
            self.state = self._learn(look, captured_ns)
        elif self.state in (State.ARRIVING, State.SETTLED):
            self.state = self._judge(self._scene_model, look, captured_ns)
        else:
            self.state = self._watch(self._scene_model, look, captured_ns, elapsed_s)
        return self.state

    def _stillness_counts(self) -> bool:
        """Return whether it matters how long nothing moved: else a change of the scene begins that anew."""
        return self._scene_model is None or self.state in (State.ARRIVING, State.SETTLED)

    def keep_ground(self, watched: Pixels) -> None:
        """Keep the top layer's ground up to date; call it with each frame's pixels after `see`."""
        if not self._calm or self._scene_model is None:
            return
        top, elapsed_s = self._scene_model.layers[-1], (self._last_ns - self._ground_ns) / NS_PER_S
        if top.ground is None or working_size(watched.shape[1], watched.shape[0]) != top.ground.size:
            top.ground = Ground(watched)
        elif elapsed_s >= _GROUND_S:
            top.ground.follow(watched, min(1.0, elapsed_s / self._sense.adapt_s))
        else:
            return
        self._ground_ns = self._last_ns

    def find_item(self, watched: Pixels) -> ItemRegion | None:
        """Locate the settled item in the frame that was seen last; None if there is none.

        Found coarsely, in the cells of the grid, where the scene below was not seen in full, or looks much like it.
        """
        if self._scene_model is None or self._last is None:
            return None
        below = self._scene_model.lies_on(self._last)
        found = None
        if below.ground is not None and working_size(watched.shape[1], watched.shape[0]) == below.ground.size:
            found = find_item(watched, below.ground)
        return found or region_of_cells(self._scene_model.changed(self._last, below))

    def forget_ghost(self, watched: Pixels, region: ItemRegion) -> bool:
        """Return whether what has settled is no item but the hole of a thing that was learned with the scene.

        If so, the scene is corrected, and nothing is there (`State.CLEARED`).
        """
        if self._scene_model is None or self._last is None:
            return False
        below = self._scene_model.lies_on(self._last)
        if below.ground is None or region.mask.shape != below.ground.look.shape[:2]:
            return False
        seen, cells = shrink(watched, below.ground.size), self._scene_model.changed(self._last, below)
        mask = np.asarray(region.mask, np.bool_)
        # A region that was found in part only is no outline to judge: a grey thing on white is half taken for shadow.
        if area(mask) < _MOST_OF_HOLE * area(cells) or not is_left_behind(seen, below.ground.look, mask):
            return False
        self._scene_model.patch(self._last, cells, seen, mask)
        self.pile_changes += 1
        self.state = State.CLEARED
        return True

    def decided(self, item_id: str) -> None:
        """Say that the settled item has been decided under an id: its look becomes the top of the pile."""
        if self.state is not State.SETTLED or self._scene_model is None or self._last is None:
            raise ValueError(f"only a settled item can be decided, the scene is {self.state.value}")
        self._scene_model.put(self._last, item_id)
        self.pile_changes += 1
        self.state = State.DECIDED

    def learn_light(self) -> None:
        """Take what is seen from now on for the same empty scene in another light, or in one that is known."""
        known = [*self._scene_model.lights, self._scene_model.lit] if self._scene_model else self._lights
        self.learn_anew()
        self._lights = known

    def know_lights(self, looks: Mapping[int, Grid]) -> None:
        """Take up lights that the empty scene was seen in by another run; those that are known stay as they are.

        Args:
            looks: by number, as `lights` gives them, of the same camera and the same part of its view.
        """
        if self._scene_model is not None:
            add(self._scene_model, self._sense, looks)
        else:
            self._lights = [LitScene(number, look) for number, look in sorted(looks.items())]

    def learn_anew(self) -> None:
        """Forget the scene and take what is seen from now on for the empty one: the camera was moved."""
        self._lights = []
        self._scene_model = None
        self._last = None
        self._doubtful = False
        self.state = State.LEARNING
        self.pile_changes += 1

    def remember(self) -> bytes:
        """The pile, for `recall` after a restart: some tens of kB at most; nothing while learning."""
        return self._scene_model.pack() if self._scene_model else b""

    def recall(self, kept: bytes) -> bool:
        """Take up what `remember` gave, before the first frame.

        Returns:
            False if it cannot be read; then nothing has changed and the scene will be learned.
        """
        scene_model = unpack(kept, self._sense)
        if scene_model is None:
            return False
        self._scene_model = scene_model
        self._last = None
        self.pile_changes += 1
        return True

    def _begin(self, now_ns: int) -> None:
        """The first frame, or the first after a gap: what was known is in doubt, and stillness starts now."""
        self._first_ns = self._still_since_ns = self._last_ns = now_ns
        self._lesson.clear()
        if self._scene_model is not None:
            self.state, self._doubtful, self.arrived_ns = State.ARRIVING, True, now_ns

    def _learn(self, look: Grid, now_ns: int) -> State:
        """Average the scene since it became still; one that never rests is taken as it is, after a while."""
        self._lesson.append((now_ns, look))
        del self._lesson[:-64]  # some seconds are enough to know the noise
        late = (now_ns - self._first_ns) / NS_PER_S >= self._sense.learn_at_most_s
        if not late and (now_ns - self._still_since_ns) / NS_PER_S < self._sense.learn_s:
            return State.LEARNING
        since_ns = 0 if late else self._still_since_ns
        seen = [look for time_ns, look in self._lesson if time_ns >= since_ns]
        mean = np.asarray(np.mean(seen, axis=0), np.float32)
        noise = np.asarray(np.mean([difference(look, mean) for look in seen], axis=0), np.float32)
        self._scene_model = SceneModel(self._sense, mean, noise)
        adopt(self._scene_model, self._sense, self._lights)
        self.pile_changes += 1
        self._lesson.clear()
        return State.EMPTY

    def _watch(self, scene_model: SceneModel, look: Grid, now_ns: int, elapsed_s: float) -> State:
        """Watch for a change, else follow the light."""
        change = area(scene_model.changed(look, scene_model.layers[-1]))
        if change >= self._sense.item_area:
            self.arrived_ns = now_ns
            # The change itself is movement, even if its neighbour frame was just as far from the scene.
            self._still_since_ns = now_ns
            return State.ARRIVING
        if change < self._sense.item_area / 2:
            self._calm = True
            self._unfollowed_s += elapsed_s
            if self._unfollowed_s >= _FOLLOW_S:
                scene_model.follow(look, self._unfollowed_s)
                self._unfollowed_s = 0.0
        return self._resting(scene_model)

    def _judge(self, scene_model: SceneModel, look: Grid, now_ns: int) -> State:
        """Wait until what moves is still, then classify the change of the scene."""
        if (now_ns - self._still_since_ns) / NS_PER_S < self._sense.settle_s:
            return State.ARRIVING
        doubtful, self._doubtful = self._doubtful, False
        depth = scene_model.find(look)
        known = known_light(scene_model, self._sense, look) if depth is None else None
        if known is not None:
            scene_model = self._scene_model = known
            self.pile_changes += 1
            self.relit_ns = now_ns
            depth, doubtful = known.find(look), False
        if depth is not None:
            taken_away = depth + 1 < len(scene_model.layers)
            if taken_away:
                scene_model.take_down_to(depth)
                self.pile_changes += 1
            return State.CLEARED if taken_away else self._resting(scene_model)
        if doubtful and scene_model.is_foreign(look):
            self.learn_anew()
            return State.LEARNING
        top = scene_model.layers[-1]
        if is_other_light(look, top.look, scene_model.changed(look, top)):
            scene_model.relight(look, gain_map(look, top.look))
            self.pile_changes += 1
            self.relit_ns = now_ns
            return self._resting(scene_model)
        if scene_model.same_item(look):
            scene_model.renew_top(look)
            self.pile_changes += 1
            return State.DECIDED
        return State.SETTLED

    def _resting(self, scene_model: SceneModel) -> State:
        return State.EMPTY if len(scene_model.layers) == 1 else State.DECIDED
