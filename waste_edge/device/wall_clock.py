"""The wall clock, whether to trust it, and which boot this is: told with each event, never used to order or age one."""

from __future__ import annotations

import ctypes
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")  # made by systemd-timesyncd once it has set the clock
_TIME_ERROR = 5  # adjtimex's answer for a clock that nobody keeps in step


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
    question = (ctypes.c_long * 64)()  # a struct timex of zeros (modes 0: read only), with room to spare
    answer = getattr(ctypes.CDLL(None), "adjtimex", lambda _: -1)(ctypes.byref(question))
    return 0 <= int(answer) < _TIME_ERROR
