"""A scene is judged through the camera that it was learned by, and through no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.vision.presence import State
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import open_file

NAME = "camera.txt"  # in the state folder
_MOST_BYTES = 2000


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
