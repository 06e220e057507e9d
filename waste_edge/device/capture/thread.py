"""Reading a source in a thread of this process, apart from inference.

For pictures in files: none may be dropped, so there is nothing to overwrite in a shared memory, their decoder's
libraries are here already, and a file does not hang as a driver does. Cameras get a process of their own
(`process.py`).

A frame that was not taken in time is replaced by the next and counted. News (a camera was found, lost, or came to its
end) is never dropped, and keeps its place among the frames.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing

from waste_edge.device.cameras.camera import Camera, Source
from waste_edge.device.capture.convert import frame_of
from waste_edge.device.capture.messages import Absent, BadPicture, Ended, Failed, Message, Opened
from waste_edge.device.clock import Clock, RetryPolicy
from waste_edge.errors import CameraError, PictureError
from waste_edge.imaging.frames import Frame

_CLOSING_S = 1.0  # how long a camera call in progress is waited for before its thread is abandoned


class Slot:
    """Hand-over from one thread to another: room for one frame between two pieces of news."""

    def __init__(self) -> None:
        self.dropped_frames = 0
        self._messages: deque[Message] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, message: Message) -> None:
        """Add news, or a frame that takes the place of an older one not yet taken."""
        with self._changed:
            if isinstance(message, Frame) and self._messages and isinstance(self._messages[-1], Frame):
                self._messages.pop()
                self.dropped_frames += 1
            self._messages.append(message)
            self._changed.notify_all()

    def hand_over(self, message: Message) -> None:
        """Add a message once all before it are taken: none is dropped. Returns at once when closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._messages or self._closed)
            self._messages.append(message)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Message | None:
        """See `Messages.take`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._messages, timeout_s):
                return None
            message = self._messages.popleft()
            self._changed.notify_all()
            return message

    def close(self) -> None:
        """Wake whoever waits in `hand_over`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Capture:
    """Opens a source and reads it in a thread until it ends, fails, or `close` is called.

    Args:
        source: what to open.
        clock: paces the attempts to open it.
        patience: for sources that come and go; None: their first absence ends it all with `Failed`.
    """

    abandoned = 0  # there is no process

    def __init__(self, source: Source, clock: Clock, patience: RetryPolicy | None) -> None:
        self._source = source
        self._clock = clock
        self._patience = patience if source.live else None
        self._slot = Slot()
        self._stopping = threading.Event()
        self._failures = 0
        # A daemon: a camera call that never returns must not keep the program from ending.
        self._thread = threading.Thread(target=self._work, name="camera", daemon=True)
        self._thread.start()

    @property
    def dropped_frames(self) -> int:
        """See `Messages`."""
        return self._slot.dropped_frames

    def take(self, timeout_s: float) -> Message | None:
        """See `Messages.take`."""
        return self._slot.take(timeout_s)

    def close(self) -> None:
        """See `Messages.close`."""
        self._stopping.set()
        self._slot.close()
        self._thread.join(_CLOSING_S)

    def _work(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._read_all()
                    return
                except CameraError as error:
                    self._wait_for_camera(error)
        except BaseException as error:  # noqa: BLE001  # the loop raises it, in the thread that can tell the user
            # SystemExit, too: a library that calls sys.exit would end this thread, and leave the loop waiting.
            failure = error if isinstance(error, Exception) else RuntimeError(f"the reading thread ended: {error!r}")
            self._slot.put(Failed(failure))

    def _read_all(self) -> None:
        """Open the source and hand over its frames to the end; raises CameraError when it is absent or lost."""
        with closing(self._source.open()) as camera:
            put = self._slot.hand_over if camera.still_images else self._slot.put
            put(Opened(camera.title))
            while not self._stopping.is_set():
                message = _next_message(camera)
                put(message)
                if isinstance(message, Ended):
                    return
                self._failures = 0

    def _wait_for_camera(self, error: CameraError) -> None:
        if self._patience is None:
            raise error
        self._failures += 1
        retry_s = self._patience.after(self._failures)
        self._slot.put(Absent(str(error), retry_s))
        self._clock.sleep(retry_s, self._stopping)


def _next_message(camera: Camera) -> Frame | BadPicture | Ended:
    try:
        raw = camera.read()
    except PictureError as error:
        return BadPicture(str(error))
    return Ended() if raw is None else frame_of(raw, share=True)
