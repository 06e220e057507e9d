"""Signals as wishes: the loop looks at them between frames, so nothing is cut in half."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Stop:
    """Asks the loop to end, or to read its configuration again.

    Plain attributes, since a signal handler must not wait for a lock.

    Attributes:
        reason: why the loop is to end; empty while it is to go on.
        reload: the configuration is to be read again.
    """

    reason = ""
    reload = False

    def request(self, reason: str) -> None:
        """End after the frame in hand."""
        self.reason = reason


@contextlib.contextmanager
def stopped_by_signals(reloads: bool = False) -> Iterator[Stop]:
    """A `Stop` that SIGINT (Ctrl-C) and SIGTERM (systemd) set, and SIGHUP, too, unless it asks to reload.

    The second SIGINT or SIGTERM acts as if this were not here. SIGHUP stays ignored where it is (`nohup`).

    Args:
        reloads: there is a configuration that SIGHUP asks to read again; else it means that the terminal is gone.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def request(number: int, frame: FrameType | None) -> None:
        stop.request("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
        restore()

    def reload(number: int, frame: FrameType | None) -> None:
        stop.reload = True

    signal.signal(signal.SIGINT, request)
    signal.signal(signal.SIGTERM, request)
    if reloads:
        signal.signal(signal.SIGHUP, reload)
    elif before[signal.SIGHUP] != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, request)
    try:
        yield stop
    finally:
        restore()
