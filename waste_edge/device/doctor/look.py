"""Open a camera, take one frame, say its title: `python -m waste_edge.device.doctor.look ID`.

A process of its own, since a camera's driver may hang for good. Exit code 2: no frame, and why on stderr.
"""

from __future__ import annotations

import sys

from waste_edge.device.cameras import camera_source
from waste_edge.device.clock import SystemClock
from waste_edge.errors import CameraError


def main(camera_id: str) -> int:
    """Look once; returns the exit code."""
    try:
        camera = camera_source(camera_id, SystemClock()).open()
        try:
            if camera.read() is None:
                raise CameraError(f"{camera.title}: opens, but gives no frame; check its plug")
        finally:
            camera.close()
    except CameraError as error:
        print(error, file=sys.stderr)
        return 2
    print(camera.title)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
