"""One capture process, seen from this side: how it is started, heard, and ended. Nothing it says is trusted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from waste_edge.device.cameras.address import without_password
from waste_edge.device.cameras.camera import Candidate
from waste_edge.device.cameras.openers import kind_of
from waste_edge.device.cameras.process.memory import create_memory
from waste_edge.device.system.command import without_secrets
from waste_edge.files.strict import Strict
from waste_edge.files.text import first_line
from waste_edge.libraries import ONE_THREAD

if TYPE_CHECKING:
    from waste_edge.imaging.frames import Frame

MessageKind = Literal["loaded", "alive", "opened", "absent", "bad-picture", "ended", "failed", "frame", "gone"]

# Run by its path, and never imported here.
_CHILD = Path(__file__).with_name("child.py")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_LINE_BYTES = 16_384  # longer news is garbage
_TEXT_LETTERS = 500
_STDERR_BYTES = 4096  # as much of its last words is kept
_EXIT_S = 0.1  # seconds to wait for an exit status after the socket was closed


class ChildMessage(Strict, frozen=True):
    """Message of a capture process. `frame`: one is in shared memory; `gone`: the process has ended.

    Attributes:
        kind: what happened.
        text: for people.
        identity: of an opened camera: the same text as long as its pictures are of the same kind and place.
        again: the kind and argument by which this very camera is opened again; None: as it was opened.
    """

    kind: MessageKind
    text: str = ""
    identity: str = ""
    again: tuple[str, str] | None = None


_FRAME_READY = ChildMessage(kind="frame")
_GONE = ChildMessage(kind="gone")


class InvalidMessageError(Exception):  # not an error of ours: what the other side sent
    """A capture process wrote what no capture process writes."""


class ChildLink(Protocol):
    """Interface to a capture process, as `ProcessCapture` needs it; `ChildProcess` is the real one."""

    pid: int
    dropped_frames: int

    def wait(self, timeout_s: float) -> None:
        """Wait until there is something to hear, or so long."""
        ...

    def receive(self) -> list[ChildMessage]:
        """Return the messages received since the last call, in order; raises InvalidMessageError."""
        ...

    def frame(self) -> Frame | None:
        """The newest frame, or None if it was taken already; raises Garbage."""
        ...

    def exit_reason(self) -> str:
        """Describe how the process ended, with its last output, for people."""
        ...

    def hang_up(self) -> None:
        """Stop listening: it ends when it next says something."""
        ...

    def kill(self) -> None:
        """End it, whatever it is doing, if the kernel can."""
        ...

    def left(self, timeout_s: float = 0) -> bool:
        """Has it ended, at the latest after `timeout_s`? Gives back what it held here."""
        ...


class ChildProcess:
    """A capture process that was started just now."""

    def __init__(self, candidate: Candidate) -> None:
        """Start the process.

        Raises:
            OSError: the interpreter is missing or cannot be run.
        """
        self.dropped_frames = 0
        self._socket, theirs = socket.socketpair()
        # The order goes by the socket, since everybody can read a command line and addresses hold passwords.
        order = msgspec.to_builtins([candidate.kind, candidate.argument, candidate.hidden, kind_of(candidate)])
        # By json, which hands on a path that is not UTF-8.
        self._socket.sendall(json.dumps(order).encode() + b"\n")
        memory = create_memory()
        command = [candidate.python, str(_CHILD), str(theirs.fileno()), str(memory), str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # libraries greet and complain: kept, not shown
                pass_fds=(theirs.fileno(), memory),
                start_new_session=True,  # Ctrl-C at a terminal goes to this program, which ends the child itself
                env=_environment(candidate),
            )
        except OSError:
            self._socket.close()
            os.close(memory)
            raise
        finally:
            theirs.close()
        # Only now: it starts up while the libraries that its frames need are imported here.
        from waste_edge.device.cameras.process.shared import FrameReader

        self._reader = FrameReader(memory)
        assert self._process.stdout is not None
        self._stderr = self._process.stdout.fileno()
        self.pid = self._process.pid
        self._heard = b""
        self._complaints = b""
        os.set_blocking(self._stderr, False)
        self._socket.setblocking(False)
        self._poll = select.poll()
        for descriptor in (self._socket.fileno(), self._stderr):
            self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout_s: float) -> None:
        """See `ChildLink.wait`."""
        for descriptor, _ in self._poll.poll(timeout_s * 1000):
            if descriptor == self._stderr:
                self._listen_to_complaints()

    def receive(self) -> list[ChildMessage]:
        """See `ChildLink.hear`."""
        try:
            heard = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except ConnectionError:
            heard = b""
        if not heard:
            return [_GONE]
        if heard == b"\n" and not self._heard:  # by far the most frequent
            return [_FRAME_READY]
        *lines, self._heard = (self._heard + heard).split(b"\n")
        if len(self._heard) > _LINE_BYTES:
            raise InvalidMessageError(f"a line of more than {_LINE_BYTES} bytes")
        return [_message(line) for line in lines]

    def frame(self) -> Frame | None:
        """See `ChildLink.frame`."""
        from waste_edge.device.capture.convert import take_frame  # see __init__

        try:
            taken = take_frame(self._reader)
        except ValueError as error:
            raise InvalidMessageError(first_line(error)) from error
        self.dropped_frames = self._reader.dropped_frames
        return taken

    def exit_reason(self) -> str:
        """See `ChildLink.exit_reason`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_S)
        self._listen_to_complaints()
        code = self._process.returncode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        lines = self._complaints.decode(errors="replace").strip().splitlines()
        return (
            f"{how}: {_one_line(_ADDRESS.sub(lambda found: without_password(found[0]), lines[-1]))}" if lines else how
        )

    def hang_up(self) -> None:
        """See `ChildLink.hang_up`."""
        self._socket.close()

    def kill(self) -> None:
        """See `ChildLink.kill`."""
        self._process.kill()

    def left(self, timeout_s: float = 0) -> bool:
        """See `ChildLink.left`."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._socket.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._reader.close()
        return True

    def _listen_to_complaints(self) -> None:
        try:
            said = os.read(self._stderr, 65536)
        except BlockingIOError:
            return
        if not said:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._stderr)
        self._complaints = (self._complaints + said)[-_STDERR_BYTES:]


def _message(line: bytes) -> ChildMessage:
    if not line:
        return _FRAME_READY
    try:
        news = msgspec.json.decode(line, type=ChildMessage)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidMessageError(f"an unreadable line ({line[:40]!r})") from error
    return ChildMessage(kind=news.kind, text=_one_line(news.text), identity=_one_line(news.identity), again=news.again)


def _one_line(text: str) -> str:
    """Drivers' words as they may be shown: no line breaks, nothing that a terminal obeys, not too long."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_TEXT_LETTERS]


def _environment(candidate: Candidate, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Copy this process's environment, limited to one thread for libraries that would start one a core.

    Without secrets, and without what is between systemd and this process: the child parses what strangers send.
    """
    kept = without_secrets(environment, candidate.withheld)
    if kind_of(candidate).network:  # the way to it may lead through a proxy with a password
        kept |= {name: environment[name] for name in _PROXIES if name in environment}
    return ONE_THREAD | kept


def start_child(candidate: Candidate) -> ChildLink:
    """Start a capture process; raises OSError if its interpreter cannot be run."""
    return ChildProcess(candidate)
