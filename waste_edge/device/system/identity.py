"""Identity of a station, to tell apart two that bear one name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from waste_edge.device.system.board import read_small

_DIGITS = 12


def station_identity(state: Path, root: Path = Path("/")) -> str:
    """Twelve hexadecimal digits: the same after each restart, another on another board or for another folder.

    Cards are copied, and with them `/etc/machine-id`: so the board's own serial number is part of it, where it has one.

    Args:
        state: the station's folder.
        root: of the file system.
    """
    parts = [read_small(root / name).strip("\0\n ") for name in ("proc/device-tree/serial-number", "etc/machine-id")]
    text = "\n".join([*parts, str(state.absolute())])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
