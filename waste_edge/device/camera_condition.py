"""The camera's condition, from what the loop tells."""

from __future__ import annotations

from collections.abc import Callable

from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.vision.camera_health import Fault

CAMERA = "camera"  # the part


class CameraCondition(Listener):
    """A `Listener` that says to `health` whether there is a camera, and whether its pictures can be trusted.

    Args:
        health: is told.
        abandoned: how many capture processes hang in the kernel. While another one gives frames, that is a warning.
    """

    def __init__(self, health: Health, abandoned: Callable[[], int] = lambda: 0) -> None:
        self._health = health
        self._abandoned = abandoned
        self._title = "the camera"
        self._said: tuple[Fault | None, int] | None = None  # fault and abandoned processes; None: not told yet

    def news(self, message: Opened | Absent | BadPicture) -> None:
        match message:
            case Opened(title=title):
                self._title = title
                self._say(None)
            case Absent(reason=reason):
                self._said = None
                self._health.set(Condition(CAMERA, Level.BAD, f"no camera: {reason}"))
            case BadPicture():
                pass  # of a file, not of a camera

    def seen(self, seen: Seen) -> None:
        self._say(seen.fault)

    def _say(self, fault: Fault | None) -> None:
        """Tell what is seen now, if it is anything new. A frame after an absence is: the absence is over."""
        abandoned = self._abandoned()
        if (fault, abandoned) == self._said:
            return
        self._said = (fault, abandoned)
        text = f"looking at {self._title}" if fault is None else fault.reason
        if abandoned:
            text += f"; capture processes that hang in the kernel and cannot be ended: {abandoned}; restart the board"
        level = Level.OK if fault is None and not abandoned else Level.WARN
        self._health.set(Condition(CAMERA, level, text))
