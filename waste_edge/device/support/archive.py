"""The zip of a report: built in memory, checked for known secrets, and written whole or not at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from waste_edge import __version__
from waste_edge.device.support.gather import Part
from waste_edge.device.support.redact import Redactor
from waste_edge.errors import UserError, WasteEdgeError
from waste_edge.files.atomic import write_atomically

CONTENTS = "contents.txt"
_MODE = 0o600  # it tells much of a station, even without secrets


def default_name(now: datetime) -> str:
    """Name the zip by its time, e.g. `waste-edge-support-20260501-142233.zip`."""
    return f"waste-edge-support-{now:%Y%m%d-%H%M%S}.zip"


def check_place(out: Path) -> None:
    """Raise UserError before anything is gathered if the zip could not be written there."""
    if out.exists() or out.is_symlink():
        raise UserError(f"{out}: exists already; choose another --out")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}; choose another --out")


def lines_of(parts: Sequence[Part]) -> list[str]:
    """One line a part: its size, its name, and what it is, or why it is not there."""
    return [f"{_size(part):>9}  {part.name:16}  {part.about}" for part in parts]


def write_report(out: Path, parts: Sequence[Part], redactor: Redactor) -> int:
    """Write the zip.

    Args:
        out: the file; there must be none.
        parts: of the report; those without content are listed with the reason.
        redactor: what removed the secrets; asked once more whether one is left.

    Returns:
        Its size in bytes.

    Raises:
        UserError: it cannot be written; then nothing is.
        WasteEdgeError: a part still holds a known secret; then nothing is written.
    """
    for part in parts:
        if redactor.leaks(part.content) or redactor.leaks(part.name.encode()):
            raise WasteEdgeError(f"{part.name}: still holds a secret, so nothing was written; please report this")
    listed = "\n".join(
        [
            f"waste-edge {__version__}, a report for a bug. Secrets removed in {redactor.count} places.",
            "Look through it before you send it: it holds names of files, addresses and the log of a station.",
            "",
            *map(redactor.text, lines_of(parts)),
            "",
        ]
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CONTENTS, listed)
        for part in parts:
            if part.content:
                archive.writestr(part.name, part.content)
    write_atomically(out, content.getvalue(), mode=_MODE)
    return len(content.getvalue())


def _size(part: Part) -> str:
    return f"{len(part.content):,} B" if part.content else "left out"
