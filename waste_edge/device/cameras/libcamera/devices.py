"""The devices that a ribbon camera needs beside /dev/videoN, and how somebody gets to open them. No library needed."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RULES = "/etc/udev/rules.d/60-waste-edge.rules"
DEVICES = Path("/dev")
_READ_WRITE = os.R_OK | os.W_OK


@dataclass(frozen=True)
class Kind:
    """A kind of device.

    Attributes:
        pattern: its nodes under /dev.
        group: to whom they belong by Raspberry Pi OS' own rules.
        rule: the udev rule by which they do.
    """

    pattern: str
    group: str
    rule: str


VIDEO = Kind("video*", "video", 'SUBSYSTEM=="video4linux", GROUP="video", MODE="0660"')
MEDIA = Kind("media*", "video", 'SUBSYSTEM=="media", GROUP="video", MODE="0660"')
HEAPS = Kind("dma_heap/*", "video", 'SUBSYSTEM=="dma_heap", GROUP="video", MODE="0660"')
UDMABUF = Kind("udmabuf", "video", 'KERNEL=="udmabuf", GROUP="video", MODE="0660"')
# What libcamera finds cameras by, and what it and picamera2 take picture memory from.
OF_LIBCAMERA = (MEDIA, HEAPS, UDMABUF)
# What picamera2 asks for, in this order.
PICAMERA2_HEAPS = ("vidbuf_cached", "linux,cma")


def may_open(node: Path) -> bool:
    """Return whether this process may read and write a device."""
    return os.access(node, _READ_WRITE)


def closed(kind: Kind, allowed: Callable[[Path], bool] = may_open, devices: Path | None = None) -> list[Path]:
    """The nodes of a kind that may not be opened; of the memory heaps, the one that picamera2 would take."""
    devices = devices or DEVICES
    nodes = sorted(devices.glob(kind.pattern))
    if kind is HEAPS:
        wanted = [devices / "dma_heap" / name for name in PICAMERA2_HEAPS]
        nodes = [node for node in wanted if node in nodes][:1]
    return [node for node in nodes if not allowed(node)]


def remedy(shut: Sequence[tuple[Kind, Path]], user: str) -> str:
    """Describe how `user` gets access to these nodes: by a group, else by a udev rule that assigns one."""
    groups, rules = [], []
    for kind, node in shut:
        group = opening_group(node)
        groups.append(group or kind.group)
        if not group:
            rules.append(kind.rule)
    join = f"sudo usermod -aG {','.join(dict.fromkeys(groups))} {user}, then log in again (or restart the service)"
    if not rules:
        return join
    lines = " ".join(f"'{rule}'" for rule in dict.fromkeys(rules))
    rule = f"printf '%s\\n' {lines} | sudo tee -a {RULES}; sudo udevadm control --reload; sudo udevadm trigger"
    return f"no group may: {rule}; and {join}"


def why_closed(user: str, devices: Path | None = None) -> str:
    """Explain what keeps this process from a ribbon camera's devices, with the remedy; empty if nothing does."""
    for kind in (MEDIA, HEAPS):
        if nodes := closed(kind, devices=devices):
            return f"{nodes[0]} may not be opened; {remedy([(kind, nodes[0])], user)}"
    return missing_heap(devices)


def missing_heap(devices: Path | None = None) -> str:
    """That picamera2 finds no memory for pictures, with the remedy; empty if it does."""
    folder = (devices or DEVICES) / "dma_heap"
    if any((folder / name).exists() for name in PICAMERA2_HEAPS):
        return ""
    text = "picamera2 needs /dev/dma_heap/linux,cma, which is not there"
    if (folder / "system").exists():
        link = "echo 'L+ /dev/dma_heap/linux,cma - - - - system' | sudo tee /etc/tmpfiles.d/waste-edge.conf"
        return f"{text}; {link}; sudo systemd-tmpfiles --create"
    return f"{text}; use Raspberry Pi's own kernel, with dtoverlay=vc4-kms-v3d"


def opening_group(node: Path) -> str:
    """The group that may read and write a node; empty if there is none but root's."""
    try:
        status = node.stat()
        name = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return ""
    return name if name != "root" and status.st_mode & 0o060 == 0o060 else ""
