"""Which camera is meant, and USB cameras through a fake of OpenCV's capture (see `conftest.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from waste_edge.device.cameras import camera_source, v4l2
from waste_edge.device.capture.convert import frame_of
from waste_edge.errors import CameraError

RED = (220, 40, 40)  # RGB; what the fake shows


@pytest.mark.parametrize("given", ["front", "picamera", "picamera:x", "-1", "/dev/videoX", "/dev/null", "", "1.5", "²"])
def test_a_camera_id_of_another_form_is_refused_at_once(clock, given):
    with pytest.raises(
        CameraError, match="expected auto, picamera:0, an index such as 0, /dev/video0, /dev/v4l/by-id/NAME, or"
    ):
        camera_source(given, clock)


@pytest.mark.parametrize(
    "name", ["by-id/usb-Example_Cam-video-index0", "by-path/platform-fe.usb-usb-0:1.2:1.0-video-index0"]
)
def test_a_name_that_stays_when_numbers_change_is_a_device(clock, name):
    source = camera_source(f"/dev/v4l/{name}", clock)
    assert (source.live, source.candidates[0].kind, source.candidates[0].argument) == (True, "v4l2", f"/dev/v4l/{name}")


@pytest.mark.parametrize("given", ["/dev/v4l/by-id/../../etc/passwd", "/dev/v4l/by-id/", "/dev/v4l/by-id/.x"])
def test_what_leads_elsewhere_is_no_device(clock, given):
    with pytest.raises(CameraError, match="expected auto"):
        camera_source(given, clock)


@pytest.mark.parametrize(("given", "title"), [("2", "/dev/video2"), ("/dev/video10", "/dev/video10")])
def test_an_index_is_a_device(clock, given, title):
    source = camera_source(given, clock)
    assert (source.title, source.live, source.still_images) == (title, True, False)


def test_without_any_camera_auto_says_what_was_tried(clock, no_devices):
    with pytest.raises(CameraError, match=r"picamera2 is not installed.*there is no /dev/videoN") as caught:
        camera_source("auto", clock).open()
    assert "\n" not in str(caught.value)


def test_auto_takes_the_first_device_that_gives_a_frame(clock, usb):
    usb({"video0": 0, "video2": 9, "video10": 9})
    assert camera_source("auto", clock).open().title.endswith("/video2")


def test_the_boards_own_codecs_are_no_cameras(clock, usb):
    usb({"video0": 9, "video1": 9}, names={"video0": "bcm2835-codec-decode", "video1": "HD Webcam"})
    assert camera_source("auto", clock).open().title.endswith("/video1")


def test_devices_are_tried_in_the_order_of_their_numbers(no_devices):
    for name in ("video10", "video9", "videodev", "video0"):
        (no_devices / name).touch()
    assert [Path(device).name for device in v4l2.camera_devices()] == ["video0", "video9", "video10"]


def test_a_usb_camera_gives_rgb_and_says_when_it_is_gone(clock, usb, no_devices):
    usb({"video0": 3})  # one of them shows, when it is opened, that there are any
    camera = v4l2.open_v4l2(str(no_devices / "video0"), clock)
    frame = frame_of(camera.read())
    assert tuple(frame.pixels[0, 0]) == RED
    assert frame.captured_ns == clock.time_ns
    camera.read()
    with pytest.raises(CameraError, match="video0: stopped giving frames"):
        camera.read()
    camera.close()
    camera.close()


def test_a_usb_camera_keeps_no_old_frames(clock, usb, no_devices):
    usb({"video0": 3})
    camera = v4l2.open_v4l2(str(no_devices / "video0"), clock)
    settings = camera._capture.settings
    assert settings[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert (settings[cv2.CAP_PROP_FRAME_WIDTH], settings[cv2.CAP_PROP_FRAME_HEIGHT]) == (640, 480)


def test_a_silent_device_is_named_with_a_remedy(clock, usb, no_devices):
    usb({"video0": 0})
    with pytest.raises(CameraError, match=r"video0: is no camera: no video device answers there"):
        v4l2.open_v4l2(str(no_devices / "video0"), clock)
    with pytest.raises(CameraError, match=r"video7: there is no such device; is the camera plugged in\?"):
        v4l2.open_v4l2(str(no_devices / "video7"), clock)


def test_absent_devices_and_foreign_files_make_no_noise(tmp_path):
    (tmp_path / "notes.mp4").write_text("no film at all")
    script = (
        "import sys\n"
        "from waste_edge.device.cameras import camera_source, media_source\n"
        "from waste_edge.device.clock import SystemClock\n"
        "from waste_edge.errors import CameraError\n"
        "clock = SystemClock()\n"
        "rtsp = media_source('rtsp://127.0.0.1:9/none', clock)\n"
        "for source in (camera_source('987', clock), media_source(sys.argv[1], clock), rtsp):\n"
        "    try:\n"
        "        source.open()\n"
        "    except CameraError as error:\n"
        "        print(error)\n"
    )
    # In a process of its own, since the films written here have already set how much FFmpeg says.
    command = [sys.executable, "-c", script, tmp_path / "notes.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(": ")[1][:26] for line in done.stdout.splitlines()] == [
        "there is no such device; i",
        "neither a picture nor a vi",
        "no video comes from there;",
    ]
