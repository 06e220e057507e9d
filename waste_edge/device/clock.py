"""Clocks. Time is an argument: every stage is given a clock; tests, replays and benchmarks bring their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

NS_PER_S = 1_000_000_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")  # made by systemd-timesyncd once it has set the clock
_TIME_ERROR = 5  # adjtimex's answer for a clock that nobody keeps in step


@dataclass(frozen=True)
class RetryPolicy:
    """Delay after failures in a row: doubling from `first_s` to `longest_s`.

    Attributes:
        first_s, longest_s: the bounds.
        jitter: each wait is shortened at random by up to this share, so that not all stations come at once.
        random: gives the chance, from 0 to 1; None: Python's own.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    jitter: float = 0.0
    random: Callable[[], float] | None = None

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, at least 1."""
        wait_s = float(min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30)))
        if not self.jitter:
            return wait_s
        if self.random is not None:
            return wait_s * (1.0 - self.jitter * self.random())
        import random  # here: most who read this module draw nothing

        return wait_s * (1.0 - self.jitter * random.random())


class Clock(Protocol):
    """A monotonic clock that can also be slept by."""

    def now_ns(self) -> int:
        """Nanoseconds since some fixed moment; never goes back."""
        ...

    def sleep(self, seconds: float, interrupt: threading.Event | None = None) -> None:
        """Sleep for `seconds`, or until `interrupt` is set; not at all if negative."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float, interrupt: threading.Event | None = None) -> None:
        if seconds <= 0:
            return
        if interrupt is None:
            time.sleep(seconds)
        else:
            interrupt.wait(seconds)


class SimulatedClock:
    """A `Clock` that only moves when it is slept by."""

    def __init__(self) -> None:
        self._now_ns = NS_PER_S  # not 0: that would look like no time at all

    def now_ns(self) -> int:
        return self._now_ns

    def sleep(self, seconds: float, interrupt: threading.Event | None = None) -> None:
        self._now_ns += round(max(0.0, seconds) * NS_PER_S)


class WallClock(Protocol):
    """UTC wall clock of the machine. It may jump by years, either way."""

    @property
    def boot_id(self) -> str:
        """Names the boot; monotonic times of one boot can be compared with each other and with no others."""
        ...

    def now_utc(self) -> datetime:
        """The wall clock, in UTC."""
        ...

    def synchronized(self) -> bool:
        """Return whether something keeps the wall clock in step with the world's."""
        ...


class SystemWallClock:
    """The machine's own wall clock.

    Args:
        boot_id_path: where the kernel names the boot.
        synchronized_path: exists once systemd-timesyncd has set the clock.
    """

    def __init__(self, boot_id_path: Path = BOOT_ID, synchronized_path: Path = SYNCHRONIZED) -> None:
        self._synchronized_path = synchronized_path
        try:
            self._boot_id = boot_id_path.read_text(encoding="ascii").strip()
        except OSError:
            import uuid

            self._boot_id = str(uuid.uuid4())  # then no two runs are taken for the same boot

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def now_utc(self) -> datetime:
        return datetime.now(UTC)

    def synchronized(self) -> bool:
        return self._synchronized_path.exists() or _kernel_in_step()


def _kernel_in_step() -> bool:
    """Ask the kernel whether chrony or ntpd keeps it in step. False where it may not ask (ProtectClock=)."""
    import ctypes  # not by all who take a clock, the capture process among them

    question = (ctypes.c_long * 64)()  # a struct timex of zeros (modes 0: read only), with room to spare
    answer = getattr(ctypes.CDLL(None), "adjtimex", lambda _: -1)(ctypes.byref(question))
    return 0 <= int(answer) < _TIME_ERROR
