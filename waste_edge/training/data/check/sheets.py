"""Contact sheets: the pictures of a finding on one page, each with its name and what is the matter with it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from waste_edge.errors import PictureError
from waste_edge.imaging.image_files import read_picture
from waste_edge.training.data.check.findings import Finding, Suspect

COLUMNS = 8
MOST = 64
ROW_KINDS = {"classes", "extremes", "leak"}  # a row for each group
_TILE_PX, _GAP_PX, _LINE_PX, _TITLE_PX = 160, 12, 15, 22
_LINES = 3
_PAGE, _INK, _SOFT, _BAND, _EMPTY = (255, 255, 255), (20, 20, 20), (110, 110, 110), (226, 236, 246), (200, 200, 200)
_EDGES = {"error": (200, 40, 40), "warning": (225, 160, 0), "note": (60, 120, 190)}


def draw_sheet(finding: Finding, root: Path) -> Image.Image | None:
    """The first suspects of a finding; None if it has none.

    Args:
        finding: what to show. Groups of copies stand together on a band of their own.
        root: what the suspects' paths are relative to.
    """
    if not finding.suspects:
        return None
    by_row = finding.kind in ROW_KINDS
    shown = finding.suspects if by_row else finding.suspects[:MOST]
    places = list(_places(shown, by_row))
    cell_px, step_px = _TILE_PX + _GAP_PX, _TILE_PX + _LINES * _LINE_PX + _GAP_PX
    width = COLUMNS * cell_px + _GAP_PX
    rest = "" if len(shown) == len(finding.suspects) else f" (the first {len(shown)} of {len(finding.suspects)})"
    title = _wrapped(f"{finding.severity}: {finding.text}{rest}", 18, width - 2 * _GAP_PX)
    head_px = 2 * _GAP_PX + len(title) * _TITLE_PX + _LINE_PX
    page = Image.new("RGB", (width, head_px + (places[-1][0] + 1) * step_px + _GAP_PX), _PAGE)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, width, 6), fill=_EDGES[finding.severity])
    draw.text((_GAP_PX, _GAP_PX), "\n".join(title), fill=_INK, font=_font(18), spacing=4)
    draw.text((_GAP_PX, head_px - _LINE_PX - _GAP_PX), finding.remedy, fill=_SOFT, font=_font(14))
    alone = len({suspect.group for suspect in shown}) == 1
    for (row, column), suspect in zip(places, shown, strict=True):
        left, top = _GAP_PX + column * cell_px, head_px + row * step_px
        if suspect.group % 2 == 0 and not alone:
            half = _GAP_PX // 2
            draw.rectangle((left - half, top - half, left + cell_px - half - 1, top + step_px - half - 1), fill=_BAND)
        _tile(page, draw, suspect, root, left, top)
    return page


def _places(shown: Sequence[Suspect], by_row: bool) -> Iterator[tuple[int, int]]:
    """Row and column of each; a group begins a row of its own, or where the whole of it still fits."""
    row, column, before = 0, 0, shown[0].group
    for suspect in shown:
        if suspect.group != before:
            size = sum(other.group == suspect.group for other in shown)
            if by_row or column + min(size, COLUMNS) > COLUMNS:
                row, column = row + bool(column), 0
            before = suspect.group
        if column == COLUMNS:
            row, column = row + 1, 0
        yield row, column
        column += 1


def _tile(page: Image.Image, draw: ImageDraw.ImageDraw, suspect: Suspect, root: Path, left: int, top: int) -> None:
    try:
        picture = Image.fromarray(read_picture(root / suspect.file))
        picture.thumbnail((_TILE_PX, _TILE_PX))
        page.paste(picture, (left + (_TILE_PX - picture.width) // 2, top + (_TILE_PX - picture.height) // 2))
    except (PictureError, OSError):
        draw.rectangle((left, top, left + _TILE_PX - 1, top + _TILE_PX - 1), fill=_EMPTY)
        draw.text((left + _TILE_PX / 2, top + _TILE_PX / 2), "no picture", fill=_SOFT, font=_font(16), anchor="mm")
    name = _cut(suspect.file, 12, _TILE_PX, from_left=True)
    draw.text((left, top + _TILE_PX + 2), name, fill=_INK, font=_font(12))
    for line, text in enumerate(_wrapped(suspect.says, 12, _TILE_PX)[: _LINES - 1], 1):
        draw.text((left, top + _TILE_PX + 2 + line * _LINE_PX), text, fill=_SOFT, font=_font(12))


def _wrapped(text: str, size: int, width_px: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _font(size).getlength(longer) <= width_px or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_cut(line, size, width_px) for line in lines]


def _cut(text: str, size: int, width_px: int, from_left: bool = False) -> str:
    """Cut a text to the room there is; of a path the end is kept."""
    cut = text
    while _font(size).getlength(cut) > width_px and len(cut) > 2:
        cut = "…" + cut[2:] if from_left else cut[:-2] + "…"
    return cut


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
