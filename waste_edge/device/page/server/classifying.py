"""The process that classifies uploaded pictures, seen from the page: started when needed, ended when idle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec

from waste_edge.device.page.packets import ModelOrder
from waste_edge.device.page.server.uploads import Upload
from waste_edge.files.limits import MAX_PAGE_PACKET_BYTES, MAX_UPLOADS, UPLOAD_ANSWER_S

MODULE = "waste_edge.device.page.server.worker"
_GRACE_S = 5.0  # it ends itself; this is for the kernel to say so


class ClassifierProcess:
    """Classifies pictures one at a time. What it does to itself, over a hostile picture, ends no other process."""

    def __init__(self, order: ModelOrder) -> None:
        self._order = order
        self._taken = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        # One thread, since the kernel ends a child with the thread that started it.
        self._thread = ThreadPoolExecutor(1, "classify")

    @property
    def is_full(self) -> bool:
        """Return whether as many pictures as may wait do so already."""
        return self._taken >= MAX_UPLOADS

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places."""
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def classify(self, upload: Upload) -> tuple[int, bytes]:
        """Classify a picture; returns an HTTP status and JSON, with `error` unless the status is 200."""
        handle = os.dup(upload.handle)  # the upload may be closed before the thread comes to it
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, handle, upload.name)

    def _ask(self, handle: int, name: str) -> tuple[int, bytes]:
        try:
            for _ in range(2):  # it may have gone to rest just now
                try:
                    return self._exchange(handle, name)
                except (BrokenPipeError, ConnectionResetError):
                    self._see_off()
            return _error(500, f"the process that classifies {self._see_off()}")
        except TimeoutError:
            self._see_off()
            return _error(504, f"the picture took longer than {UPLOAD_ANSWER_S:g} s; make it smaller")
        except OSError as error:
            self._see_off()
            return _error(500, f"the process that classifies cannot be started ({error.strerror})")
        finally:
            os.close(handle)

    def _exchange(self, handle: int, name: str) -> tuple[int, bytes]:
        stream = self._socket or self._start()
        socket.send_fds(stream, [msgspec.json.encode(name)], [handle])
        answer = stream.recv(MAX_PAGE_PACKET_BYTES)
        if answer:
            status, _, document = answer.partition(b"\n")
            return int(status), document
        fate = self._see_off()
        if fate == "idle":
            raise BrokenPipeError
        return _error(422, f"the process that classifies {fate} over this picture; make it smaller, or take another")

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(2 * UPLOAD_ANSWER_S + _GRACE_S)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries complain of damaged pictures, in words of their own
                pass_fds=(theirs.fileno(),),
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        ours.send(msgspec.json.encode(self._order))
        return ours

    def _see_off(self) -> str:
        """Hang up, which ends it; how it ended, in words, `idle` if it went to rest."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        process, self._process = self._process, None
        if process is None:
            return "idle"
        try:
            code = process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return "hangs"
        return "idle" if code == 0 else f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _error(status: int, text: str) -> tuple[int, bytes]:
    return status, msgspec.json.encode({"error": text})
