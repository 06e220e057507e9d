"""Checks of the board: heat, power, memory, instructions, disk; Python, its libraries, and what confines programs."""

from __future__ import annotations

import importlib
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.doctor.service import Service
from waste_edge.device.doctor.setting import STATE, Setting
from waste_edge.device.service.environments import LEAST_MEMORY_MB
from waste_edge.device.system.board import Board, Readings
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.disk import (
    look_at,
    pace_condition,
    pace_mb_a_day,
    room_condition,
    unreadable,
    volume_of,
    written_bytes,
)
from waste_edge.device.system.shedding import power_condition, temperature_condition
from waste_edge.files.text import first_line

_NEEDED_MB = 200  # the station takes 150
_PYTHONS = ((3, 11), (3, 13))  # the oldest and the newest that is tested
_LIBRARIES = {"numpy": "numpy", "cv2": "opencv-python-headless", "PIL": "pillow"}


def check_board(setting: Setting) -> list[Condition]:
    """Check the board's readings at one moment."""
    readings = Board(setting.root, clock=setting.clock, ask_program=setting.run_program).read()
    return [
        _system(readings),
        _int8(readings),
        power_condition(readings),
        temperature_condition(readings, setting.thresholds),
        _memory(readings),
    ]


def _system(readings: Readings) -> Condition:
    board = readings.model or readings.cpu or "a machine that does not say what it is"
    for bits, what in ((readings.kernel_bits, "kernel"), (readings.userland_bits, "programs")):
        if bits == 32:
            remedy = "the engines need 64: install 64-bit Raspberry Pi OS"
            return Condition("system", Level.BAD, f"{board}: the {what} have 32 bits; {remedy}")
    known = readings.kernel_bits and readings.userland_bits
    return Condition("system", Level.OK, f"{board}, 64-bit kernel and programs" if known else board)


def _int8(readings: Readings) -> Condition:
    if readings.int8_features is None:
        return Condition("int8", Level.OK, "the processor does not tell its instructions")
    if readings.int8_features:
        return Condition("int8", Level.OK, f"instructions that make INT8 fast: {', '.join(readings.int8_features)}")
    text = f"{readings.cpu or 'the processor'} has no dot product for INT8, which gains less from it here"
    return Condition(
        "int8", Level.WARN, f"{text}; compare the engines' lines, and add --precision fp32 if that is faster"
    )


def _memory(readings: Readings) -> Condition:
    if readings.memory_mb is None or readings.available_mb is None:
        return Condition("memory", Level.OK, "the kernel does not tell")
    text = f"{readings.available_mb:,.0f} MB of {readings.memory_mb:,.0f} available"
    if readings.memory_mb < LEAST_MEMORY_MB:
        return Condition("memory", Level.BAD, f"{text}; a station needs a board of 512 MB")
    if readings.available_mb >= _NEEDED_MB:
        return Condition("memory", Level.OK, text)
    return Condition(
        "memory", Level.WARN, f"{text}, the station needs {_NEEDED_MB}; stop other programs, the desktop first"
    )


def check_disk(setting: Setting, service: Service) -> list[Condition]:
    """Room for the state, what it lies on, and what the running station writes."""
    given = setting.state or setting.root / STATE
    # Without --state the folder is the service's own: systemd makes it, and the present user need not reach it.
    state = given if setting.state else _nearest(given)
    try:
        room = look_at(state)
    except OSError as error:
        return [unreadable(state, error)]
    condition = room_condition(state, room if setting.state else replace(room, writable=True), setting.disk)
    return [_on_what(condition, state, setting.root), *_writing(setting, service)]


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there and may be looked at."""
    return next((folder for folder in (path, *path.parents) if os.access(folder, os.F_OK)), path)


def _on_what(condition: Condition, state: Path, root: Path) -> Condition:
    volume = volume_of(state, root / "proc/mounts")
    if volume is None or condition.level is Level.BAD:
        return condition
    if volume.is_fleeting:
        text = f"{condition.text} on {volume.filesystem}, which forgets everything without power; choose a real disk"
        return replace(condition, level=Level.WARN, text=text)
    kind = f"{volume.filesystem} on {'a card' if volume.is_card else 'a disk'}, {volume.device}"
    return replace(condition, text=f"{condition.text} ({kind})")


def _writing(setting: Setting, service: Service) -> list[Condition]:
    if not service.main_pid:
        return []
    written = written_bytes(setting.root / "proc" / str(service.main_pid) / "io")
    if written is None:
        return [
            Condition("disk-writes", Level.OK, "what the service writes is told to root only; sudo waste-edge doctor")
        ]
    pace_mb = pace_mb_a_day(written, (setting.clock.now_ns() - service.started_ns) / NS_PER_S)
    return [pace_condition(pace_mb, setting.disk)]


def check_python(
    version: tuple[int, int] = (sys.version_info[0], sys.version_info[1]),
    bits: int = struct.calcsize("P") * 8,
    libraries: Sequence[str] = tuple(_LIBRARIES),
) -> list[Condition]:
    """The interpreter that runs now, and whether its libraries load."""
    name = f"Python {version[0]}.{version[1]}, {bits} bits"
    if bits != 64:
        return [Condition("python", Level.BAD, f"{name}: the engines need 64; install 64-bit Raspberry Pi OS")]
    found = []
    for library in libraries:
        try:
            module = importlib.import_module(library)
        except Exception as error:  # noqa: BLE001  # built against another numpy, a library raises what it likes
            return [Condition("python", Level.BAD, f"{name}: {_remedy(library, error)}")]
        found.append(f"{_LIBRARIES.get(library, library)} {getattr(module, '__version__', '')}".strip())
    text = f"{name}; {', '.join(found)}"
    if version < _PYTHONS[0]:
        return [Condition("python", Level.BAD, f"{text}; Python 3.11 or later is needed")]
    if version > _PYTHONS[1]:
        return [Condition("python", Level.WARN, f"{text}; tried with Python 3.11 to 3.13 only")]
    return [Condition("python", Level.OK, text)]


def _remedy(library: str, error: Exception) -> str:
    said = first_line(error)
    package = _LIBRARIES.get(library, library)
    if isinstance(error, ModuleNotFoundError):
        return f"{package} is missing ({said}); pip install {package}"
    return f"{package} does not load ({said}); pip install --force-reinstall {package} in this environment"


def check_sandbox(held: str | None = None) -> list[Condition]:
    """Check that this kernel can confine the capture process, which parses whatever a camera or the network sends.

    Args:
        held: as `sandbox.support` says it; None to ask it.
    """
    from waste_edge.device.cameras.process.sandbox import support

    held = support() if held is None else held
    if held == "nothing":
        text = "this kernel cannot confine the capture process (no Landlock, no seccomp): use cameras that you trust"
        return [Condition("sandbox", Level.WARN, text)]
    return []
