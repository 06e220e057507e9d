"""Lights of a scene: the empty scene as it was seen in other lights, so that a switch back to one of them is known.

A switched lamp changes the scene as a large item does. Where it lights all of the view, or leaves its drawing in
place, it is recognized without having been seen before (`not_items.is_other_light`). Any other one, such as a lamp at
the side with an edge of its shadow across the tray, is known only once the empty scene has been seen in it: then the
layers of the pile are carried over by the ratio of the two empty scenes, cell by cell, and what is left is an item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from waste_edge.device.vision.scene import BURNT, MAX_LIGHTS, Grid, Layer, LitScene, PresenceConfig, SceneModel, area

_MUCH_BETTER = 1 / 3  # of what the present light leaves unexplained is left by the light that is seen
_MOST_GAIN = 12.0  # between two lights in one cell


def in_light(scene: SceneModel, sense: PresenceConfig, number: int, look: Grid) -> SceneModel:
    """The same pile in another of its known lights; the given one is not changed.

    Args:
        scene: as it is.
        sense: how finely to look.
        number: of one of `scene.lights`.
        look: what is seen: how bright a burnt-out cell is in a darker light cannot be computed.
    """
    lit = next(one for one in scene.lights if one.number == number)
    gain = ((lit.look + 4) / (scene.layers[0].look + 4)).clip(1 / _MOST_GAIN, _MOST_GAIN)
    found = SceneModel(sense, lit.look.copy(), scene.noise)
    found.layers[0].ground = lit.ground
    for layer in scene.layers[1:]:
        seen_so = ((layer.look + 4) * gain - 4).clip(0, 255)
        burnt = (layer.look >= BURNT) & (look > seen_so)
        found.layers.append(Layer(np.where(burnt, look, seen_so).astype(np.float32), layer.item_id))
    found.light = number
    found.lights = [*(one for one in scene.lights if one.number != number), scene.lit]
    found.restack()
    return found


def known_light(scene: SceneModel, sense: PresenceConfig, look: Grid) -> SceneModel | None:
    """The pile in the known light that a look shows; None if none explains it, or the present one nearly as well.

    Args:
        scene: as it is, of which the look shows no layer.
        sense: how finely to look.
        look: what is seen: the pile in another light, perhaps with a new item.
    """
    if not scene.lights:
        return None
    unexplained = _strange(scene, look)
    tried = [in_light(scene, sense, one.number, look) for one in scene.lights]
    left = [_strange(one, look) for one in tried]
    best = int(np.argmin(left))
    return tried[best] if left[best] <= max(sense.item_area, _MUCH_BETTER * unexplained) else None


def empty_in_light(scene: SceneModel, sense: PresenceConfig, look: Grid) -> LitScene:
    """The empty scene in that of its lights which explains most of a look; its arrays are not to be changed."""
    if not scene.lights or area(scene.changed(look, scene.layers[0])) < sense.item_area:
        return scene.lit
    return min((scene.lit, *scene.lights), key=lambda one: area(scene.changed(look, Layer(one.look))))


def _strange(scene: SceneModel, look: Grid) -> float:
    """Share of the view that is strange to the layer which explains most of it."""
    return area(scene.changed(look, scene.lies_on(look)))


def adopt(scene: SceneModel, sense: PresenceConfig, others: Sequence[LitScene]) -> None:
    """Give a scene that was just learned the lights that are known of it; if it is seen in one of them, its number.

    Args:
        scene: of the empty scene alone.
        sense: how finely to look.
        others: its lights, all numbers different.
    """
    look = scene.layers[0].look
    same = [one.number for one in others if area(scene.changed(look, Layer(one.look))) < sense.item_area]
    scene.light = same[0] if same else max((one.number for one in others), default=0) + 1
    scene.lights = [one for one in others if one.number not in same][-MAX_LIGHTS:]


def add(scene: SceneModel, sense: PresenceConfig, looks: Mapping[int, Grid]) -> None:
    """Add lights that were learned elsewhere, as far as the scene does not know them; they get numbers of its own.

    Args:
        scene: as it is.
        sense: how finely to look.
        looks: of the empty scene, by number.
    """
    for number in sorted(looks):
        look = looks[number]
        known = [scene.layers[0].look, *(one.look for one in scene.lights)]
        if len(scene.lights) < MAX_LIGHTS and all(
            area(scene.changed(look, Layer(one))) >= sense.item_area for one in known
        ):
            last = max(scene.light, *(one.number for one in scene.lights), 0)
            scene.lights.append(LitScene(last + 1, look))
