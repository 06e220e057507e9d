"""Identity of a station: an id of its installation, kept in its folder, and the board that this was made on.

Two stations may bear one name; a copied card bears the id of the card that it was copied from, and the board tells.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from waste_edge.device.system.board import read_small
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically

INSTALLATION_NAME = "installation-id"
BOARD_NAME = "board-id"
_DIGITS = 12
_ID = re.compile(f"[0-9a-f]{{{_DIGITS}}}")


def read_installation_id(state: Path) -> str:
    """The installation's id in a station's folder; empty if it has none yet. Nothing is written."""
    return _read_id(state / INSTALLATION_NAME)


def installation_id(state: Path, root: Path = Path("/")) -> str:
    """Twelve hexadecimal digits that stay with the folder; drawn, and kept with the board's, if there are none.

    Where they cannot be kept they come from the board and the folder's path: the same after each restart too.

    Args:
        state: the station's folder.
        root: of the file system.
    """
    found = read_installation_id(state)
    if found:
        return found
    drawn = secrets.token_hex(_DIGITS // 2)
    try:
        write_atomically(state / INSTALLATION_NAME, f"{drawn}\n".encode())
        if board := board_id(root):
            write_atomically(state / BOARD_NAME, f"{board}\n".encode())
    except UserError:
        return _digest(board_id(root), str(state.absolute()))
    return drawn


def board_id(root: Path = Path("/")) -> str:
    """Twelve digits of the board's serial number, or of the machine id where it has none; empty if it has neither.

    `/etc/machine-id` alone would not do: it is copied with the card.
    """
    for name in ("proc/device-tree/serial-number", "etc/machine-id"):
        if text := read_small(root / name).strip("\0\n "):
            return _digest(text)
    return ""


def board_condition(state: Path, root: Path = Path("/")) -> Condition:
    """Tell whether this folder came here from another board: by a copied card, or by one that was put in here."""
    known, here = _read_id(state / BOARD_NAME), board_id(root)
    if not known or not here or known == here:
        return Condition("identity", Level.OK, f"installation {read_installation_id(state) or 'without an id yet'}")
    return Condition(
        "identity",
        Level.WARN,
        f"this card or folder comes from another board. If it was copied, remove {state / INSTALLATION_NAME} and "
        f"{state / BOARD_NAME} here and restart, or both stations are taken for one; if this board took the other's "
        f"place, remove {state / BOARD_NAME} alone",
    )


def accept_board(state: Path, root: Path = Path("/")) -> None:
    """Note this board where an installation has an id and no board; a folder that cannot be written stays as it is."""
    if read_installation_id(state) and not (state / BOARD_NAME).exists() and (board := board_id(root)):
        try:
            write_atomically(state / BOARD_NAME, f"{board}\n".encode())
        except UserError:
            return


def _read_id(path: Path) -> str:
    text = read_small(path).strip()
    return text if _ID.fullmatch(text) else ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
