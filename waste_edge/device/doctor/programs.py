"""Python, its libraries, and who may open the devices."""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from waste_edge.device.doctor.service import Service
from waste_edge.device.doctor.setting import Setting, User, user_of_groups
from waste_edge.device.system.board import read_small
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.text import first_line

_PYTHONS = ((3, 11), (3, 13))  # the oldest and the newest that is tested
_LIBRARIES = {"numpy": "numpy", "cv2": "opencv-python-headless", "PIL": "pillow"}

# Which nodes are whose, and whether a station needs them: without `video` there is no camera.
_NODES = {
    "video": ("video*", Level.BAD),
    "render": ("dri/renderD*", Level.WARN),
    "gpio": ("gpiochip*", Level.WARN),
}


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


def check_permissions(setting: Setting, service: Service) -> list[Condition]:
    """Whether the present user, and the service's own, may open the devices there are."""
    users = [setting.user]
    if service.installed:
        name = service.facts.get("User") or "waste-edge"
        groups = service.facts.get("SupplementaryGroups", "").split()
        users.append(user_of_groups(name, frozenset([*groups, *_groups_of(name, setting.root)])))
    return [_check_user(user, setting.root) for user in users]


def _check_user(user: User, root: Path) -> Condition:
    closed: dict[str, Path] = {}
    for group, (pattern, _) in _NODES.items():
        for node in sorted((root / "dev").glob(pattern)):
            if not user.may_open(node):
                closed.setdefault(group, node)
    if not closed:
        return Condition("permissions", Level.OK, f"{user.name} may open every video, render and gpio device")
    level = Level.BAD if any(_NODES[group][1] is Level.BAD for group in closed) else Level.WARN
    nodes = ", ".join(f"/{node.relative_to(root)}" for node in closed.values())
    remedy = f"sudo usermod -aG {','.join(closed)} {user.name}, then log in again (or restart the service)"
    return Condition("permissions", level, f"{user.name} may not open {nodes}; {remedy}")


def _groups_of(name: str, root: Path) -> list[str]:
    lines = [line.split(":") for line in read_small(root / "etc/group").splitlines()]
    return [words[0] for words in lines if len(words) == 4 and name in words[3].split(",")]


def check_sandbox(held: str | None = None) -> list[Condition]:
    """Whether this kernel cannot confine the capture process, which parses whatever a camera or the network sends.

    Args:
        held: as `sandbox.support` says it; None to ask it.
    """
    from waste_edge.device.cameras.sandbox import support

    held = support() if held is None else held
    if held == "nothing":
        text = "this kernel cannot confine the capture process (no Landlock, no seccomp): use cameras that you trust"
        return [Condition("sandbox", Level.WARN, text)]
    return []
