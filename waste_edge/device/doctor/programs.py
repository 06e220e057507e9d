"""Python, its libraries, and what confines programs."""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Sequence

from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.text import first_line

_PYTHONS = ((3, 11), (3, 13))  # the oldest and the newest that is tested
_LIBRARIES = {"numpy": "numpy", "cv2": "opencv-python-headless", "PIL": "pillow"}


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
    from waste_edge.device.cameras.sandbox import support

    held = support() if held is None else held
    if held == "nothing":
        text = "this kernel cannot confine the capture process (no Landlock, no seccomp): use cameras that you trust"
        return [Condition("sandbox", Level.WARN, text)]
    return []
