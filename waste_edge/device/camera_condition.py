"""The camera's condition, from what the loop tells, and whether it is still the one that the scene was learned by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.system.condition import LOOKING, Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.vision.camera_health import Fault
from waste_edge.device.vision.presence import State
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import open_file

CAMERA = "camera"  # the part
OLD_MS = 1000.0  # frames that are older than this when they are judged are a warning
_AGE_EVERY = 100  # frames: so often the age is said again
NAME = "camera.txt"  # in the state folder
_MOST_BYTES = 2000


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
        self._said: tuple[Fault | None, int, float] | None = None  # what was told last; None: nothing yet
        self._age_ms = 0.0  # of the last frames when they were judged
        self._frames = 0

    def news(self, message: Opened | Absent | BadPicture) -> None:
        match message:
            case Opened(title=title):
                self._title, self._age_ms, self._frames = title, 0.0, 0
                self._say(None)
            case Absent(reason=reason):
                self._said = None
                self._health.set(Condition(CAMERA, Level.BAD, f"no camera: {reason}"))
            case BadPicture():
                pass  # of a file, not of a camera

    def seen(self, seen: Seen) -> None:
        self._frames += 1
        if self._frames % _AGE_EVERY == 0:
            self._age_ms = round(seen.statistics.frame_age_ms(50))
        self._say(seen.fault)

    def _say(self, fault: Fault | None) -> None:
        """Tell what is seen now, if it is anything new. A frame after an absence is: the absence is over."""
        abandoned = self._abandoned()
        if (fault, abandoned, self._age_ms) == self._said:
            return
        self._said = (fault, abandoned, self._age_ms)
        text = f"{LOOKING}{self._title}" if fault is None else fault.reason
        late = self._age_ms > OLD_MS
        if self._age_ms:
            text += f"; its frames are {self._age_ms:.0f} ms old when they are judged"
        if late:
            text += ": the board is too busy, or the camera keeps them back"
        if abandoned:
            text += f"; capture processes that hang in the kernel and cannot be ended: {abandoned}; restart the board"
        level = Level.OK if fault is None and not abandoned and not late else Level.WARN
        self._health.set(Condition(CAMERA, level, text))


class SameCamera(Listener):
    """A `Listener` that has the scene learned anew when another camera is opened, or the same one with another size.

    Args:
        learn_anew: forgets the scene.
        health: is told.
        note: where it is kept over restarts which camera it was; None: nowhere.
        rotate: by how many degrees its frames are turned.
    """

    def __init__(
        self, learn_anew: Callable[[], None], health: Health, note: Path | None = None, rotate: int = 0
    ) -> None:
        self._learn_anew = learn_anew
        self._health = health
        self._note = note
        self._turned = f" turned {rotate}" if rotate else ""
        self._identity = _read(note)
        self._learning = False

    def news(self, message: Opened | Absent | BadPicture) -> None:
        if not isinstance(message, Opened) or not message.identity:
            return
        identity = f"{message.identity}{self._turned}"
        if identity == self._identity:
            return
        if self._identity:
            self._learn_anew()
            self._learning = True
            text = f"{message.title} is another camera than before, or looks in another way: the scene is learned anew"
            self._health.set(Condition("scene", Level.WARN, f"{text}; nothing should be in view now"))
        self._identity = identity
        if self._note is not None:
            try:
                write_atomically(self._note, identity + "\n", mode=0o600)
            except UserError as error:  # a disk that cannot be written is a condition of its own
                self._health.set(Condition("scene", Level.WARN, str(error)))

    def seen(self, seen: Seen) -> None:
        if self._learning and seen.state is not State.LEARNING:
            self._learning = False
            self._health.set(Condition("scene", Level.OK, "learned"))


def _read(note: Path | None) -> str:
    if note is None:
        return ""
    try:
        with open_file(note, _MOST_BYTES) as stream:
            return stream.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    except OSError:  # a pipe or a device in its place among them
        return ""
