"""Facts about the machine that a latency means nothing without."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

from waste_edge.device.board import cpu_name, read_governor, read_model, read_small
from waste_edge.strict import Strict

_LIBRARIES = ("numpy", "onnxruntime", "ai-edge-litert", "tflite-runtime", "opencv-python-headless")


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
        board=read_model(root) or "",
        cpu=cpu_name(read_small(root / "proc/cpuinfo")) or platform.processor() or "unknown",
        cores=len(os.sched_getaffinity(0)),
        architecture=platform.machine(),
        os=_os_name(read_small(root / "etc/os-release")) or platform.system(),
        kernel=platform.release(),
        python=platform.python_version(),
        libraries=_libraries(),
        governor=read_governor(root) or "",
    )


def _os_name(os_release: str) -> str:
    named = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', os_release, re.MULTILINE)
    return named[1] if named else ""


def _libraries() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
