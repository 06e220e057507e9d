"""Cameras of this board, a picture of each, and the picture in a terminal: two pixels a letter, in 24-bit colour."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.cameras.query import lasting_name
from waste_edge.device.doctor.camera import CAMERA_VARIABLE, check_picamera, video_devices
from waste_edge.device.doctor.setting import Setting
from waste_edge.device.system.board import read_small
from waste_edge.device.system.command import Answer, RunProgram, run_program, without_secrets
from waste_edge.errors import CameraError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.text import Text

    from waste_edge.bundle.bundle import Bundle

Run = Callable[[Sequence[str], float, Mapping[str, str] | None], Answer | None]
_LIMIT_S = 15.0  # to open a camera, settle and write
_UPPER_HALF = "▀"
_DARK = 24  # of 255: below it a picture shows nothing


@dataclass(frozen=True)
class FoundCamera:
    """Camera that may be there.

    Attributes:
        camera: its ID for `station.toml`, by a name that stays where it has one.
        about: what the kernel or libcamera calls it.
    """

    camera: str
    about: str


@dataclass(frozen=True)
class Look:
    """Result of looking through a camera.

    Attributes:
        camera: its ID or address.
        fault: why it gives no picture; empty if it does.
        path: the picture, a PNG; None if there is none.
    """

    camera: str
    fault: str = ""
    path: Path | None = None

    @property
    def is_no_camera(self) -> bool:
        """Return whether the device is one that gives no pictures by its nature, such as a camera's metadata."""
        return "is no camera" in self.fault


def find_cameras(root: Path = Path("/"), run: RunProgram = run_program) -> list[FoundCamera]:
    """Find ribbon cameras and devices that may be cameras; none is opened.

    Args:
        root: where /dev and /sys are looked for.
        run: runs the interpreters that may have picamera2.
    """
    ribbons, _ = check_picamera(Setting(_no_bundle, root=root, run_program=run))
    found = [FoundCamera(f"picamera:{index}", "ribbon camera") for index in range(ribbons)]
    for device in video_devices(root):
        name = read_small(root / "sys/class/video4linux" / Path(device).name / "name").strip()
        found.append(FoundCamera(lasting_name(device, root / "dev") or device, name or device))
    return found


def look_through(camera: str, folder: Path, run: Run = run_program) -> Look:
    """Take a picture, in a process of its own and in bounded time.

    Args:
        camera: an ID or an address, as in `station.toml`; it is handed over where `ps` does not show it.
        folder: the picture is written there.
        run: runs that process.
    """
    path = folder / f"{_file_name(camera)}.png"
    command = [sys.executable, "-m", "waste_edge.device.doctor.grab_frame", "", str(path)]
    answer = run(command, _LIMIT_S, {**without_secrets(), CAMERA_VARIABLE: camera})
    if answer is not None and answer.ok and path.is_file():
        return Look(camera, path=path)
    if answer is None or answer.cut_off:
        return Look(camera, f"gave no picture within {_LIMIT_S:g} s; pull its plug or restart the board")
    said = answer.complaint.strip().splitlines()
    fault = said[-1] if said else f"gave no picture (exit code {answer.code})"
    return Look(camera, fault)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture's pixels, uint8 RGB, (H, W, 3); raises CameraError if it cannot be read."""
    from waste_edge.imaging.image_files import read_picture as read

    try:
        return read(path)
    except (UserError, OSError) as error:
        raise CameraError(f"{path}: the camera's picture cannot be read ({error})") from error


def in_letters(pixels: NDArray[np.uint8], columns: int) -> Text:
    """A picture as text: each letter is an upper half block, its colour the upper pixel, its background the lower one.

    Args:
        pixels: uint8 RGB, (H, W, 3).
        columns: of letters; the height follows, since a letter is twice as high as wide.
    """
    import cv2
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    height, width = pixels.shape[:2]
    rows = max(1, round(columns * height / width / 2))
    small = cv2.resize(pixels, (columns, 2 * rows), interpolation=cv2.INTER_AREA)
    text = Text(no_wrap=True, end="")
    for row in range(rows):
        for upper, lower in zip(small[2 * row], small[2 * row + 1], strict=True):
            style = Style(color=Color.from_rgb(*map(int, upper)), bgcolor=Color.from_rgb(*map(int, lower)))
            text.append(_UPPER_HALF, style)
        text.append("\n" if row < rows - 1 else "")
    return text


def remark_on(pixels: NDArray[np.uint8]) -> str:
    """Say what is wrong with a picture that shows nothing; empty if it shows something."""
    import numpy as np

    if float(np.percentile(pixels, 98)) < _DARK:
        return "the picture is black: take the cap off, switch the light on, or choose another camera"
    if float(np.percentile(pixels, 2)) > 255 - _DARK:
        return "the picture is white: the camera looks into a light, or its exposure has not settled"
    return ""


def _file_name(camera: str) -> str:
    from waste_edge.device.cameras.address import without_password

    name = "".join(letter if letter.isalnum() else "-" for letter in without_password(camera)).strip("-")
    return f"camera-{name[-60:]}"


def _no_bundle() -> AbstractContextManager[Bundle]:
    raise UserError("no bundle is examined here")
