"""Faults made by real image operations are reported in time and withdrawn; ordinary scenes raise none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import pytest

from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig, Fault, FaultKind
from waste_edge.device.vision.presence import Presence, State, small
from waste_edge.device.vision.scene import LitScene
from waste_edge.files.resources import DEMO_CLIP
from waste_edge.imaging.frames import Pixels
from waste_edge.rendering.items.sprites import ITEM_LABELS, render_item
from waste_edge.rendering.scene import Background, compose, paint_background

FPS = 8
WIDTH, HEIGHT = 640, 480


class Bin:
    """A camera over a drawn scene: presence and camera health as the loop runs them."""

    def __init__(self, background: Background = Background.CONCRETE, seed: int = 1, watch_frozen: bool = True) -> None:
        self.rng = np.random.default_rng([seed, 1])
        self.empty = paint_background(background, self.rng, WIDTH, HEIGHT)
        self.presence = Presence()
        self.health = CameraHealth(CameraHealthConfig(watch_frozen=watch_frozen))
        self.time_ns = 0
        self.suspected = 0
        self.settled = 0
        self.items = 0
        self._noise = [self.rng.standard_normal((HEIGHT, WIDTH, 3)).astype(np.float32) for _ in range(3)]

    def noisy(self, picture: Pixels, noise: float = 1.5) -> Pixels:
        field = self._noise[int(self.rng.integers(3))] * np.float32(self.rng.choice([-noise, noise]))
        return (np.roll(field, int(self.rng.integers(HEIGHT)), 0) + picture).clip(0, 255).astype(np.uint8)

    def see(self, pixels: Pixels, seconds: float = 1 / FPS) -> Fault | None:
        """One frame, exactly these pixels."""
        self.time_ns += round(seconds * 1e9)
        look, presence = small(pixels), self.presence
        resting = presence.state is State.EMPTY
        fault = self.health.see(pixels, look, self.time_ns, presence.empty_in_light(look), resting)
        self.suspected += self.health.suspects
        if fault is None and not self.health.suspects:
            self.settled = self.settled + 1 if presence.see(look, self.time_ns) is State.SETTLED else 0
            if self.settled == 5:
                self.items += 1
                presence.decided(f"item {self.items}")
        return fault

    def hold(self, picture: Pixels, seconds: float, noise: float = 1.5) -> list[Fault | None]:
        return [self.see(self.noisy(picture, noise)) for _ in range(round(seconds * FPS))]

    def with_item(self, label: str, scale: float) -> Pixels:
        sprite = render_item(label, self.rng, 300)
        place = (float(self.rng.uniform(0.4, 0.6)), float(self.rng.uniform(0.4, 0.6)))
        return compose(self.empty, sprite, place, scale, float(self.rng.uniform(0, 360)), self.rng)


def gain(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda picture: (picture * np.float32(factor)).clip(0, 255).astype(np.uint8)


def blur(sigma: float) -> Callable[[Pixels], Pixels]:
    return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def shift(across: int, down: int) -> Callable[[Pixels], Pixels]:
    def move(picture: Pixels) -> Pixels:
        matrix = np.array([[1, 0, across], [0, 1, down]], np.float64)
        return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)

    return move


def finger(picture: Pixels) -> Pixels:
    """Skin over the lens: lit through, brighter to one side."""
    ramp = np.linspace(30, 110, WIDTH)[None, :, None] * np.array([1.0, 0.6, 0.5])
    return np.repeat(ramp, HEIGHT, axis=0).astype(np.uint8)


def smear(picture: Pixels) -> Pixels:
    return np.asarray(cv2.blur(picture, (41, 15)), np.uint8)


FAULTS: dict[str, tuple[Callable[[Pixels], Pixels], FaultKind, str]] = {
    "lens cap": (lambda picture: np.full_like(picture, 45), FaultKind.BLOCKED, "uncover"),
    "finger": (finger, FaultKind.BLOCKED, "uncover"),
    "defocus 6": (blur(6), FaultKind.BLURRED, "wipe the lens"),
    "defocus 12": (blur(12), FaultKind.BLURRED, "wipe the lens"),
    "smear": (smear, FaultKind.BLURRED, "wipe the lens"),
    "night": (gain(0.03), FaultKind.DARK, "switch on the light"),
    "sun": (gain(6), FaultKind.OVEREXPOSED, "shade the camera"),
    "nudged": (shift(18, -12), FaultKind.MOVED, "put it back"),
    "turned away": (shift(-90, 40), FaultKind.MOVED, "put it back"),
}
SCENES = [
    (Background.TRAY, 1),
    (Background.TRAY, 2),
    (Background.CONCRETE, 1),
    (Background.CONCRETE, 2),
    (Background.SPECKLED, 1),
    (Background.SPECKLED, 2),
    (Background.WOOD, 1),
]


@pytest.mark.parametrize(("background", "seed"), SCENES)
def test_each_fault_is_reported_in_time_withdrawn_and_counts_no_item(background, seed):
    at_bin = Bin(background, seed)
    assert at_bin.hold(at_bin.empty, 5)[-1] is None
    for name, (damage, kind, remedy) in FAULTS.items():
        seen = at_bin.hold(damage(at_bin.empty), 7)
        fault = seen[-1]
        assert fault is not None, name
        assert (fault.kind, fault.reason.startswith("not classifying, because ")) == (kind, True), name
        assert remedy in fault.reason
        assert not any(seen[: FPS * 3 // 2]), f"{name} was reported before it lasted"
        after = at_bin.hold(at_bin.empty, 1.5)
        assert after[-1] is None, f"{name} is over"
        assert at_bin.presence.state is State.EMPTY
    assert at_bin.items == 0


@pytest.mark.parametrize("background", [Background.WOOD, Background.CLUTTERED])
def test_red_and_blue_exchanged_are_noticed_where_the_scene_has_colour(background):
    at_bin = Bin(background, 1)
    at_bin.hold(at_bin.empty, 3)
    fault = at_bin.hold(np.ascontiguousarray(at_bin.empty[..., ::-1]), 4)[-1]
    assert fault is not None
    assert fault.kind is FaultKind.COLOURS_SWAPPED
    assert at_bin.hold(at_bin.empty, 1.5)[-1] is None


@pytest.mark.parametrize("background", list(Background))
def test_ordinary_items_raise_no_suspicion_and_each_is_counted(background):
    at_bin = Bin(background, 3)
    at_bin.hold(at_bin.empty, 4)
    for label, scale in zip(ITEM_LABELS, (0.4, 1.3, 0.7, 1.1, 0.9, 0.6), strict=True):
        at_bin.hold(at_bin.with_item(label, scale), 1.5)
        at_bin.hold(at_bin.empty, 0.8)
    assert at_bin.suspected == 0
    assert at_bin.items == len(ITEM_LABELS)


def test_a_smooth_item_over_most_of_the_scene_is_not_a_blurred_picture():
    at_bin = Bin(Background.CONCRETE, 2)
    at_bin.hold(at_bin.empty, 4)
    smooth = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(smooth, (320, 240), (260, 200), 0, 0, 360, 1.0, -1)
    cover = cv2.GaussianBlur(smooth, (0, 0), 12)[..., None]
    picture = (at_bin.empty * (1 - cover) + np.array([200, 190, 120]) * cover).astype(np.uint8)
    at_bin.hold(picture, 8)
    assert at_bin.suspected == 0


def test_a_blurred_picture_is_noticed_with_an_item_in_view_too():
    at_bin = Bin(Background.SPECKLED, 2)
    at_bin.hold(at_bin.empty, 4)
    fault = at_bin.hold(blur(8)(at_bin.with_item("metal", 0.6)), 8)[-1]
    assert fault is not None
    assert fault.kind is FaultKind.BLURRED


def test_hands_and_light_raise_no_fault():
    at_bin = Bin(Background.TRAY, 2)
    at_bin.hold(at_bin.empty, 4)
    faults: list[Fault | None] = []
    for step in range(24):  # an arm from below, waving
        picture = at_bin.empty.copy()
        left = 200 + round(90 * np.sin(step / 2))
        picture[140:, left : left + 150] = (205, 150, 125)
        faults.append(at_bin.see(at_bin.noisy(picture)))
    dusk = (gain(float(light))(at_bin.empty) for light in np.linspace(1.0, 0.3, 600))  # ten minutes
    faults += [at_bin.see(at_bin.noisy(picture), seconds=1.0) for picture in dusk]
    assert not any(faults)


def test_a_hand_over_the_lens_for_a_moment_is_suspected_but_not_reported():
    at_bin = Bin(Background.TRAY, 2)
    at_bin.hold(at_bin.empty, 4)
    assert not any(at_bin.hold(finger(at_bin.empty), 1.2))
    assert at_bin.suspected > 0
    at_bin.hold(at_bin.empty, 2)
    assert at_bin.items == 0


def frames_of_the_demo() -> Iterable[Pixels]:
    film = cv2.VideoCapture(str(DEMO_CLIP))
    while True:
        read, picture = film.read()
        if not read:
            return
        yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def test_the_demo_clip_raises_none_and_keeps_its_ten_items():
    at_bin = Bin()
    faults = [at_bin.see(pixels, 1 / 15) for pixels in frames_of_the_demo()]
    assert not any(faults)
    assert at_bin.suspected == 0
    assert at_bin.items == 10


def test_a_frozen_camera_is_noticed_and_recovers():
    at_bin = Bin()
    at_bin.hold(at_bin.empty, 15)
    stuck = at_bin.noisy(at_bin.empty)
    faults = [at_bin.see(stuck) for _ in range(8 * FPS)]
    assert not any(faults[: 5 * FPS])
    assert faults[-1] is not None
    assert faults[-1].kind is FaultKind.FROZEN
    assert at_bin.hold(at_bin.empty, 1)[-1] is None


@pytest.mark.parametrize(("noise", "watch"), [(0.0, True), (1.5, False)], ids=["a drawn source", "a film"])
def test_sources_that_may_repeat_a_picture_do_not_freeze(noise, watch):
    at_bin = Bin(watch_frozen=watch)
    at_bin.hold(at_bin.empty, 15, noise)
    assert not any(at_bin.see(at_bin.empty) for _ in range(10 * FPS))


def test_a_moved_camera_that_stays_asks_for_a_new_scene_after_a_minute():
    at_bin = Bin(Background.CONCRETE, 2)
    at_bin.hold(at_bin.empty, 4)
    moved = shift(-50, 30)(at_bin.empty)
    at_bin.hold(moved, 30)
    assert not at_bin.health.wants_new_scene
    at_bin.hold(shift(20, 20)(at_bin.empty), 40)  # and moved again: the minute starts anew
    assert not at_bin.health.wants_new_scene
    at_bin.hold(moved, 62)
    assert at_bin.health.wants_new_scene
    at_bin.health.learn_anew()
    at_bin.presence.learn_anew()
    assert at_bin.hold(moved, 3)[-1] is None
    assert at_bin.presence.state is State.EMPTY
    assert at_bin.items == 0


def test_a_covered_lens_is_not_learned_as_the_empty_scene():
    at_bin = Bin(Background.TRAY, 1)
    faults = at_bin.hold(np.full_like(at_bin.empty, 30), 6)
    assert faults[-1] is not None
    at_bin.hold(at_bin.empty, 4)
    assert (at_bin.presence.state, at_bin.items) == (State.EMPTY, 0)


def test_pictures_of_any_size_are_taken():
    pixels = np.zeros((1, 1, 3), np.uint8)
    health = CameraHealth()
    assert health.see(pixels, small(pixels), 0, LitScene(1, small(pixels)), True) is None
    assert health.suspects
