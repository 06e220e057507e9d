"""From what a user wrote to something that can be opened: `--camera ID` and `--source PATH|URL`."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from waste_edge.device.cameras.address import STREAM_SCHEMES, is_address, is_device, without_password
from waste_edge.device.cameras.camera import Camera, CameraKind, Candidate, Source
from waste_edge.device.cameras.openers import KINDS, kind_of, load
from waste_edge.device.clock import Clock
from waste_edge.errors import CameraError
from waste_edge.files.text import fault_of_name
from waste_edge.plugins import UnknownPartError, find_plugin, load_plugin, resolve

# Raspberry Pi OS installs picamera2 for its own interpreter, on Bookworm built against numpy 1.
SYSTEM_PYTHON = Path("/usr/bin/python3")
_NAME = re.compile(r"[A-Za-z][\w-]{0,62}", re.ASCII)  # of a plug-in's camera


def camera_source(given: str, clock: Clock, camera_python: str | None = None) -> Source:
    """A camera by its ID: `auto`, `picamera:0`, an index, `/dev/videoN` or another name of a
    device, `synthetic` or `synthetic:FPS`, or a plug-in's `NAME` or `NAME:ARGUMENT`.

    Args:
        given: the ID.
        clock: times the frames where the camera is read in this process.
        camera_python: the interpreter that has picamera2; None: this one if it has it, else the system's.

    Raises:
        CameraError: the ID is none of these. Whether the camera is there shows when it is opened.
        ConfigError: a plug-in that cannot be loaded.
    """
    if given == "auto":
        both = [
            Candidate("first-picamera", "", _python_for("picamera2", camera_python)),
            Candidate("first-v4l2", "", sys.executable),
        ]
        return _live("any camera", both, clock)
    if match := re.fullmatch(r"(?:/dev/video)?(\d{1,3})", given):
        device = f"/dev/video{int(match[1])}"
        return _live(device, [Candidate("v4l2", device, sys.executable)], clock)
    if is_device(given):
        return _live(given, [Candidate("v4l2", given, sys.executable)], clock)
    if (named := _named(given, camera_python)) is not None:
        return _live(given, [named], clock)
    shown = without_password(given)
    remedy = "; a network address goes to --source" if is_address(given) else ""
    raise CameraError(
        f"--camera {shown}: expected auto, picamera:0, an index such as 0, /dev/video0, /dev/v4l/by-id/NAME, or "
        f"synthetic, or a plug-in's name{remedy}"
    )


def _named(given: str, camera_python: str | None) -> Candidate | None:
    """A camera by the name of its kind: `NAME` or `NAME:ARGUMENT`; None if no kind takes such an ID.

    Raises:
        CameraError: the argument is wrong.
        ConfigError: a plug-in of this name cannot be loaded.
    """
    name, _, argument = given.partition(":")
    kind, plugin = KINDS.get(name), None
    if kind is None and _NAME.fullmatch(name) and not is_address(given):
        try:
            kind = plugin = load_plugin(find_plugin("cameras", name), CameraKind)
        except UnknownPartError:
            return None
    if kind is None or not kind.by_name or not re.fullmatch(kind.argument, argument):
        return None
    if kind.check:
        cast(Callable[[str], object], resolve(kind.check))(argument)
    python = _python_for(kind.system_library, camera_python) if kind.system_library else sys.executable
    return Candidate(name, argument, python, plugin=plugin)


def media_source(given: str, clock: Clock) -> Source:
    """A video file, a folder of pictures, a picture, or a network address.

    Pictures are read in this process: none may be dropped, and a file does not hang as a driver does.

    Raises:
        CameraError: there is no such file, or the folder holds no pictures.
    """
    if not given:
        raise CameraError("--source is empty; expected a video, a folder of pictures, a picture or a URL")
    if is_address(given):
        if not given.lower().startswith(STREAM_SCHEMES):
            raise CameraError(f"--source {without_password(given)}: expected one of {' '.join(STREAM_SCHEMES)}")
        if not given.isprintable():
            raise CameraError(f"--source {without_password(given)}: holds a character that no address has")
        return _live(without_password(given), [Candidate("stream", given, sys.executable)], clock)
    from waste_edge.device.cameras.images import Pictures, is_picture, pictures_of

    path = Path(given)
    if (fault := fault_of_name(given)) and not (path.is_dir() or is_picture(path)):  # OpenCV takes no such name
        raise CameraError(f"--source {given}: {fault}; rename the file")
    if paths := pictures_of(path):
        return Source(given, lambda: Pictures(given, paths, clock), live=False, still_images=True)
    video = (Candidate("film", given, sys.executable),)
    return Source(given, lambda: _open_here(video, clock), live=False, candidates=video)


def _live(title: str, candidates: Sequence[Candidate], clock: Clock) -> Source:
    return Source(title, lambda: _open_here(candidates, clock), live=True, candidates=tuple(candidates))


def _open_here(candidates: Sequence[Candidate], clock: Clock) -> Camera:
    """Open the first candidate that is there, in this process and by this interpreter."""
    absent = []
    for candidate in candidates:
        try:
            return load(candidate.kind, kind_of(candidate))(candidate.argument, clock)
        except CameraError as error:
            absent.append(str(error))
    raise CameraError("; ".join(absent))


def _python_for(library: str, given: str | None) -> str:
    """Find the interpreter for a library: the given one, this one if it has it, else the system's, untested."""
    if given:
        return given
    try:
        here = importlib.util.find_spec(library) is not None
    except ValueError:  # a module that was put in place by hand, without a spec
        here = True
    return sys.executable if here or not SYSTEM_PYTHON.exists() else str(SYSTEM_PYTHON)
