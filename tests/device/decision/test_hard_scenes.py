"""Scenes that are hard to see: each has a right outcome, from the frames to the event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import msgspec
import numpy as np
import pytest

from tests.device.conftest import make_prediction
from waste_edge.bundle.manifest import Calibration
from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.capture.convert import frame_of, turned
from waste_edge.device.capture.messages import Ended
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig, FaultKind
from waste_edge.device.vision.inspection import Inspector, Visibility
from waste_edge.device.vision.presence import Presence, State, small
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.preprocess import Region, View
from waste_edge.site import Site, site_of_labels

LABELS = ("glass", "paper", "metal")
FPS = 15
WIDTH, HEIGHT = 320, 240
ITEM = Region(left=0.35, top=0.3, right=0.65, bottom=0.7)


def wood(seed: int = 0, level: float = 120.0, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """A board with grain."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 60, (height, width)).astype(np.float32), (0, 0), 6, sigmaY=1.5)
    board = level + grain[..., None] * np.array([1.0, 0.8, 0.6]) + np.array([20.0, 0.0, -20.0])
    return board.clip(0, 255).astype(np.uint8)


def box_px(box: Region, picture: Pixels) -> tuple[slice, slice]:
    height, width = picture.shape[:2]
    return (
        slice(round(box.top * height), round(box.bottom * height)),
        slice(round(box.left * width), round(box.right * width)),
    )


def with_item(
    ground: Pixels, box: Region = ITEM, colour: tuple[int, int, int] = (40, 90, 200), seed: int = 3
) -> Pixels:
    """A printed box on a ground."""
    picture = ground.copy()
    part = picture[box_px(box, picture)]
    print_ = np.random.default_rng(seed).normal(0, 12, (*part.shape[:2], 1))
    part[:] = (np.array(colour) + cv2.GaussianBlur(print_, (0, 0), 2)[..., None] * 3).clip(0, 255)
    return picture


class Bin:
    """A station's eye over scripted pictures, with its own idea of time and noise."""

    def __init__(self, calibration: Calibration, site: Site | None = None, region: Region | None = None) -> None:
        self.time_ns = 0
        self.asked: list[Pixels] = []
        self.states: list[State] = []
        self.events: list[Event] = []
        self.faults: set[FaultKind] = set()
        self._calibration = calibration
        self._noise = np.random.default_rng(9)
        self._site = site or site_of_labels(LABELS)
        self._region = region
        self.items = self.start()

    def start(self, kept: bytes = b"") -> CameraItemTracker:
        """A station that was just started."""
        site = self._site
        if self._region is not None:
            site = msgspec.structs.replace(site, region=self._region)
        manifest = type("Manifest", (), {"labels": list(LABELS), "tree": {}, "calibration": self._calibration})()
        inspector = Inspector(self._answer, View(kind="item", margin=0.1), looks=4)
        self.items = CameraItemTracker(
            DecisionPolicy(manifest, site), inspector, health=CameraHealth(CameraHealthConfig(watch_frozen=False))
        )
        if kept:
            assert self.items.presence.recall(kept)
        return self.items

    def _answer(self, pixels: Pixels):
        self.asked.append(pixels)
        return make_prediction([0.1, 0.8, 0.1], self._calibration)

    def frames(self, picture: Pixels, seconds: float) -> Iterator[Frame]:
        for _ in range(round(seconds * FPS)):
            self.time_ns += 1_000_000_000 // FPS
            noisy = picture + self._noise.normal(0, 1.5, picture.shape)
            yield Frame(noisy.clip(0, 255).astype(np.uint8), self.time_ns)

    def show(self, picture: Pixels, seconds: float = 2.0) -> list[Event]:
        """Show one picture for a while; the events of that time."""
        return self.see(self.frames(picture, seconds))

    def see(self, frames: Iterable[Frame]) -> list[Event]:
        before = len(self.events)
        for frame in frames:
            seen = self.items.see(frame)
            self.states.append(seen.state)
            self.events += [seen.event] if seen.event else []
            self.faults |= {self.items.fault.kind} if self.items.fault else set()
        return self.events[before:]


def overlap(one: Region | None, other: Region) -> float:
    """Intersection over union."""
    assert one is not None
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = max(0.0, width) * max(0.0, height)
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (one, other)]
    return both / (sum(areas) - both)


@pytest.fixture
def at(calibration: Calibration) -> Bin:
    return Bin(calibration)


def test_an_item_is_shown_to_the_network_as_a_crop_and_the_event_says_where(at):
    at.show(wood(), 1.5)
    (event,) = at.show(with_item(wood()))
    assert overlap(event.item_box, ITEM) > 0.85
    assert (event.visibility, event.looks, event.decision.label) == (Visibility.WELL, 4, "paper")
    assert event.crop is not None
    assert event.crop.shape[0] == event.crop.shape[1] == pytest.approx(1.2 * 0.4 * HEIGHT, abs=8)
    assert len(at.asked) == 4
    assert event.frame == round(1.5 * FPS) + at.states[round(1.5 * FPS) :].index(State.DECIDED) + 1


def test_the_item_on_top_is_cropped_and_not_the_pile(at):
    below, above = ITEM, Region(left=0.42, top=0.38, right=0.72, bottom=0.74)
    first = with_item(wood())
    at.show(wood(), 1.5)
    at.show(first)
    (event,) = at.show(with_item(first, above, (220, 210, 60), seed=4))
    assert overlap(event.item_box, above) > 0.75
    assert overlap(event.item_box, below) < 0.7


@pytest.mark.parametrize("side", [0.16, 0.24])
def test_a_small_item_that_lies_on_a_larger_one_is_one_more(at, side):
    below, above = Region(left=0.2, top=0.15, right=0.8, bottom=0.9), Region(0.4, 0.4, 0.4 + side, 0.4 + side * 4 / 3)
    first = with_item(wood(), below)
    at.show(wood(), 1.5)
    at.show(first)
    (event,) = at.show(with_item(first, above, (220, 210, 60), seed=4))
    assert overlap(event.item_box, above) > 0.75
    assert at.show(first) == [], "it was taken away again"
    assert at.states[-1] is State.DECIDED


@pytest.mark.parametrize("shift", [0.004, 0.01, 0.02, 0.05])
def test_a_printed_item_that_is_nudged_is_not_one_more(at, shift):
    below = Region(left=0.2, top=0.15, right=0.8, bottom=0.9)
    at.show(wood(), 1.5)
    at.show(with_item(wood(), below))
    nudged = Region(left=0.2 + shift, top=0.15, right=0.8 + shift, bottom=0.9)
    assert at.show(with_item(wood(), nudged)) == []


def test_an_item_that_took_anothers_place_is_cropped_alone(at):
    first, second = Region(left=0.1, top=0.2, right=0.4, bottom=0.6), Region(left=0.5, top=0.3, right=0.85, bottom=0.8)
    at.show(wood(), 1.5)
    at.show(with_item(wood(), first))
    (event,) = at.show(with_item(wood(), second, (220, 210, 60)))
    assert overlap(event.item_box, second) > 0.85


def test_a_ground_as_bright_as_the_item(at):
    """The item has the board's brightness and only another colour."""
    ground = wood(level=130)
    at.show(ground, 1.5)
    (event,) = at.show(with_item(ground, colour=(105, 140, 130)))
    assert overlap(event.item_box, ITEM) > 0.7


def test_a_transparent_bottle_is_one_thing_though_the_ground_shows_through(at):
    ground = wood()
    bottle = ground.astype(np.float32)
    rows, columns = box_px(ITEM, ground)
    inside = bottle[rows, columns] * 0.93 + 4  # the ground shows through
    bottle[rows, columns] = inside
    frame = np.zeros(ground.shape[:2], np.uint8)
    corners = (columns.start, rows.start), (columns.stop, rows.stop)
    cv2.rectangle(frame, *corners, 255, 4)  # rims
    cv2.rectangle(frame, (columns.start + 25, rows.start + 30), (columns.stop - 25, rows.stop - 40), 255, -1)  # label
    cv2.line(frame, (columns.start + 14, rows.start + 8), (columns.start + 14, rows.stop - 8), 255, 3)  # a reflection
    bottle[frame > 0] = (235, 240, 240)
    at.show(ground, 1.5)
    (event,) = at.show(bottle.clip(0, 255).astype(np.uint8))
    assert event.visibility is Visibility.WELL
    assert overlap(event.item_box, ITEM) > 0.85


def test_an_item_that_covers_nine_tenths_of_the_view_is_an_item(at):
    huge = Region(left=0.03, top=0.02, right=0.98, bottom=0.97)
    at.show(wood(), 1.5)
    (event,) = at.show(with_item(wood(), huge, (180, 140, 90)))
    assert overlap(event.item_box, huge) > 0.85
    assert FaultKind.LIGHT not in at.faults


@pytest.mark.parametrize("gain", [1.0, 1.3])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("share", [0.55, 0.75, 0.95])
def test_however_large_an_item_is_it_is_not_taken_for_other_light(at, share, plain, gain):
    ground = np.full((HEIGHT, WIDTH, 3), 125, np.uint8) if plain else wood()
    beside = (1 - share**0.5) / 2
    box = Region(left=beside, top=beside, right=1 - beside, bottom=1 - beside)
    at.show(ground, 1.2)
    (event,) = at.show((with_item(ground, box, (60, 150, 60)) * gain).clip(0, 255).astype(np.uint8), 1.5)
    assert event.item_box is not None
    assert FaultKind.LIGHT not in at.faults


def test_in_a_region_of_interest_boxes_are_still_shares_of_the_frame(calibration):
    at = Bin(calibration, region=Region(left=0.25, top=0.2, right=0.9, bottom=0.9))
    at.show(wood(), 1.5)
    (event,) = at.show(with_item(wood()))
    assert overlap(event.item_box, ITEM) > 0.85
    outside = with_item(with_item(wood()), Region(left=0.0, top=0.0, right=0.2, bottom=0.9), (10, 10, 10))
    assert at.show(outside) == []


def test_a_scene_learned_with_an_item_in_it_counts_nothing_when_that_is_taken_away(at):
    at.show(with_item(wood()), 1.5)
    assert at.show(wood(), 3.0) == []
    assert at.states[-1] is State.EMPTY
    (event,) = at.show(with_item(wood(), colour=(220, 210, 60)))
    assert overlap(event.item_box, ITEM) > 0.85


@pytest.mark.parametrize("gain", [0.75, 1.3])
def test_a_camera_that_changes_its_exposure_as_the_item_comes(at, gain):
    at.show(wood(), 1.5)
    (event,) = at.show((with_item(wood()) * gain).clip(0, 255).astype(np.uint8), 3.0)
    assert overlap(event.item_box, ITEM) > 0.8


@pytest.mark.parametrize(
    "ground", [wood(level=150), np.full((HEIGHT, WIDTH, 3), 200, np.uint8)], ids=["drawn", "plain"]
)
@pytest.mark.parametrize("gain", [0.88, 1.12])
@pytest.mark.parametrize("side", [0.2, 0.4])
def test_a_step_of_exposure_that_all_of_the_view_shows_hides_no_item(at, side, gain, ground):
    """Nearly all of the view changes, and its drawing stays: the item is what an even change does not explain."""
    box = Region(left=0.3, top=0.3, right=0.3 + side, bottom=0.3 + side)
    at.show(ground, 1.5)
    (event,) = at.show((with_item(ground, box) * gain).clip(0, 255).astype(np.uint8), 2.0)
    assert overlap(event.item_box, box) > 0.8
    assert FaultKind.LIGHT not in at.faults


PALE = 215.0  # a board so bright that a little more light burns it out


def framed(board: Pixels, margin: int = 30) -> Pixels:
    """A board on a sheet that is white already."""
    picture = board.copy()
    picture[:margin] = picture[-margin:] = 255
    picture[:, :margin] = picture[:, -margin:] = 255
    return picture


@pytest.mark.parametrize("gain", [1.08, 1.25])
def test_a_pale_ground_that_burns_out_as_a_dark_item_comes_hides_no_item(at, gain):
    """The camera exposes for the item: what is lost of the ground is neither blur nor the camera's fault."""
    ground = framed(wood(level=PALE))
    at.show(ground, 4)
    brighter = (with_item(ground, colour=(35, 40, 45)) * gain).clip(0, 255).astype(np.uint8)
    assert len(at.show(brighter)) == 1
    assert overlap(at.events[0].item_box, ITEM) > 0.7
    assert at.faults == set()
    assert at.show(ground) == []
    assert at.states[-1] is State.EMPTY


def test_a_burnt_out_view_without_anything_in_it_is_still_told(at):
    ground = framed(wood(level=PALE))
    at.show(ground, 4)
    at.show((ground * 1.5).clip(0, 255).astype(np.uint8), 4)
    assert FaultKind.OVEREXPOSED in at.faults
    assert at.events == []


@pytest.mark.parametrize("left", [0.06, 0.12])
def test_an_item_beside_a_drawn_board_is_not_taken_for_other_light(at, left):
    """The exposure steps as a pale item comes: the drawing stays in place, and tells nothing of what lies beside it."""
    ground = np.full((HEIGHT, WIDTH, 3), 254, np.uint8)
    ground[:, 112:240] = wood(level=170)[:, 112:240]
    box = Region(left=left, top=0.43, right=left + 0.25, bottom=0.9)
    at.show(ground, 1.5)
    (event,) = at.show((with_item(ground, box, (225, 200, 165)) * 0.82).clip(0, 255).astype(np.uint8), 2.0)
    assert overlap(event.item_box, box) > 0.7
    assert FaultKind.LIGHT not in at.faults


@pytest.mark.parametrize(
    ("box", "colour", "exposure"),
    [
        (Region(left=0.35, top=0.14, right=0.44, bottom=0.39), (63, 151, 97), 0.79),
        (Region(left=0.62, top=0.24, right=0.68, bottom=0.52), (180, 105, 83), 0.79),
        (Region(left=0.47, top=0.33, right=0.53, bottom=0.59), (93, 113, 165), 0.8),
    ],
)
def test_a_thin_item_on_a_drawing_is_not_taken_for_other_light(at, box, colour, exposure):
    """The exposure steps as it comes, and most of the drawing in each block that it covers stays in place."""
    at.show(wood(), 1.5)
    (event,) = at.show((with_item(wood(), box, colour) * exposure).clip(0, 255).astype(np.uint8), 2.0)
    assert overlap(event.item_box, box) > 0.7
    assert FaultKind.LIGHT not in at.faults


def test_a_region_that_was_found_in_part_only_is_no_hole(at):
    """What lies where a line was drawn looks like a hole, if the rest of it was taken for a shadow."""
    presence = Presence()
    for frame in at.frames(with_item(wood()), 1.5):
        presence.see(small(frame.pixels), frame.captured_ns)
        presence.keep_ground(frame.pixels)
    for frame in at.frames(wood(), 0.6):
        presence.see(small(frame.pixels), frame.captured_ns)
    region = presence.find_item(frame.pixels)
    assert region is not None
    part = region.mask.copy()
    part[:, : round((ITEM.left + 0.7 * (ITEM.right - ITEM.left)) * part.shape[1])] = False
    assert not presence.forget_ghost(frame.pixels, replace(region, mask=part))
    assert presence.state is State.SETTLED
    assert presence.forget_ghost(frame.pixels, region)
    assert presence.state is State.CLEARED


@pytest.mark.parametrize("factor", [0.35, 1.9])
def test_a_lamp_that_lights_the_scene_unevenly_is_news_of_the_camera_and_no_item(at, factor):
    ground = wood(level=100)
    slope = np.linspace(1.0, factor, WIDTH)[None, :, None] * np.linspace(0.75, 1.25, HEIGHT)[:, None, None]
    lit = (ground * slope).clip(0, 255).astype(np.uint8)
    at.show(ground, 1.5)
    assert at.show(lit, 4.0) == []
    assert FaultKind.LIGHT in at.faults
    assert at.states[-1] is State.EMPTY
    (event,) = at.show(with_item(lit), 3.0)
    assert overlap(event.item_box, ITEM) > 0.8


def test_a_restart_with_the_item_lying_there_decides_it_once_and_the_next_one_well(at):
    scene = with_item(wood())
    at.show(wood(), 1.5)
    assert len(at.show(scene)) == 1
    at.time_ns += 20_000_000_000
    at.start(at.items.remember())
    assert at.show(scene, 3.0) == []
    assert at.show(wood(), 2.0) == []
    (event,) = at.show(with_item(wood(), colour=(220, 210, 60)))
    assert overlap(event.item_box, ITEM) > 0.85


def test_an_item_that_was_not_decided_when_the_station_ended_is_cropped_from_the_kept_ground(at):
    at.show(wood(), 1.5)
    at.show(with_item(wood()), 0.4)
    at.start(at.items.remember())
    (event,) = at.show(with_item(wood()))
    assert overlap(event.item_box, ITEM) > 0.85


# --- items that cannot be seen well -----------------------------------------------------------------------

TWO = (Region(left=0.08, top=0.3, right=0.3, bottom=0.6), Region(left=0.6, top=0.35, right=0.9, bottom=0.8))


@pytest.mark.parametrize(
    ("options", "action", "stream", "asked"),
    [
        ({}, "residual", "residual", 0),
        ({"ask": 0.1}, "ask", "ask", 0),
        ({"ask": 0.1, "several": "residual"}, "residual", "residual", 0),
        ({"several": "largest"}, "sort", "paper", 4),
    ],
)
def test_things_that_lie_apart_are_decided_as_the_site_says(calibration, options, action, stream, asked):
    site = Site(name="here", residual="residual", streams={label: label for label in LABELS}, **options)
    at = Bin(calibration, site)
    at.show(wood(), 1.5)
    (event,) = at.show(with_item(with_item(wood(), TWO[0]), TWO[1], (220, 210, 60)))
    assert (event.decision.action, event.decision.stream) == (action, stream)
    assert event.visibility is Visibility.SEVERAL
    assert "2 things" in event.decision.reason
    assert (event.looks, len(at.asked)) == (asked, asked)
    if asked:
        assert overlap(event.item_box, TWO[1]) > 0.85, "the larger one is what was decided"


def test_an_item_at_the_edge_is_decided_and_its_reason_says_so(at):
    at.show(wood(), 1.5)
    (event,) = at.show(with_item(wood(), Region(left=0.75, top=0.3, right=1.0, bottom=0.7)))
    assert event.visibility is Visibility.PARTLY
    assert event.decision.reason.startswith("only partly in view; ")
    assert event.decision.label == "paper"


def test_an_item_of_too_few_pixels_is_not_told(calibration):
    at = Bin(calibration)
    small = wood(width=64, height=48)
    at.show(small, 1.5)
    (event,) = at.show(with_item(small, Region(left=0.4, top=0.4, right=0.6, bottom=0.65)))
    assert event.visibility is Visibility.SMALL
    assert (event.decision.stream, event.looks, at.asked) == ("residual", 0, [])
    assert "too small" in event.decision.reason


# --- layouts, sizes, rotation -----------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(642, 482), (300, 500), (321, 243), (1280, 720)])
def test_odd_sizes(at, width, height):
    ground = wood(width=width, height=height)
    at.show(ground, 1.2)
    (event,) = at.show(with_item(ground), 1.5)
    assert overlap(event.item_box, ITEM) > 0.85


def test_frames_of_planar_yuv(at):
    def converted(frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            planes = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2YUV_I420)
            yield frame_of(RawFrame(np.asarray(planes, np.uint8), "yuv420", WIDTH, HEIGHT, frame.captured_ns))

    at.see(converted(at.frames(wood(), 1.5)))
    (event,) = at.see(converted(at.frames(with_item(wood()), 2.0)))
    assert overlap(event.item_box, ITEM) > 0.85


class _Film:
    dropped_frames = abandoned = 0

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = iter(frames)

    def take(self, timeout_s: float):
        return next(self._frames, Ended())

    def close(self) -> None: ...


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_camera_that_hangs_turned(at, degrees):
    """The camera's picture is turned before anything looks at it: box and crop are upright."""
    codes = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
    ground, item = wood(), with_item(wood(), Region(left=0.1, top=0.3, right=0.5, bottom=0.5))
    hanging = [picture if not degrees else cv2.rotate(picture, codes[degrees]) for picture in (ground, item)]
    film = _Film([*at.frames(hanging[0], 1.5), *at.frames(hanging[1], 2.0)])
    messages = turned(film, degrees)  # type: ignore[arg-type]
    frames = []
    while isinstance(message := messages.take(0.1), Frame):
        frames.append(message)
    (event,) = at.see(frames)
    assert overlap(event.item_box, Region(left=0.1, top=0.3, right=0.5, bottom=0.5)) > 0.85
