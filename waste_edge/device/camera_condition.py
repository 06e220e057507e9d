"""The camera's condition, from what the loop tells."""

from __future__ import annotations

from waste_edge.device.camera_health import Fault
from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.condition import Condition, Level
from waste_edge.device.health import Health
from waste_edge.device.loop import Listener, Seen

PART = "camera"


class CameraCondition(Listener):
    """A `Listener` that says to `health` whether there is a camera, and whether its pictures can be trusted."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._title = "the camera"
        self._fault: Fault | None = None

    def news(self, message: Opened | Absent | BadPicture) -> None:
        match message:
            case Opened(title=title):
                self._title, self._fault = title, None
                self._well()
            case Absent(reason=reason):
                self._health.set(Condition(PART, Level.BAD, f"no camera: {reason}"))
            case BadPicture():
                pass  # of a file, not of a camera

    def seen(self, seen: Seen) -> None:
        if seen.fault == self._fault:
            return
        self._fault = seen.fault
        if seen.fault is None:
            self._well()
        else:
            self._health.set(Condition(PART, Level.WARN, seen.fault.reason))

    def _well(self) -> None:
        self._health.set(Condition(PART, Level.OK, f"looking at {self._title}"))
