"""Permissions of devices: cameras, what a ribbon camera needs beside them, the graphics card, GPIO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from waste_edge.device.cameras.nodes import HEAPS, MEDIA, UDMABUF, VIDEO, Kind, closed, missing_heap, remedy
from waste_edge.device.doctor.service import Service
from waste_edge.device.doctor.setting import Setting, User, user_of_groups
from waste_edge.device.system.board import read_model, read_small
from waste_edge.device.system.condition import Condition, Level

_RENDER = Kind("dri/renderD*", "render", 'SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0660"')
_GPIO = Kind("gpiochip*", "gpio", 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"')
_NODES = (VIDEO, MEDIA, HEAPS, UDMABUF, _RENDER, _GPIO)
# Whom `service install` makes, and the groups that the unit gives it.
_SERVICE_USER, _SERVICE_GROUPS = "waste-edge", ("video", "gpio")


def check_permissions(setting: Setting, service: Service) -> list[Condition]:
    """Check that the present user, and the service's own, may open the devices.

    That root may says nothing about a station: in its place the service's user is looked at, before it is there, too.
    """
    users = [] if setting.user.name == "root" else [setting.user]
    if service.installed or not users:
        name = service.facts.get("User") or _SERVICE_USER
        groups = service.facts.get("SupplementaryGroups", "").split() if service.installed else _SERVICE_GROUPS
        users.append(user_of_groups(name, frozenset([*groups, *_groups_of(name, setting.root)])))
    certain = service.installed or setting.user.name != "root"  # else it is of somebody who may never be needed
    found = [_check_user(user, setting, certain) for user in users]
    return [*found, *_check_heap(setting)]


def _check_user(user: User, setting: Setting, certain: bool) -> Condition:
    devices = setting.root / "dev"
    shut = [(kind, nodes[0]) for kind in _NODES if (nodes := closed(kind, user.may_open, devices))]
    if not any(kind is HEAPS for kind, _ in shut) and list(devices.glob(HEAPS.pattern)):
        shut = [(kind, node) for kind, node in shut if kind is not UDMABUF]  # needed only where there is no heap
    if not shut:
        return Condition("permissions", Level.OK, f"{user.name} may open every camera, media, render and gpio device")
    needed = {VIDEO} if not _wants_ribbon(setting) else {VIDEO, MEDIA, HEAPS}
    level = Level.BAD if certain and needed & {kind for kind, _ in shut} else Level.WARN
    named = ", ".join(f"/{node.relative_to(setting.root)}" for _, node in shut)
    return Condition("permissions", level, f"{user.name} may not open {named}; {remedy(shut, user.name)}")


def _check_heap(setting: Setting) -> Sequence[Condition]:
    """Check that picamera2 finds memory for pictures, where a ribbon camera is wanted."""
    missing = missing_heap(setting.root / "dev") if _wants_ribbon(setting) else ""
    return [Condition("picture-memory", Level.WARN, missing)] if missing else []


def _wants_ribbon(setting: Setting) -> bool:
    if setting.camera is not None:
        return setting.camera.startswith("picamera:")
    media = any(closed(MEDIA, lambda node: False, setting.root / "dev"))
    return media and (read_model(setting.root) or "").startswith("Raspberry Pi")


def _groups_of(name: str, root: Path) -> list[str]:
    lines = [line.split(":") for line in read_small(root / "etc/group").splitlines()]
    return [words[0] for words in lines if len(words) == 4 and name in words[3].split(",")]
