"""Readings of the board: temperature, power, clock rate, memory, processor features.

All of it is optional: a PC has no throttle bits, a virtual machine no thermometer. What the machine does not
tell is None, and nothing here raises for a file that is absent or holds nonsense. Every path lies under one
root, so that a folder can stand for a board (`tests/device/boards.py` makes such folders).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

from waste_edge.device.clock import NS_PER_S, Clock, SystemClock
from waste_edge.device.system.command import RunProgram, run_program

VCGENCMD = Path("usr/bin/vcgencmd")
_VCGENCMD_TIMEOUT_S = 1.0
_VCGENCMD_PAUSE_S = 600  # a vcgencmd that hung is left alone for so long
_THROTTLED_FILES = ("sys/devices/platform/soc*/soc*firmware/get_throttled",)
_CPU_ZONES = ("cpu", "x86_pkg_temp", "soc")  # how the types of a processor's thermal zones begin, the best first
_INT8_FEATURES = ("asimddp", "i8mm", "avx512_vnni", "avx_vnni")

# /proc/cpuinfo on arm64 gives a number where x86 gives a name: the cores of boards this project runs on.
_ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
}


class Trouble(IntFlag):
    """Bits 0 to 3 of `vcgencmd get_throttled`; sixteen bits higher they stand for "since boot"."""

    UNDER_VOLTAGE = 1
    FREQUENCY_CAPPED = 2
    THROTTLED = 4
    SOFT_TEMPERATURE_LIMIT = 8

    @property
    def words(self) -> str:
        """Flags for people: `under-voltage and throttled`."""
        return " and ".join(_WORDS[bit] for bit in Trouble if bit in self)


NO_TROUBLE = Trouble(0)
_WORDS = {
    Trouble.UNDER_VOLTAGE: "under-voltage",
    Trouble.FREQUENCY_CAPPED: "frequency capped",
    Trouble.THROTTLED: "throttled",
    Trouble.SOFT_TEMPERATURE_LIMIT: "soft temperature limit",
}


@dataclass(frozen=True)
class Throttled:
    """Throttling flags of a Raspberry Pi's firmware, for heat and weak supplies."""

    now: Trouble = NO_TROUBLE
    since_boot: Trouble = NO_TROUBLE

    @classmethod
    def from_bits(cls, bits: int) -> Throttled:
        """From the number that `get_throttled` gives, e.g. 0x50005."""
        return cls(Trouble(bits & 0xF), Trouble(bits >> 16 & 0xF))


@dataclass(frozen=True)
class Readings:
    """One look at the board; None is what it does not tell.

    Attributes:
        model: the device tree's name, e.g. `Raspberry Pi 5 Model B Rev 1.0`.
        cpu: the processor's or core's name.
        temperature_c: of the processor; its hottest zone if it has several.
        throttled: the firmware's bits; only a Raspberry Pi has them.
        frequency_mhz: what the kernel asked for. Firmware that throttles runs slower, which only `throttled` tells.
        max_frequency_mhz: the most the processor is made for.
        governor: of the first core's clock, e.g. `ondemand`.
        int8_features: the instructions that make INT8 fast, as /proc/cpuinfo names them; empty if it has none.
        memory_mb: all of it (millions of bytes).
        available_mb: what programs can still have without swapping.
        kernel_bits, userland_bits: 32 or 64; a 64-bit kernel under 32-bit programs is common on a Pi.
    """

    model: str | None = None
    cpu: str | None = None
    temperature_c: float | None = None
    throttled: Throttled | None = None
    frequency_mhz: float | None = None
    max_frequency_mhz: float | None = None
    governor: str | None = None
    int8_features: tuple[str, ...] | None = None
    memory_mb: float | None = None
    available_mb: float | None = None
    kernel_bits: int | None = None
    userland_bits: int | None = None

    @property
    def is_raspberry_pi(self) -> bool:
        return (self.model or "").startswith("Raspberry Pi")


class Board:
    """The machine under `root`. One thread owns it.

    Args:
        root: where /proc, /sys and vcgencmd are looked for; another folder stands for another board.
        vcgencmd: the firmware's program, asked where sysfs has no throttle bits; `usr/bin/vcgencmd` of the root
            if None.
        clock: for leaving a vcgencmd that hung alone.
        ask_program: how programs are run.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        vcgencmd: Path | None = None,
        clock: Clock | None = None,
        ask_program: RunProgram = run_program,
    ) -> None:
        self.root = root
        self.vcgencmd = vcgencmd or root / VCGENCMD
        self._clock = clock or SystemClock()
        self._run_program = ask_program
        self._asked_again_ns = 0

    def read(self) -> Readings:
        """Look once: a millisecond, or a second at the most when vcgencmd hangs (then not again for ten minutes)."""
        cpuinfo = read_small(self.root / "proc/cpuinfo")
        meminfo = read_small(self.root / "proc/meminfo")
        cpufreq = self.root / "sys/devices/system/cpu/cpu0/cpufreq"
        return Readings(
            model=read_model(self.root),
            cpu=cpu_name(cpuinfo),
            temperature_c=_temperature_c(self.root),
            throttled=self._throttled(),
            frequency_mhz=_thousandth(cpufreq / "scaling_cur_freq", 1e5),
            max_frequency_mhz=_thousandth(cpufreq / "cpuinfo_max_freq", 1e5),
            governor=read_governor(self.root),
            int8_features=_int8_features(cpuinfo),
            memory_mb=_megabytes(meminfo, "MemTotal"),
            available_mb=_megabytes(meminfo, "MemAvailable"),
            kernel_bits=_kernel_bits(self.root),
            userland_bits=_userland_bits(self.root),
        )

    def _throttled(self) -> Throttled | None:
        """From sysfs, which costs no process and needs no /dev/vcio; else from vcgencmd."""
        for pattern in _THROTTLED_FILES:
            for path in sorted(self.root.glob(pattern)):
                if (bits := _hexadecimal(read_small(path))) is not None:
                    return Throttled.from_bits(bits)
        if not os.access(self.vcgencmd, os.X_OK) or self._clock.now_ns() < self._asked_again_ns:
            return None
        answer = self._run_program([str(self.vcgencmd), "get_throttled"], _VCGENCMD_TIMEOUT_S)
        if answer is not None and answer.cut_off:
            self._asked_again_ns = self._clock.now_ns() + _VCGENCMD_PAUSE_S * NS_PER_S
        if answer is None or not answer.ok or not answer.text.startswith("throttled="):
            return None
        bits = _hexadecimal(answer.text.removeprefix("throttled="))
        return None if bits is None else Throttled.from_bits(bits)


def read_small(path: Path) -> str:
    """A small file's text; empty if the machine has none, as containers and other boards do not."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return ""


def read_model(root: Path) -> str | None:
    """The board's name in the device tree; None on a PC."""
    return read_small(root / "proc/device-tree/model").strip("\0 \n") or None


def read_governor(root: Path) -> str | None:
    """The governor of the first core's clock; None where the machine does not say."""
    return read_small(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None


def cpu_name(cpuinfo: str) -> str | None:
    """The processor's name in the text of /proc/cpuinfo, or the core's where that gives numbers only."""
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if named:
        return named[1].strip()
    part = re.search(r"^CPU part\s*:\s*(\S+)$", cpuinfo, re.MULTILINE)
    return _ARM_CORES.get(part[1].lower(), f"ARM core {part[1]}") if part else None


def _int8_features(cpuinfo: str) -> tuple[str, ...] | None:
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if not listed:
        return None
    words = set(listed[1].split())
    return tuple(feature for feature in _INT8_FEATURES if feature in words)


def _temperature_c(root: Path) -> float | None:
    """The hottest of the processor's zones; zones of radios, disks and batteries do not count."""
    zones = [
        (read_small(zone / "type").strip().lower(), zone)
        for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"))
    ]
    for kind in _CPU_ZONES:
        found = [_thousandth(zone / "temp", 150) for name, zone in zones if name.startswith(kind)]
        if known := [value for value in found if value is not None]:
            return max(known)
    return None


def _thousandth(path: Path, most: float) -> float | None:
    """A whole number from sysfs over a thousand (kHz, m°C); None if it is no number or no possible one."""
    text = read_small(path).strip()
    value = int(text) / 1000 if re.fullmatch(r"-?\d{1,12}", text, re.ASCII) else None
    return value if value is not None and -50 <= value <= most else None


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"\s*(0x)?[0-9a-fA-F]{1,8}\s*", text) else None


def _megabytes(meminfo: str, name: str) -> float | None:
    found = re.search(rf"^{name}:\s*(\d{{1,15}}) kB$", meminfo, re.MULTILINE | re.ASCII)
    return int(found[1]) * 1024 / 1e6 if found else None


def _kernel_bits(root: Path) -> int | None:
    arch = read_small(root / "proc/sys/kernel/arch").strip()  # since Linux 6.1
    if not arch and root == Path("/"):
        arch = os.uname().machine
    if not arch:
        return None
    return 64 if "64" in arch or arch == "s390x" else 32


def _userland_bits(root: Path) -> int | None:
    """From the shell's ELF header, whose fifth byte is 1 for 32 bits and 2 for 64."""
    try:
        with (root / "bin/sh").open("rb") as stream:
            header = stream.read(5)
    except OSError:
        return None
    return {b"\x7fELF\x01": 32, b"\x7fELF\x02": 64}.get(header)
