"""Facts about the machine that a latency means nothing without."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path

from waste_edge.device.system.board import cpu_name, read_governor, read_model, read_small
from waste_edge.files.strict import Strict

ROOT = Path("/")
_LIBRARIES = ("numpy", "onnxruntime", "ai-edge-litert", "tflite-runtime", "opencv-python-headless")

# As /proc/cpuinfo names them: what makes INT8 fast, and what FP32 stands on. asimddp is Arm's dot product.
_FEATURES = (
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "neon", "fphp"),
    *("ssse3", "sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"),
)


class Machine(Strict, frozen=True):
    """One machine, as far as it tells.

    Attributes:
        board: the device tree's name, e.g. `Raspberry Pi 5 Model B Rev 1.0`; empty on a PC.
        cpu: the processor's or core's name.
        features: of its instructions, those that matter here, e.g. `asimddp` (dot product), `i8mm`, `avx512_vnni`.
        cores: that this process may use.
        memory_mb: all of it, in millions of bytes; None if it does not tell.
        architecture: `x86_64`, `aarch64`.
        emulated: why its processor is taken to be emulated; empty for a real one.
        os: the distribution's name.
        kernel: its release.
        python: its version.
        libraries: name to version, of those that are installed.
        governor: of the first core's clock, e.g. `ondemand`; empty if the machine does not say.
    """

    board: str
    cpu: str
    features: list[str]
    cores: int
    memory_mb: float | None
    architecture: str
    emulated: str
    os: str
    kernel: str
    python: str
    libraries: dict[str, str]
    governor: str


def read_machine(root: Path = ROOT) -> Machine:
    """Facts about this machine; `root` is where /proc, /sys and /etc are read, another folder in tests."""
    cpuinfo = read_small(root / "proc/cpuinfo")
    total = re.search(r"^MemTotal:\s*(\d{1,15}) kB$", read_small(root / "proc/meminfo"), re.MULTILINE)
    architecture = _architecture(root)
    return Machine(
        board=read_model(root) or "",
        cpu=cpu_name(cpuinfo) or platform.processor() or "unknown",
        features=_features(cpuinfo),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=int(total[1]) * 1024 / 1e6 if total else None,
        architecture=architecture,
        emulated=emulated(root, architecture),
        os=_os_name(read_small(root / "etc/os-release")) or platform.system(),
        kernel=platform.release(),
        python=platform.python_version(),
        libraries=_libraries(),
        governor=read_governor(root) or "",
    )


def emulated(root: Path, architecture: str) -> str:
    """Say why a program for this architecture is taken to run on an emulated processor; empty if nothing indicates it.

    A user-mode qemu cannot hide everything: the kernel's own architecture, or a /proc/cpuinfo of the other family.

    Args:
        root: where /proc is read.
        architecture: what this process believes to run on.
    """
    kernel = read_small(root / "proc/sys/kernel/arch").strip()  # since Linux 6.1
    if kernel and _family(kernel) != _family(architecture):
        return f"the programs are {architecture}, the kernel is {kernel}"
    cpuinfo = read_small(root / "proc/cpuinfo")
    told = "arm" if "CPU implementer" in cpuinfo else "x86" if "vendor_id" in cpuinfo else ""
    if told and _family(architecture) in ("arm", "x86") and told != _family(architecture):
        return f"the programs are {architecture}, /proc/cpuinfo is that of an {told} processor"
    with contextlib.suppress(OSError):
        program = (root / "proc/thread-self/exe").readlink().name
        if program.startswith("qemu-"):
            return f"this process is run by {program}"
    return ""


def _family(architecture: str) -> str:
    for name, beginnings in {"arm": ("arm", "aarch64"), "x86": ("x86", "i386", "i486", "i586", "i686")}.items():
        if architecture.startswith(beginnings):
            return name
    return architecture


def _architecture(root: Path) -> str:
    """Architecture of this process; a folder that stands for a board names its own."""
    told = "" if root == ROOT else read_small(root / "proc/sys/kernel/arch").strip()
    return told or platform.machine()


def _features(cpuinfo: str) -> list[str]:
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    words = set(listed[1].split()) if listed else set()
    return [feature for feature in _FEATURES if feature in words]


def _os_name(os_release: str) -> str:
    named = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', os_release, re.MULTILINE)
    return named[1] if named else ""


def _libraries() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
