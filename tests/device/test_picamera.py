"""The Pi camera, through a fake of picamera2: no machine but a Raspberry Pi has the real one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from waste_edge.device.cameras import camera_source
from waste_edge.errors import CameraError

RED = (220, 30, 30)  # RGB


class FakePicamera2:
    """The parts of picamera2's Picamera2 that are used, with its signatures (version 0.3.36)."""

    cameras: ClassVar = [{"Model": "imx708", "Id": "/base/axi/pcie@1000120000/rp1/i2c@88000/imx708@1a", "Num": 0}]
    format = None
    frames = 2
    log: ClassVar[list[str]] = []

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        self.log.append(f"open {camera_num}")

    @staticmethod
    def global_camera_info():
        return FakePicamera2.cameras

    def create_video_configuration(self, main={}, lores=None, raw={}, buffer_count=6, controls={}, queue=True):  # noqa: B006
        assert queue is False
        return {"main": dict(main), "queue": queue}

    def configure(self, camera_config=None) -> None:
        self.config = camera_config
        if self.format:
            self.config["main"]["format"] = self.format

    def camera_configuration(self):
        return self.config

    def start(self, config=None, show_preview=False) -> None:
        self.log.append("start")

    def capture_array(self, name="main", wait=None, signal_function=None):
        assert name == "main"
        assert wait
        self.frames -= 1
        if self.frames < 0:
            raise TimeoutError
        width, height = self.config["main"]["size"]
        # In memory "BGR888" is R, G, B.
        order = {"BGR888": RED, "RGB888": RED[::-1]}[self.config["main"]["format"]]
        return np.full((height, width, 3), order, np.uint8)

    def cancel_all_and_flush(self) -> None:
        self.log.append("flush")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def picamera2(no_devices, monkeypatch) -> type[FakePicamera2]:
    fake = type("Picamera2", (FakePicamera2,), {"log": []})
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=fake))
    return fake


def test_auto_prefers_the_pi_camera(clock, picamera2, usb):
    usb({"video0": 9})
    assert camera_source("auto", clock).open().title == "picamera:0 (imx708)"


def test_a_pi_camera_gives_rgb_and_is_given_back_when_it_hangs(clock, picamera2):
    camera = camera_source("picamera:0", clock).open()
    frame = camera.read()
    assert frame.pixels.shape == (480, 640, 3)
    assert tuple(frame.pixels[0, 0]) == RED
    camera.read()
    with pytest.raises(CameraError, match=r"picamera:0 \(imx708\): stopped giving frames \(TimeoutError\)"):
        camera.read()
    camera.close()
    assert picamera2.log == ["open 0", "start", "flush", "close"]


def test_a_pi_camera_that_gives_another_format_is_refused_and_closed(clock, picamera2, monkeypatch):
    monkeypatch.setattr(picamera2, "format", "YUV420")
    with pytest.raises(CameraError, match="gives YUV420 instead of BGR888"):
        camera_source("picamera:0", clock).open()
    assert picamera2.log[-1] == "close"


def test_a_pi_camera_that_does_not_start_is_closed(clock, picamera2, monkeypatch):
    def refuse(self, config=None, show_preview=False) -> None:
        raise RuntimeError("Failed to start camera\nDevice or resource busy")

    monkeypatch.setattr(picamera2, "start", refuse)
    with pytest.raises(CameraError, match=r"does not start \(Failed to start camera\)"):
        camera_source("picamera:0", clock).open()
    assert picamera2.log[-1] == "close"


def test_missing_and_usb_cameras_of_libcamera_are_told_apart(clock, picamera2, monkeypatch):
    with pytest.raises(CameraError, match="libcamera finds 1 cameras; check the ribbon cable"):
        camera_source("picamera:1", clock).open()
    webcam = {"Model": "HD Webcam", "Id": "/base/soc/usb@7e980000/1-1.2", "Num": 0}
    monkeypatch.setattr(FakePicamera2, "cameras", [webcam])
    with pytest.raises(CameraError, match="name it by its /dev/videoN"):
        camera_source("picamera:0", clock).open()


def test_auto_passes_over_libcameras_usb_cameras(clock, picamera2, usb, monkeypatch):
    monkeypatch.setattr(FakePicamera2, "cameras", [{"Model": "Webcam", "Id": "/base/usb@1", "Num": 0}])
    usb({"video0": 9})
    assert camera_source("auto", clock).open().title.endswith("video0")


def test_a_picamera2_that_does_not_load_is_told_in_one_line(clock, no_devices, monkeypatch):
    monkeypatch.delitem(sys.modules, "picamera2")

    def broken(name: str):
        raise ValueError("numpy.dtype size changed, may indicate binary incompatibility\nExpected 96")

    monkeypatch.setattr("waste_edge.device.cameras.picamera.importlib.import_module", broken)
    with pytest.raises(CameraError, match=r"does not load \(numpy.dtype size changed") as caught:
        camera_source("picamera:0", clock).open()
    assert "\n" not in str(caught.value)
