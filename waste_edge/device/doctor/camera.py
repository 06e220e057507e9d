"""Checks of the camera and of permissions: is there one, does it give a frame, and which devices may be opened?"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from waste_edge.device.cameras.address import is_address
from waste_edge.device.cameras.libcamera.devices import HEAPS, MEDIA, UDMABUF, VIDEO, Kind, closed, missing_heap, remedy
from waste_edge.device.cameras.query import lasting_name
from waste_edge.device.doctor.service import Service
from waste_edge.device.doctor.setting import Setting, User, user_of_groups
from waste_edge.device.system.board import read_model, read_small
from waste_edge.device.system.command import Answer, run_program, without_secrets
from waste_edge.device.system.condition import Condition, Level

CAMERA_VARIABLE = "WASTE_EDGE_GRAB"  # of grab_frame.py, which needs NumPy and OpenCV: holds the camera
_FRAME_LIMIT_S = 8.0
_IMPORT_LIMIT_S = 6.0
_MOST_ANCESTORS = 8
# Says how many cameras libcamera finds; stays quiet about the weather.
_COUNT = (
    "import os; os.environ['LIBCAMERA_LOG_LEVELS'] = '*:ERROR'; import picamera2; "
    "print(len([c for c in picamera2.Picamera2.global_camera_info() if '/usb' not in str(c['Id'])]))"
)
_RENDER = Kind("dri/renderD*", "render", 'SUBSYSTEM=="drm", KERNEL=="renderD*", GROUP="render", MODE="0660"')
_GPIO = Kind("gpiochip*", "gpio", 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"')
_NODES = (VIDEO, MEDIA, HEAPS, UDMABUF, _RENDER, _GPIO)
# Whom `service install` makes, and the groups that the unit gives it.
_SERVICE_USER, _SERVICE_GROUPS = "waste-edge", ("video", "gpio")


def check_camera(setting: Setting, service: Service) -> list[Condition]:
    """Check that a camera is plugged in, and that it gives one frame within seconds."""
    devices = video_devices(setting.root)
    ribbons, picamera = check_picamera(setting)
    return [picamera, _check_frame(setting, service, devices, ribbons)]


def check_picamera(setting: Setting) -> tuple[int, Condition]:
    """The cameras on the board's own connectors, and whether picamera2 imports under one of the interpreters."""
    complaints = []
    for python in dict.fromkeys(setting.pythons):
        answer = setting.run_program([python, "-c", _COUNT], _IMPORT_LIMIT_S)
        if answer is not None and answer.ok and (count := answer.text.strip()).isdecimal():
            found = "no camera" if count == "0" else f"{count} camera{'s' * (count != '1')}"
            return int(count), Condition("picamera", Level.OK, f"picamera2 imports under {python} and finds {found}")
        if answer is not None:
            complaints.append(f"{python}: {_why(answer, _IMPORT_LIMIT_S)}")
    if not (read_model(setting.root) or "").startswith("Raspberry Pi"):
        return 0, Condition("picamera", Level.OK, "no picamera2 here, and this is no Raspberry Pi that needs it")
    if all("No module named 'picamera2'" in complaint for complaint in complaints):
        remedy = "sudo apt install python3-picamera2, unless only a USB camera is used"
        return 0, Condition("picamera", Level.WARN, f"picamera2 is not installed; {remedy}")
    said = "; ".join(complaints)
    remedy = "on Bookworm it needs numpy 1: leave it to /usr/bin/python3, or pip install 'numpy<2'"
    return 0, Condition("picamera", Level.WARN, f"picamera2 does not import ({said}); {remedy}")


def _check_frame(setting: Setting, service: Service, devices: list[str], ribbons: int) -> Condition:
    if service.active and setting.camera is None:
        return Condition("camera", Level.OK, f"not tried, since {setting.unit} runs and holds it; see its line")
    answer = _grab(setting, setting.camera or "auto")
    if answer is not None and answer.ok:
        title = answer.text.strip()
        lasting = lasting_name(title, setting.root / "dev")
        advice = f"; in station.toml name it {lasting}, which stays when numbers change" if lasting else ""
        return Condition("camera", Level.OK, f"{title} gives frames{advice}")
    why = "its process did not start" if answer is None else _why(answer, _FRAME_LIMIT_S)
    if setting.camera is None and not devices and not ribbons:
        remedy = "plug one in, and with a ribbon camera look for it with rpicam-hello --list-cameras"
        return Condition("camera", Level.WARN, f"none is there; {remedy}")
    if not service.active:
        return Condition("camera", Level.BAD, why)
    users = [int(pid) for pid in re.findall(r"\(pid (\d{1,9})\)", why)]
    if any(_descends(pid, service.main_pid, setting.root) for pid in users):
        return Condition("camera", Level.OK, f"not tried, since {setting.unit} runs and holds it; see its line")
    level = Level.WARN if "another program uses it" in why and not users else Level.BAD  # who it is only root may see
    return Condition("camera", level, f"{why} ({setting.unit} runs and may hold it)")


def _descends(pid: int, ancestor: int, root: Path) -> bool:
    """Return whether a process is another one, or was started by it, directly or not."""
    for _ in range(_MOST_ANCESTORS):
        if pid == ancestor:
            return True
        found = re.search(r"^PPid:\s*(\d{1,9})$", read_small(root / "proc" / str(pid) / "status"), re.MULTILINE)
        if found is None:
            return False
        pid = int(found[1])
    return False


def _grab(setting: Setting, camera: str) -> Answer | None:
    """Take one frame in a process of its own; an address is handed over where `ps` does not show its password."""
    command = [sys.executable, "-m", "waste_edge.device.doctor.grab_frame"]
    if is_address(camera):
        return run_program([*command, ""], _FRAME_LIMIT_S, {**without_secrets(), CAMERA_VARIABLE: camera})
    return setting.run_program([*command, camera], _FRAME_LIMIT_S)


def video_devices(root: Path) -> list[str]:
    """Nodes that may be cameras, by number: not those of a Raspberry Pi's codecs and scalers."""
    from waste_edge.device.cameras.v4l2 import NOT_CAMERAS  # needs OpenCV, whose absence another check names

    nodes = [path for path in (root / "dev").glob("video*") if re.fullmatch(r"video\d+", path.name)]
    names = {node: read_small(root / "sys/class/video4linux" / node.name / "name").strip() for node in nodes}
    by_number = sorted(nodes, key=lambda node: int(node.name[5:]))
    return [str(node) for node in by_number if not names[node].startswith(NOT_CAMERAS)]


def _why(answer: Answer, limit_s: float) -> str:
    if answer.cut_off:
        return f"gave no answer within {limit_s:g} s and was ended; pull its plug or restart the board"
    lines = answer.complaint.strip().splitlines()
    return lines[-1] if lines else f"ended with code {answer.code} and said nothing"


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
