"""Checks of the pins that a station uses: is there a library, is there a header, and has somebody else the pins?

The kernel tells of each line of a GPIO chip who has it (linux/gpio.h, version 2 of the interface); nothing is taken.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from waste_edge.device.gpio.config import GpioConfig
from waste_edge.device.system.condition import Condition, Level

_CHIP_INFO = 0x8044B401  # GPIO_GET_CHIPINFO_IOCTL
_LINE_INFO = 0xC100B405  # GPIO_V2_GET_LINEINFO_IOCTL
_CHIP = struct.Struct("32s32sI")  # name, label, lines
_LINE = struct.Struct("32s32sIIQ176x")  # name, consumer, offset, attributes, flags, and what is not asked for
_USED = 1
_HEADER = "pinctrl-"  # the boards' own chips: pinctrl-bcm2711, pinctrl-rp1, …; the others are expanders
_OURS = "lg"  # lgpio, the library beneath gpiozero
# What the kernel's buses take although no line says so: (pins, a node that is there while the bus is on, its name).
_BUSES = (
    ((2, 3), "dev/i2c-1", "I2C (dtparam=i2c_arm=on)"),
    ((7, 8, 9, 10, 11), "dev/spidev0.0", "SPI (dtparam=spi=on)"),
    ((14, 15), "dev/serial0", "the serial port (enable_uart=1)"),
    ((4,), "sys/bus/w1/devices/w1_bus_master1", "1-Wire (dtoverlay=w1-gpio)"),
)

# Fills the buffer, as fcntl.ioctl does.
Ioctl = Callable[[int, int, bytearray], int]


@dataclass(frozen=True)
class Lines:
    """Lines of the header: who has each, by BCM number; empty for one that nobody has."""

    owners: dict[int, str]


def check_pins(config: GpioConfig, root: Path = Path("/"), ioctl: Ioctl = fcntl.ioctl) -> list[Condition]:
    """Conditions of the pins of a station's configuration.

    Args:
        config: the table.
        root: where /dev and /sys are looked for.
        ioctl: asks the kernel.
    """
    if importlib.util.find_spec("gpiozero") is None:
        return [Condition("gpio", Level.BAD, "[gpio] needs gpiozero; pip install 'waste-edge[gpio]'")]
    lines = _lines(root, ioctl)
    if lines is None:
        text = "no GPIO chip of the board under /dev that may be opened; add the user to the group gpio"
        return [Condition("gpio", Level.BAD, text)]
    found = [condition for part, pin in config.parts() for condition in _conflicts(part, pin, lines, root)]
    pins = ", ".join(str(pin) for _, pin in config.parts())
    return found or [Condition("gpio", Level.OK, f"pins {pins} are free")]


def _conflicts(part: str, pin: int, lines: Lines, root: Path) -> Sequence[Condition]:
    owner = lines.owners.get(pin)
    if owner is None:
        return [Condition("gpio", Level.BAD, f"pin {pin}, {part}: this board has no such line")]
    if owner == _OURS:
        text = f"pin {pin}, {part}: a program has it by way of lgpio; well if that is the running station"
        return [Condition("gpio", Level.WARN, text)]
    if owner:
        return [Condition("gpio", Level.BAD, f"pin {pin}, {part}: {owner} has it; choose another pin")]
    for pins, node, name in _BUSES:
        if pin in pins and (root / node).exists():
            text = f"pin {pin}, {part}: {name} is on and uses it; switch that off or choose another pin"
            return [Condition("gpio", Level.WARN, text)]
    return []


def _lines(root: Path, ioctl: Ioctl) -> Lines | None:
    """The lines of the board's own chip; None if there is none, or it may not be asked."""
    for path in sorted((root / "dev").glob("gpiochip*")):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            chip = bytearray(_CHIP.size)
            ioctl(handle, _CHIP_INFO, chip)
            _, label, count = _CHIP.unpack(chip)
            if _text(label).startswith(_HEADER) and count > 27:
                return Lines({offset: _owner(handle, offset, ioctl) for offset in range(28)})
        except OSError:
            continue
        finally:
            os.close(handle)
    return None


def _owner(handle: int, offset: int, ioctl: Ioctl) -> str:
    line = bytearray(_LINE.size)
    _LINE.pack_into(line, 0, b"", b"", offset, 0, 0)
    ioctl(handle, _LINE_INFO, line)
    _, consumer, _, _, flags = _LINE.unpack(line)
    return (_text(consumer) or "the kernel") if flags & _USED else ""


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("ascii", "replace")
