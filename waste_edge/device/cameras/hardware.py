"""Hardware identity of a /dev/videoN: numbers change with every plug, bus and serial number do not."""

from __future__ import annotations

from pathlib import Path


def hardware_of(device: str, names: Path) -> str:
    """A text that stays the same when this camera gets another number; empty if the kernel does not tell.

    By its maker and serial number if it has one, else by where it is plugged in.

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
            serial = _small(above / "serial")
            return f"usb {maker}:{product} {serial or 'at ' + above.name} #{index}"
    return f"{place} #{index}"


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
