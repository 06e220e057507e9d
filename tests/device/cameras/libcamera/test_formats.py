"""What libcamera's cameras give, padded and in other formats than asked for; which camera it is; how old a frame is."""

from __future__ import annotations

import time

import numpy as np
import pytest

from waste_edge.device.cameras import camera_source
from waste_edge.device.cameras.libcamera import devices as libcamera_devices
from waste_edge.device.cameras.libcamera.picamera import _sensor_ns
from waste_edge.device.cameras.openers import KINDS, load
from waste_edge.device.capture.convert import frame_of
from waste_edge.errors import CameraError

RED = (220, 30, 30)  # RGB
MS = 1_000_000


@pytest.mark.parametrize(("word", "layout"), [("nv12", "nv12"), ("mjpeg", "rgb"), ("rgb888", "bgr")])
def test_another_format_than_the_wanted_one_is_taken(clock, picamera2, word, layout):
    picamera2.do(word)
    raw = camera_source("picamera:0", clock).open().read()
    assert raw.layout == layout
    frame = frame_of(raw)
    assert frame.pixels.shape == (480, 640, 3)
    assert np.abs(frame.pixels.reshape(-1, 3).astype(int) - RED).max() <= 4, "red and blue in place, no white edge"


@pytest.mark.parametrize(
    ("word", "message"),
    [("mjpeg-wide", "gives a picture of 1280x480 for 640x480 MJPEG"), ("mjpeg-half", "a JPEG that cannot be read")],
)
def test_a_jpeg_of_another_size_or_half_of_one_is_no_picture(clock, picamera2, word, message):
    picamera2.do("mjpeg")
    camera = camera_source("picamera:0", clock).open()
    picamera2.do(word)
    with pytest.raises(CameraError, match=message):
        camera.read()


def test_a_usb_camera_of_libcamera_is_asked_for_jpeg_and_for_no_raw_stream(clock, picamera2):
    picamera2.do("usb")
    camera = camera_source("picamera:0", clock).open()
    assert camera.title == "picamera:0 (HD Webcam)"
    (wanted,) = [each for each in picamera2.LOG if isinstance(each, dict)]
    assert (wanted["main"]["format"], wanted["raw"]) == ("MJPEG", {})


def test_the_same_camera_is_found_again_under_another_number(clock, picamera2):
    camera = camera_source("auto", clock).open()
    kind, argument = camera.again
    assert kind == "picamera"
    assert "imx708@1a turned 180" in camera.identity
    picamera2.do("second")
    assert load(kind, KINDS[kind])(argument, clock).title == "picamera:1 (imx708)"
    picamera2.do("absent")
    with pytest.raises(CameraError, match=r"picamera:0: is not there; waiting for the one .*imx708@1a"):
        load(kind, KINDS[kind])(argument, clock)


def test_a_frame_is_as_old_as_its_sensor_says_and_late_ones_are_passed_over(clock, picamera2):
    clock.time_ns = 100_000 * MS
    stamps_ms = [99_990, 99_990, 100_023, 100_056, 101_985]
    picamera2.METADATA.extend({"SensorTimestamp": stamp * MS, "FrameDuration": 33_333} for stamp in stamps_ms)
    camera = camera_source("picamera:0", clock).open()
    assert camera.read().captured_ns == 99_990 * MS
    clock.time_ns += 2_000 * MS  # a stall: two frames waited
    assert camera.read().captured_ns == 101_985 * MS
    assert picamera2.METADATA == []


def test_a_stamp_that_counts_the_time_asleep_is_understood():
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert _sensor_ns(5, 10) == 5
    assert _sensor_ns(10 + asleep_ns + 3600 * 10**9, 10) == pytest.approx(10 + 3600 * 10**9, abs=5 * MS)


def test_closed_and_missing_devices_have_a_remedy(clock, picamera2, devices, monkeypatch):
    picamera2.do("absent")
    folder = devices("dma_heap/system")
    with pytest.raises(CameraError, match=r"linux,cma, which is not there; echo 'L\+ /dev/dma_heap/linux,cma"):
        camera_source("picamera:0", clock).open()
    (folder / "dma_heap/system").unlink()
    with pytest.raises(CameraError, match="use Raspberry Pi's own kernel"):
        camera_source("picamera:0", clock).open()
    devices("dma_heap/linux,cma", "media0", closed=True)
    words = r'media0 may not be opened; .*=="media", GROUP="video".*usermod -aG video'
    with pytest.raises(CameraError, match=words):
        camera_source("picamera:0", clock).open()
    (folder / "media0").unlink()
    monkeypatch.setattr(libcamera_devices, "opening_group", lambda node: "render")
    with pytest.raises(CameraError, match=r"linux,cma may not be opened; sudo usermod -aG render "):
        camera_source("picamera:0", clock).open()


def test_picamera2s_heap_is_the_first_that_is_there(devices):
    folder = devices("dma_heap/linux,cma", "dma_heap/system", closed=True)
    assert libcamera_devices.closed(libcamera_devices.HEAPS) == [folder / "dma_heap/linux,cma"]
    devices("dma_heap/vidbuf_cached")
    assert libcamera_devices.closed(libcamera_devices.HEAPS) == [folder / "dma_heap/vidbuf_cached"]
    assert libcamera_devices.closed(libcamera_devices.HEAPS, lambda node: node.name == "vidbuf_cached") == []
