"""Notifications to systemd: ready, status, and the watchdog's keep-alive while decisions are made.

The protocol is sd_notify(3): one datagram of `NAME=value` lines to the socket named by $NOTIFY_SOCKET. It is written
out here since it is forty lines, and since the packages that do it are unkept or want a C compiler on the board.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.loop import Listener, Seen
from waste_edge.errors import ConfigError

FEED_EVERY_NS = NS_PER_S
STATUS_EVERY_NS = 5 * NS_PER_S


class Notifier:
    """Sends to systemd's notification socket; silent where there is none.

    Args:
        address: a path, or a name in the abstract space that begins with `@`; empty for silence.
    """

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier:
        """The one that systemd asks for with $NOTIFY_SOCKET."""
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def ready(self, status: str = "") -> bool:
        """The service is up, or has read its configuration again."""
        return self.send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self.send(*_status(text))

    def reloading(self, now_ns: int) -> bool:
        """The configuration is being read again, as of `now_ns` on the system's monotonic clock; `ready` ends it."""
        return self.send("RELOADING=1", f"MONOTONIC_USEC={now_ns // 1000}")

    def stopping(self, status: str = "") -> bool:
        """The service is about to end."""
        return self.send("STOPPING=1", *_status(status))

    def send(self, *assignments: str) -> bool:
        """Send `NAME=value` lines in one datagram, without ever waiting.

        Returns:
            Whether systemd has them. A station goes on without systemd, so a failure is no error.
        """
        if not self._address or not assignments:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.setblocking(False)
                line.sendto("\n".join(assignments).encode("utf-8", "replace"), self._address)
        except OSError:
            return False
        return True


def watchdog_ns(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> int | None:
    """Read systemd's watchdog interval for this process, in nanoseconds; None if it has none.

    Args:
        environment: holds WATCHDOG_USEC and perhaps WATCHDOG_PID.
        pid: the process asked about; this one if None.

    Raises:
        ConfigError: a variable is not a number above 0.
    """
    if "WATCHDOG_USEC" not in environment:
        return None
    watched = environment.get("WATCHDOG_PID")
    if watched is not None and _number("WATCHDOG_PID", watched) != (os.getpid() if pid is None else pid):
        return None
    return _number("WATCHDOG_USEC", environment["WATCHDOG_USEC"]) * 1000


class Watchdog(Listener):
    """A `Listener` that feeds systemd's watchdog when the loop has done something, and never because time passed.

    It is fed by a frame's verdict (`seen`) and by a completed attempt to open the camera (`news`):
    once a second at most, or twice a `patience_ns` where that is shorter. The first of these also says READY. So a
    loop that hangs is killed, and a station that waits for a camera is not.

    Args:
        notifier: where to.
        clock: what "once a second" is measured by.
        patience_ns: how long the watchdog waits (`watchdog_ns`); None if there is none to feed.
    """

    def __init__(self, notifier: Notifier, clock: Clock, patience_ns: int | None) -> None:
        self._notifier = notifier
        self._clock = clock
        self._patience_ns = patience_ns
        self._feed_every_ns = FEED_EVERY_NS if patience_ns is None else min(FEED_EVERY_NS, patience_ns // 2)
        self._ready = False
        self._fed_ns: int | None = None
        self._said_ns: int | None = None
        self._camera = "the camera"

    def news(self, message: Opened | Absent | BadPicture) -> None:
        match message:
            case Opened(title):
                self._camera = title
                self._alive(f"looking at {title}", news=True)
            case Absent(reason, retry_s):
                self._alive(f"waiting for a camera: {reason}; next attempt in {retry_s:g} s", news=True)
            case BadPicture():
                pass  # neither a verdict nor an attempt

    def seen(self, seen: Seen) -> None:
        if seen.fault is not None:  # that it cannot be classified is a verdict, too
            self._alive(f"looking at {self._camera}, {seen.fault.reason}")
            return
        done = seen.statistics
        self._alive(f"looking at {self._camera}, {done.fps_now:.1f} frames/s, {done.items} items")

    def _alive(self, status: str, news: bool = False) -> None:
        """Say what is due: READY until systemd has heard it, food, the status if it is news or the last one is old."""
        now_ns = self._clock.now_ns()
        ready = [] if self._ready else ["READY=1"]
        hungry = self._patience_ns is not None and _passed(self._fed_ns, self._feed_every_ns, now_ns)
        saying = news or _passed(self._said_ns, STATUS_EVERY_NS, now_ns)
        if not self._notifier.send(*ready, *["WATCHDOG=1"] * hungry, *_status(status) * saying):
            return  # nothing was due, or systemd's queue is full: then it stays due
        self._ready = True
        self._fed_ns = now_ns if hungry else self._fed_ns
        self._said_ns = now_ns if saying else self._said_ns


def _passed(since_ns: int | None, span_ns: int, now_ns: int) -> bool:
    return since_ns is None or now_ns - since_ns >= span_ns


def _status(text: str) -> list[str]:
    """The status as an assignment, in one line; none if it is empty."""
    return [f"STATUS={' '.join(text.split())}"] if text else []


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) > 0):
        raise ConfigError(f"{name}={value!r}: expected a number above 0; systemd sets it, else unset it")
    return int(value)
