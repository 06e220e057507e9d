"""Facts about the machine that a latency means nothing without."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

from waste_edge.strict import Strict

_LIBRARIES = ("numpy", "onnxruntime", "ai-edge-litert", "tflite-runtime", "opencv-python-headless")

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


class Machine(Strict, frozen=True):
    """One machine, as far as it tells.

    Attributes:
        board: the device tree's name, e.g. `Raspberry Pi 5 Model B Rev 1.0`; empty on a PC.
        cpu: the processor's or core's name.
        cores: that this process may use.
        architecture: `x86_64`, `aarch64`.
        os: the distribution's name.
        kernel: its release.
        python: its version.
        libraries: name to version, of those that are installed.
        governor: of the first core's clock, e.g. `ondemand`; empty if the machine does not say.
    """

    board: str
    cpu: str
    cores: int
    architecture: str
    os: str
    kernel: str
    python: str
    libraries: dict[str, str]
    governor: str


def read_machine(root: Path = Path("/")) -> Machine:
    """Facts about this machine; `root` is where /proc, /sys and /etc are read, another folder in tests."""
    return Machine(
        board=_read(root / "proc/device-tree/model").strip("\0 \n"),
        cpu=_cpu_model(_read(root / "proc/cpuinfo")) or platform.processor() or "unknown",
        cores=len(os.sched_getaffinity(0)),
        architecture=platform.machine(),
        os=_os_name(_read(root / "etc/os-release")) or platform.system(),
        kernel=platform.release(),
        python=platform.python_version(),
        libraries=_libraries(),
        governor=_read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
    )


def _read(path: Path) -> str:
    """A small file's text; empty if the machine has none, as containers and other boards do not."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpu_model(cpuinfo: str) -> str:
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if named:
        return named[1].strip()
    part = re.search(r"^CPU part\s*:\s*(\S+)$", cpuinfo, re.MULTILINE)
    return _ARM_CORES.get(part[1].lower(), f"ARM core {part[1]}") if part else ""


def _os_name(os_release: str) -> str:
    named = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', os_release, re.MULTILINE)
    return named[1] if named else ""


def _libraries() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
