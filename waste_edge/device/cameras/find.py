"""From what a user wrote to something that can be opened: `--camera ID` and `--source PATH|URL`."""

from __future__ import annotations

import re
from pathlib import Path

from waste_edge.device.cameras.camera import Camera, Source
from waste_edge.device.cameras.picamera import PiCamera, ribbon_cameras
from waste_edge.device.cameras.playback import NetworkStream, Pictures, VideoFile, without_password
from waste_edge.device.cameras.v4l2 import open_first_v4l2, open_v4l2
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError
from waste_edge.pictures import PICTURE_SUFFIXES, find_pictures

STREAM_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "rtmp://", "udp://", "tcp://")


def camera_source(given: str, clock: Clock) -> Source:
    """A camera by its ID: `auto`, `picamera:0`, an index, or `/dev/videoN`.

    Raises:
        CameraError: the ID is none of these. Whether the camera is there shows when it is opened.
    """
    if given == "auto":
        return Source("any camera", lambda: _open_any(clock), live=True)
    if match := re.fullmatch(r"picamera:(\d{1,3})", given):
        index = int(match[1])
        return Source(given, lambda: PiCamera(index, clock), live=True)
    if match := re.fullmatch(r"(?:/dev/video)?(\d{1,3})", given):
        device = f"/dev/video{int(match[1])}"
        return Source(device, lambda: open_v4l2(device, clock), live=True)
    raise CameraError(f"--camera {given}: expected auto, picamera:0, an index such as 0, or /dev/video0")


def media_source(given: str, clock: Clock) -> Source:
    """A video file, a folder of pictures, a picture, or a network address.

    Raises:
        CameraError: there is no such file, or the folder holds no pictures.
    """
    if not given:
        raise CameraError("--source is empty; expected a video, a folder of pictures, a picture or a URL")
    if "://" in given:
        if not given.lower().startswith(STREAM_SCHEMES):
            raise CameraError(f"--source {without_password(given)}: expected one of {' '.join(STREAM_SCHEMES)}")
        return Source(without_password(given), lambda: NetworkStream(given, clock), live=True)
    path = Path(given)
    if path.is_dir():
        paths = _pictures_of(path)
        return Source(given, lambda: Pictures(given, paths, clock), live=False, stills=True)
    if not path.exists():
        raise CameraError(f"{given}: no such file; expected a video, a folder of pictures, a picture or a URL")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return Source(given, lambda: Pictures(given, [path], clock), live=False, stills=True)
    return Source(given, lambda: VideoFile(path, clock), live=False)


def _pictures_of(folder: Path) -> list[Path]:
    try:
        paths = list(find_pictures(folder))
    except OSError as error:
        raise CameraError(f"{folder}: cannot be read ({error.strerror})") from error
    if not paths:
        raise CameraError(f"{folder}: holds no pictures; expected {', '.join(sorted(PICTURE_SUFFIXES))}")
    return paths


def _open_any(clock: Clock) -> Camera:
    """The Pi camera if there is one, else the first V4L2 device that gives a frame."""
    try:
        if ribbon_cameras():
            return PiCamera(0, clock)
        no_picamera = "no Pi camera: libcamera finds none"
    except CameraError as error:
        no_picamera = str(error)
    try:
        return open_first_v4l2(clock)
    except CameraError as error:
        raise CameraError(f"{no_picamera}; {error}") from error
