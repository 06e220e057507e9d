"""Fakes that several tests of the device room share: a clock, scenes, a classifier of colours, USB cameras."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import ClassVar

import cv2
import numpy as np
import pytest

from waste_edge.bundle.manifest import Calibration
from waste_edge.device.cameras import v4l2
from waste_edge.device.vision.inspection import USUAL_LOOKS, Inspector
from waste_edge.engines.classifier import Prediction, apply_thresholds
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.site import Site, site_of_labels

LABELS = ("glass", "paper", "metal")
COLOURS = {"glass": (220, 40, 40), "paper": (40, 220, 40), "metal": (40, 40, 220)}


class FakeClock:
    """Time passes only when someone sleeps or a test says so."""

    def __init__(self) -> None:
        self.time_ns = 1_000_000_000
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.time_ns

    def sleep(self, seconds: float, interrupt: threading.Event | None = None) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.time_ns += round(seconds * 1e9)


class Stage:
    """A camera over a grey tray: call it with what lies there, and for how long; it yields frames."""

    def __init__(self, fps: float = 15.0, noise: float = 2.0, light: float = 1.0) -> None:
        self.fps = fps
        self.noise = noise
        self.light = light
        self._rng = np.random.default_rng(7)
        self._index = 0
        ramp = np.linspace(100, 150, 160)
        self._tray = np.repeat(ramp[None, :, None], 120, axis=0).repeat(3, axis=2)  # (120, 160, 3)

    def frame(self, *items: tuple[str, int, int, int]) -> Frame:
        """One frame with squares (label, left, top, side) on the tray; left may lie outside."""
        picture = self._tray.copy()
        for label, left, top, side in items:
            picture[max(0, top) : top + side, max(0, left) : max(0, left + side)] = COLOURS[label]
        picture = picture * self.light + self._rng.normal(0, self.noise, picture.shape)
        frame = Frame(picture.clip(0, 255).astype(np.uint8), round(self._index / self.fps * 1e9))
        self._index += 1
        return frame

    def hold(self, seconds: float, *items: tuple[str, int, int, int]) -> Iterator[Frame]:
        """The same scene for some seconds."""
        for _ in range(round(seconds * self.fps)):
            yield self.frame(*items)

    def slide(self, label: str, start: int, stop: int, seconds: float = 0.4, side: int = 50) -> Iterator[Frame]:
        """An item moving from the left edge `start` to `stop`."""
        for left in np.linspace(start, stop, max(2, round(seconds * self.fps))):
            yield self.frame((label, round(left), 35, side))

    def visit(self, label: str, rest_s: float = 1.8, side: int = 50) -> Iterator[Frame]:
        """An item comes from the left, rests in the middle, and goes to the right."""
        yield from self.slide(label, -side, 55, side=side)
        yield from self.hold(rest_s, (label, 55, 35, side))
        yield from self.slide(label, 55, 160, side=side)

    def pause(self, seconds: float) -> None:
        """Let time pass without a frame."""
        self._index += round(seconds * self.fps)


def predict(pixels: Pixels, calibration: Calibration) -> Prediction:
    """Tell the colour in the middle of the picture; unsure of grey."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 3 : -height // 3, width // 3 : -width // 3].reshape(-1, 3).mean(axis=0)
    distances = np.array([np.abs(middle - COLOURS[label]).mean() for label in LABELS])
    weights = np.exp(-distances / 10)
    return make_prediction(weights / weights.sum(), calibration)


def make_prediction(
    probabilities: object, calibration: Calibration, known_score: float = 5.0, latency_ms: float = 3.0
) -> Prediction:
    values = np.asarray(probabilities, np.float64)
    best = LABELS[int(values.argmax())]
    confidence = float(values.max())
    label = apply_thresholds(best, confidence, known_score, calibration)
    return Prediction(label, best, confidence, values, known_score, np.zeros(4, np.float32), latency_ms)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_stage() -> type[Stage]:
    return Stage


@pytest.fixture
def calibration() -> Calibration:
    return Calibration(temperature=1.0, min_confidence=0.5, min_known_score=1.0, fitted_on="nothing")


@pytest.fixture
def manifest(calibration: Calibration) -> SimpleNamespace:
    """The parts of a manifest that deciding looks at."""
    return SimpleNamespace(labels=list(LABELS), tree={}, calibration=calibration)


@pytest.fixture
def site() -> Site:
    return site_of_labels(LABELS)


@pytest.fixture
def classify(calibration: Calibration) -> Callable[[Pixels], Prediction]:
    return lambda pixels: predict(pixels, calibration)


@pytest.fixture
def inspector(classify: Callable[[Pixels], Prediction]) -> Inspector:
    """Shows whole pictures to the classifier of colours, as often as a station does."""
    return Inspector(classify, looks=USUAL_LOOKS)


@pytest.fixture
def answer(calibration: Calibration) -> Callable[..., Prediction]:
    """Make a prediction from probabilities in the order of LABELS."""
    return lambda probabilities, known_score=5.0: make_prediction(probabilities, calibration, known_score)


@pytest.fixture
def no_devices(tmp_path, monkeypatch):
    """A machine without picamera2 and /dev/video*: returns the folder that stands for /dev."""
    (tmp_path / "dev").mkdir()
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(v4l2, "NAMES", tmp_path / "sys")
    monkeypatch.setitem(sys.modules, "picamera2", None)
    return tmp_path / "dev"


class FakeVideoCapture:
    """Stands in for cv2.VideoCapture on V4L2; `working` maps a device to how many frames it gives."""

    working: ClassVar[dict[str, int]] = {}
    stamps_ms: ClassVar[list[float]] = []  # of the frames to come, as the driver stamps them; none: it does not

    def __init__(self, device: str, backend: int) -> None:
        assert backend == cv2.CAP_V4L2
        self.left = self.working.get(device, 0)
        self.opened = device in self.working
        self.settings: dict[int, float] = {}
        self.stamp_ms = 0.0

    def isOpened(self) -> bool:  # noqa: N802
        return self.opened

    def set(self, key: int, value: float) -> bool:
        self.settings[key] = value
        return True

    def get(self, key: int) -> float:
        return self.stamp_ms if key == cv2.CAP_PROP_POS_MSEC else self.settings.get(key, 30.0)

    def read(self):
        self.left -= 1
        self.stamp_ms = self.stamps_ms.pop(0) if self.stamps_ms else 0.0
        return (True, np.full((2, 2, 3), COLOURS["glass"][::-1], np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.opened = False


@pytest.fixture
def usb(no_devices, monkeypatch):
    """Plug in fake USB cameras: `usb({"video0": 5})` is a camera that gives five frames."""
    monkeypatch.setattr(cv2, "VideoCapture", FakeVideoCapture)

    def plug_in(cameras: dict[str, int], names: dict[str, str] | None = None) -> None:
        for device in cameras:
            (no_devices / device).touch()
        for device, name in (names or {}).items():
            (no_devices.parent / "sys" / device).mkdir(parents=True)
            (no_devices.parent / "sys" / device / "name").write_text(name + "\n")
        frames = {str(no_devices / device): count for device, count in cameras.items() if count}
        monkeypatch.setattr(FakeVideoCapture, "working", frames)

    return plug_in
