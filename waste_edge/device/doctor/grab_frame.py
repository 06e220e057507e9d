"""Open a camera, take one frame, say its title: `python -m waste_edge.device.doctor.grab_frame ID`.

A process of its own, since a camera's driver may hang for good. Exit code 2: no frame, and why on stderr.
"""

from __future__ import annotations

import sys

from waste_edge.device.cameras import camera_source
from waste_edge.device.capture import Failed, Opened, start_capture
from waste_edge.device.clock import SystemClock
from waste_edge.errors import UserError
from waste_edge.imaging.frames import Frame


def main(camera_id: str) -> int:
    """Look once, as a station does; returns the exit code."""
    clock = SystemClock()
    title = camera_id
    try:
        messages = start_capture(camera_source(camera_id, clock), clock, None)
        try:
            while not isinstance(message := messages.take(1.0), Frame):
                match message:
                    case Opened(title=opened):
                        title = opened
                    case Failed(error=error):
                        raise error
        finally:
            messages.close()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(title)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
