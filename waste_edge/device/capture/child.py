"""The capture process: opens one camera, writes its frames into shared memory, tells its news, and ends.

Run by its path, perhaps by an interpreter that lacks everything but numpy and one camera's library:

    python child.py NEWS_DESCRIPTOR MEMORY_DESCRIPTOR PARENT_PID

The first line on the socket says which camera, what is hidden from this process, and what is known of the camera's
kind (`camera.CameraKind`): ["v4l2", "/dev/video0", [], {"opener": "waste_edge.device.cameras.v4l2:open_v4l2"}].
Before anything of the camera's is imported it gives up what it does not need (`cameras/process/sandbox.py`). It
answers with lines of JSON, and an empty line for each frame that lies in the memory. It dies with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from waste_edge.device.cameras.camera import Camera, RawFrame

PACKAGE = Path(__file__).resolve().parents[2]
_BEAT_S = 1.0  # at most so long without a sign of life while waiting on purpose
_PR_SET_PDEATHSIG = 1


def register_package() -> None:
    """Make `waste_edge` importable from the folder of this file, and nothing else that lies beside it.

    PYTHONPATH would put a whole site-packages before the interpreter's own, and with it a numpy that its picamera2 was
    not built against.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    if "waste_edge" in sys.modules:
        return
    found = importlib.util.spec_from_file_location(
        "waste_edge", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)]
    )
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["waste_edge"] = module
    found.loader.exec_module(module)


class CaptureRequest(NamedTuple):
    """A camera's kind by name, its argument, what is hidden from this process, and the kind's `CameraKind`."""

    name: str
    argument: str
    hidden: list[str]
    kind: dict[str, Any]


class Words:
    """Messages to the parent process, over a socket."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream

    def request(self) -> CaptureRequest:
        """Receive the parent's request: the camera, and the names to hide from this process."""
        with self._stream.makefile("r", encoding="utf-8") as lines:
            name, argument, hidden, kind = json.loads(lines.readline())
        return CaptureRequest(str(name), str(argument), [str(path) for path in hidden], dict(kind))

    def say(self, kind: str, text: str = "") -> None:
        """A piece of news: waits until there is room for it."""
        self._stream.sendall(json.dumps({"kind": kind, "text": text}).encode() + b"\n")

    def opened(self, camera: Camera, raw: RawFrame | None) -> None:
        """A camera was opened: what it is called, which one it is, and how it is found again."""
        size = "" if raw is None else f"{raw.width_px}x{raw.height_px}"
        identity = f"{getattr(camera, 'identity', '') or camera.title} {size}"
        news = {"kind": "opened", "text": camera.title, "identity": identity, "again": getattr(camera, "again", None)}
        self._stream.sendall(json.dumps(news).encode() + b"\n")

    def ring(self) -> None:
        """Announce a new frame; skipped while hundreds of older ones have not been read."""
        with contextlib.suppress(BlockingIOError):
            self._stream.send(b"\n", socket.MSG_DONTWAIT)


class BeatingClock:
    """The machine's clock; whoever sleeps by it gives signs of life, since only what hangs should be silent."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float, interrupt: object = None) -> None:
        if seconds <= 0 or seconds > _BEAT_S:
            self._words.say("alive")
        while seconds > 0:
            time.sleep(min(seconds, _BEAT_S))
            seconds -= _BEAT_S
            if seconds > 0:
                self._words.say("alive")


def die_with_parent(parent: int) -> None:
    """Make the kernel end this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def capture(words: Words, memory: int, request: CaptureRequest) -> None:
    """Open a camera of this kind and hand over its frames to the end."""
    from waste_edge.device.cameras.camera import CameraKind
    from waste_edge.device.cameras.openers import load
    from waste_edge.device.cameras.process.shared import FrameWriter
    from waste_edge.errors import UserError

    writer = FrameWriter(memory)
    opener = load(request.name, CameraKind(**request.kind))
    words.say("loaded")
    camera = opener(request.argument, BeatingClock(words))
    words.say("alive")
    try:
        raw = _next(camera, words)
        words.opened(camera, raw)  # only now: a camera that gives no frame was not opened
        while raw is not None:
            writer.write(raw)
            words.ring()
            raw = _next(camera, words)
        words.say("ended")
    except UserError as error:
        words.say("absent", str(error))  # before `close`, which may hang with a camera that does
    finally:
        camera.close()


def _next(camera: Camera, words: Words) -> RawFrame | None:
    """The camera's next frame; None when there will be no more. Pictures that cannot be read are told."""
    from waste_edge.errors import PictureError

    while True:
        try:
            return camera.read()
        except PictureError as error:
            words.say("bad-picture", str(error))


def main(news: int, memory: int, parent: int) -> None:
    """See the module; does not return, since libraries of cameras may hang in their own end."""
    die_with_parent(parent)
    words = Words(socket.socket(fileno=news))
    name = "camera"
    try:
        request = words.request()
        name = request.name
        register_package()
        from waste_edge.device.cameras.process.sandbox import confine
        from waste_edge.errors import UserError

        may = request.kind
        shown = [str(PACKAGE), *([request.argument] if may.get("reads_file") else [])]
        confine(request.hidden, shown, network=bool(may.get("network")), programs=bool(may.get("programs")))

        try:
            capture(words, memory, request)
        except UserError as error:
            words.say("absent", str(error))
    except (BrokenPipeError, ConnectionResetError):
        pass  # nobody listens any more
    except ImportError as error:
        words.say("absent", f"{name}: {sys.executable} lacks what it needs ({error})")
    except BaseException as error:  # noqa: BLE001  # the parent must hear of it, whatever it is
        words.say("failed", f"{type(error).__name__}: {error}")
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
