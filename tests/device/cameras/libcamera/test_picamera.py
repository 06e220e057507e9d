"""The Pi camera, through a fake of picamera2: no machine but a Raspberry Pi has the real one."""

from __future__ import annotations

import ast
import importlib
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from waste_edge.device.cameras import camera_source
from waste_edge.device.cameras.libcamera import picamera
from waste_edge.device.capture.convert import frame_of
from waste_edge.errors import CameraError

FAKES = Path(__file__).parents[2] / "fakes"
SIGNATURES = Path(__file__).parents[3] / "data" / "picamera2_signatures.json"
RED = (220, 30, 30)  # RGB


def test_the_fake_has_the_signatures_of_the_real_one():
    real = json.loads(SIGNATURES.read_text())["signatures"]
    source = (FAKES / "picamera2" / "__init__.py").read_text()
    (camera,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    fake = {node.name: ast.unparse(node.args) for node in camera.body if isinstance(node, ast.FunctionDef)}
    assert fake == real


def test_auto_prefers_the_pi_camera(clock, picamera2, usb):
    usb({"video0": 9})
    assert camera_source("auto", clock).open().title == "picamera:0 (imx708)"


def test_a_pi_5_gives_rgb_from_the_main_stream(clock, picamera2):
    camera = camera_source("picamera:0", clock).open()
    raw = camera.read()
    assert (raw.layout, raw.captured_ns) == ("rgb", clock.time_ns)
    frame = frame_of(raw)
    assert frame.pixels.shape == (480, 640, 3)
    assert tuple(frame.pixels[0, 0]) == RED
    wanted = picamera2.LOG[1]
    assert (wanted["main"]["size"], wanted["main"]["format"]) == ((640, 480), "BGR888")
    assert wanted["raw"] == {"size": (1280, 960)}, "the whole view of the sensor"


def test_a_pi_4_gives_yuv420_from_the_small_stream_without_its_padding(clock, picamera2, monkeypatch):
    monkeypatch.setenv("FAKE_PLATFORM", "VC4")
    raw = camera_source("picamera:0", clock).open().read()
    assert (raw.layout, raw.data.shape) == ("yuv420", (720, 640 + picamera2.PADDING))
    frame = frame_of(raw)
    assert frame.pixels.shape == (480, 640, 3)
    assert np.abs(frame.pixels.reshape(-1, 3).astype(int) - RED).max() <= 3, "red and blue in place, no white edge"
    wanted = picamera2.LOG[1]
    assert (wanted["lores"]["size"], wanted["lores"]["format"]) == ((640, 480), "YUV420")
    assert wanted["colour_space"] == "SMPTE170M", "what YUV420 is converted by"


def test_a_picamera2_from_before_the_pi_5_is_a_pi_4s(clock, picamera2, monkeypatch):
    monkeypatch.setitem(sys.modules, "picamera2.platform", None)
    assert camera_source("picamera:0", clock).open().read().layout == "yuv420"


def test_a_pi_camera_that_stops_is_given_back(clock, picamera2):
    camera = camera_source("picamera:0", clock).open()
    camera.read()
    picamera2.do("timeout")
    with pytest.raises(CameraError, match=r"picamera:0 \(imx708\): stopped giving frames \(TimeoutError\)"):
        camera.read()
    camera.close()
    assert picamera2.LOG[0] == "open 0"
    assert picamera2.LOG[2:] == ["start", "flush", "close"]


@pytest.mark.parametrize("word", ["half", "nothing"])
def test_less_than_a_whole_picture_is_no_picture(clock, picamera2, word):
    camera = camera_source("picamera:0", clock).open()
    picamera2.do(word)
    with pytest.raises(CameraError, match=r"picamera:0 \(imx708\): gives a picture of \d+ bytes for 640x480"):
        camera.read()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("other-format", "gives YUYV; expected one of BGR888, RGB888, YUV420, NV12, MJPEG"),
        ("busy", r"does not start \(Failed to start camera\)"),
    ],
)
def test_a_pi_camera_that_cannot_be_used_is_closed(clock, picamera2, word, message):
    picamera2.do(word)
    with pytest.raises(CameraError, match=message):
        camera_source("picamera:0", clock).open()
    assert picamera2.LOG[-1] == "close"


def test_a_missing_camera_is_told_with_a_remedy(clock, picamera2, devices):
    devices("dma_heap/linux,cma", "media0")
    with pytest.raises(CameraError, match="libcamera finds 1 cameras; check the ribbon cable"):
        camera_source("picamera:1", clock).open()


def test_auto_passes_over_libcameras_usb_cameras(clock, picamera2, usb):
    picamera2.do("usb")
    usb({"video0": 9})
    assert camera_source("auto", clock).open().title.endswith("video0")


def test_a_picamera2_that_does_not_load_is_told_in_one_line(clock, no_devices, monkeypatch):
    monkeypatch.delitem(sys.modules, "picamera2")

    def broken(name: str, real=importlib.import_module):
        if name != "picamera2":
            return real(name)
        raise ValueError("numpy.dtype size changed, may indicate binary incompatibility\nExpected 96")

    monkeypatch.setattr("waste_edge.device.cameras.libcamera.picamera.importlib.import_module", broken)
    with pytest.raises(CameraError, match=r"does not load \(numpy.dtype size changed") as caught:
        camera_source("picamera:0", clock).open()
    assert "\n" not in str(caught.value)


def test_the_interpreter_is_the_one_given_else_the_one_that_has_picamera2(clock, no_devices, monkeypatch, tmp_path):
    def python(given: str | None = None) -> str:
        return camera_source("auto", clock, given).candidates[0].python

    monkeypatch.setattr("waste_edge.device.cameras.find.SYSTEM_PYTHON", tmp_path / "python3")
    assert python("/opt/other/python") == "/opt/other/python"
    assert python() == sys.executable, "there is no other"
    (tmp_path / "python3").touch()
    assert python() == str(tmp_path / "python3")
    monkeypatch.delitem(sys.modules, "picamera2")
    monkeypatch.syspath_prepend(str(FAKES))
    assert python() == sys.executable
    assert camera_source("auto", clock).candidates[1].python == sys.executable, "OpenCV is here"


def test_a_camera_that_gives_no_frame_was_not_opened(clock, picamera2):
    picamera2.do("timeout")
    with pytest.raises(CameraError, match="stopped giving frames"):
        camera_source("picamera:0", clock).open()
    assert picamera2.LOG[-1] == "close"


def test_the_reason_is_told_and_not_its_wrapping(clock, picamera2, monkeypatch):
    def fails(self, *_, **__) -> None:
        try:
            try:
                raise OSError(16, "Device or resource busy")
            except OSError:
                raise RuntimeError("Failed to acquire camera")  # noqa: B904  # as picamera2 does
        except RuntimeError as error:
            raise RuntimeError("Camera __init__ sequence did not complete.") from error

    monkeypatch.setattr(picamera2.Picamera2, "__init__", fails)
    with pytest.raises(CameraError, match=r"does not open \(.*resource busy\); another program uses it"):
        camera_source("picamera:0", clock).open()

    def missing(self, *_, **__) -> None:
        raise RuntimeError("Camera __init__ sequence did not complete.") from IndexError("list index out of range")

    monkeypatch.setattr(picamera2.Picamera2, "__init__", missing)
    with pytest.raises(CameraError) as caught:
        camera_source("picamera:0", clock).open()
    assert "list index out of range" in str(caught.value)
    assert "another program" not in str(caught.value)


def test_a_close_that_hangs_swallows_no_reason(clock, picamera2, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(picamera2.Picamera2, "close", lambda self: released.wait(60))
    monkeypatch.setattr("waste_edge.device.cameras.libcamera.picamera._CLOSING_S", 0.05)
    picamera2.do("busy")
    with pytest.raises(CameraError, match="does not start"):
        camera_source("picamera:0", clock).open()
    released.set()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("pykms", "picamera2 is installed, but pykms, which it needs, is not; sudo apt-get install python3-kms"),
        ("libcamera", "but libcamera, which it needs, is not; sudo apt-get install python3-libcamera"),
        ("v4l2", "but v4l2, which it needs"),
        ("picamera2", "picamera2 is not installed for this Python; sudo apt-get install python3-picamera2"),
    ],
)
def test_only_a_missing_picamera2_is_not_installed(clock, no_devices, monkeypatch, tmp_path, module, words):
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    if module != "picamera2":
        (tmp_path / "picamera2.py").write_text(f"import {module}_that_is_nowhere")
        monkeypatch.syspath_prepend(str(tmp_path))
        words = words.replace(f"but {module},", f"but {module}_that_is_nowhere,")
        monkeypatch.setitem(picamera._PACKAGES, f"{module}_that_is_nowhere", f"python3-{module.replace('py', '')}")
    with pytest.raises(CameraError) as caught:
        camera_source("picamera:0", clock, sys.executable).open()
    assert words in str(caught.value)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
