"""V4L2 queries of a /dev/videoN, without its library: is it a camera, is it in use, and which hardware is it?"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import struct
from pathlib import Path

_QUERYCAP = 0x80685600  # VIDIOC_QUERYCAP: struct v4l2_capability, 104 bytes
_REQBUFS = 0xC0145608  # VIDIOC_REQBUFS: struct v4l2_requestbuffers, 20 bytes
_CAPTURE, _CAPTURE_PLANES, _DEVICE_CAPABILITIES = 0x1, 0x1000, 0x80000000
_MEMORY_MMAP = 1
_MOST_PROCESSES = 5  # that are named


def why_silent(device: str) -> str:
    """Explain why a device gives no frame, with the remedy."""
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return "there is no such device; is the camera plugged in?"
    except PermissionError:
        return "may not be opened; add your user to the group video"
    except OSError as error:
        return (
            "is busy: another program uses it" if error.errno == errno.EBUSY else f"cannot be opened ({_said(error)})"
        )
    try:
        return _asked(handle)
    finally:
        os.close(handle)


def _asked(handle: int) -> str:
    answer = bytearray(104)
    try:
        fcntl.ioctl(handle, _QUERYCAP, answer)
    except OSError:
        return "is no camera: no video device answers there"
    whole, own = struct.unpack_from("=II", answer, 84)
    able = own if whole & _DEVICE_CAPABILITIES else whole
    if not able & (_CAPTURE | _CAPTURE_PLANES):
        return "is no camera: it takes pictures or metadata, and gives none"
    kind = 9 if able & _CAPTURE_PLANES else 1
    try:
        fcntl.ioctl(handle, _REQBUFS, bytearray(struct.pack("=5I", 1, kind, _MEMORY_MMAP, 0, 0)))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return "is busy: another program uses it"
        return f"gives no frame ({_said(error)}); check its plug, or try another port"
    with contextlib.suppress(OSError):
        fcntl.ioctl(handle, _REQBUFS, bytearray(struct.pack("=5I", 0, kind, _MEMORY_MMAP, 0, 0)))
    return "gives no frame; check its plug, or try another port"


# How a camera looks at the scene, as far as it is set by hand: the id of the control, and which one tells that it is.
_FLIPS = {"flipped": 0x980914, "upside down": 0x980915, "turned": 0x980922}
_BY_HAND = {"exposure": (0x9A0902, 0x9A0901, 1), "gain": (0x980913, 0x980912, 0), "white": (0x98091A, 0x98090C, 0)}
_GET_CONTROL = 0xC008561B  # VIDIOC_G_CTRL: struct v4l2_control, 8 bytes


def look_of(device: str) -> str:
    """Describe a camera's settings: mirrored or rotated; exposure, gain and white balance where they are not automatic.

    Empty if nothing is set or it does not tell. Asked beside the stream, which it does not disturb.
    """
    try:
        handle = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        found = {name: value for name, number in _FLIPS.items() if (value := _control(handle, number))}
        for name, (number, automatic, off) in _BY_HAND.items():
            if _control(handle, automatic) == off and (value := _control(handle, number)) is not None:
                found[name] = value
    finally:
        os.close(handle)
    return " ".join(f"{name} {value}" for name, value in found.items())


def _control(handle: int, number: int) -> int | None:
    """A control's value; None if the camera has no such control."""
    answer = bytearray(struct.pack("=Ii", number, 0))
    try:
        fcntl.ioctl(handle, _GET_CONTROL, answer)
    except OSError:
        return None
    return int(struct.unpack("=Ii", answer)[1])


def holders(prefixes: tuple[str, ...] = ("/dev/video", "/dev/media"), proc: Path = Path("/proc")) -> list[str]:
    """Other programs that have a video device open, as far as they may be looked at: `name (pid 12)`.

    Args:
        prefixes: what the devices' paths begin with; one that ends with a number is a whole path.
        proc: where the kernel lists processes.
    """
    found = []
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            targets = (str(entry.readlink()) for entry in (folder / "fd").iterdir())
            if folder.name != str(os.getpid()) and any(_is_of(target, prefixes) for target in targets):
                name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"{name} (pid {folder.name})")
    return sorted(found)[:_MOST_PROCESSES]


def user_of_busy(reason: str) -> str:
    """Say who has the device that a message calls busy, or how it is found out, to be put behind the message."""
    device = re.search(r"/dev/[\w./:+@,%=-]*\w", reason)
    others = holders((os.path.realpath(device[0]),)) if device else holders()
    if others:
        return f": {', '.join(others)}; end it, or choose another camera"
    return "; sudo fuser -v /dev/video* names it" if os.geteuid() else ""


def _is_of(target: str, prefixes: tuple[str, ...]) -> bool:
    return any(target == one or (target.startswith(one) and not one[-1:].isdigit()) for one in prefixes)


def _said(error: OSError) -> str:
    return error.strerror or str(error)


def hardware_of(device: str, names: Path) -> str:
    """A text that stays the same when this camera gets another number; empty if the kernel does not tell.

    By its maker and serial number if it has one, else by where it is plugged in; with the interface, or the driver's
    name, since one piece of hardware may hold several cameras: a picture for people, and one in infrared.

    Args:
        device: /dev/videoN, or a link to it.
        names: where the kernel lists video devices, /sys/class/video4linux.
    """
    folder = names / Path(device).resolve().name
    try:
        place = (folder / "device").resolve(strict=True)
    except OSError:
        return ""
    index = _small(folder / "index") or "0"
    for above in (place, *list(place.parents)[:3]):
        maker, product = _small(above / "idVendor"), _small(above / "idProduct")
        if maker and product:
            serial, interface = _small(above / "serial"), place.name.partition(":")[2]
            return f"usb {maker}:{product} {serial or 'at ' + above.name} {interface} #{index}"
    return f"{place} {_small(folder / 'name')} #{index}"


def lasting_name(device: str, devices: Path = Path("/dev")) -> str:
    """udev's name of a camera, which stays when its number changes; empty if it has none or was named by it already.

    By serial number (`by-id`) before by socket (`by-path`): one camera more does not change either.
    """
    try:
        node = Path(device).resolve(strict=True)
    except OSError:
        return ""
    if Path(device) != node:
        return ""
    for folder in ("by-id", "by-path"):
        for link in sorted((devices / "v4l" / folder).glob("*")):
            if link.resolve() == node:
                return str(link)
    return ""


def _small(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return " ".join(stream.read(200).split())
    except OSError:
        return ""
