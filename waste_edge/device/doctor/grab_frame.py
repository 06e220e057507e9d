"""Open a camera, take one frame, say its title: `python -m waste_edge.device.doctor.grab_frame ID [PNG]`.

A process of its own, since a camera's driver may hang for good. With an empty ID the variable `WASTE_EDGE_GRAB` holds
it: an address may have a password in it, and `ps` shows every command line. With a second argument the frame is written
there, a second after the camera was opened, so that its exposure has settled. Exit code 2: no frame, and why on stderr.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from waste_edge.device.cameras import camera_source
from waste_edge.device.cameras.address import is_address
from waste_edge.device.cameras.find import media_source
from waste_edge.device.capture import Failed, Messages, Opened, start_capture
from waste_edge.device.clock import NS_PER_S, SystemClock
from waste_edge.device.doctor.camera import CAMERA_VARIABLE
from waste_edge.errors import CameraError, UserError
from waste_edge.imaging.frames import Frame

SETTLED_S = 1.0
_WIDTH_PX = 640  # of the picture that is written, at most


def main(camera_id: str, picture: str = "") -> int:
    """Look once, as a station does; returns the exit code."""
    clock = SystemClock()
    camera_id = camera_id or os.environ.pop(CAMERA_VARIABLE, "")
    try:
        source = media_source(camera_id, clock) if is_address(camera_id) else camera_source(camera_id, clock)
        messages = start_capture(source, clock, None)
        try:
            title, frame = _first_frame(messages, camera_id)
            if picture:
                until_ns = clock.now_ns() + round(SETTLED_S * NS_PER_S)
                while clock.now_ns() < until_ns:
                    message = messages.take(0.2)
                    frame = message if isinstance(message, Frame) else frame
                _write(frame, Path(picture))
        finally:
            messages.close()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(title)
    return 0


def _first_frame(messages: Messages, title: str) -> tuple[str, Frame]:
    while not isinstance(message := messages.take(1.0), Frame):
        match message:
            case Opened(title=opened):
                title = opened
            case Failed(error=error):
                raise error
    return title, message


def _write(frame: Frame, path: Path) -> None:
    import cv2

    from waste_edge.files.atomic import write_atomically

    pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
    if frame.width_px > _WIDTH_PX:
        height_px = max(1, round(frame.height_px * _WIDTH_PX / frame.width_px))
        pixels = cv2.resize(pixels, (_WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".png", pixels)
    if not done:
        raise CameraError(f"{path}: the frame could not be written as PNG")
    write_atomically(path, encoded.tobytes(), mode=0o600)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
