"""Flat printed pictures, (H, W, 3) RGB in 0..1, that items wear as labels, pages and packaging prints."""

from __future__ import annotations

import cv2
import numpy as np

from waste_edge.rendering.canvas import BLACK, WHITE, Colour, Floats, Rng, jitter, mix

BRIGHTS: tuple[Colour, ...] = (
    (0.80, 0.10, 0.12), (0.88, 0.36, 0.08), (0.94, 0.74, 0.14), (0.16, 0.50, 0.22), (0.10, 0.32, 0.66),
    (0.14, 0.58, 0.74), (0.44, 0.16, 0.48), (0.86, 0.28, 0.48), (0.13, 0.13, 0.16), (0.90, 0.88, 0.82),
    (0.42, 0.24, 0.13), (0.55, 0.70, 0.18),
)  # fmt: skip

# Letters as strokes on a grid of 0..2 across and 0..4 down: enough to read as print at a distance.
_LETTERS: tuple[tuple[tuple[tuple[int, int], ...], ...], ...] = (
    (((0, 4), (1, 0), (2, 4)), ((0, 3), (2, 3))),
    (((2, 0), (0, 0), (0, 4), (2, 4)), ((0, 2), (2, 2))),
    (((0, 0), (0, 4)), ((2, 0), (2, 4)), ((0, 2), (2, 2))),
    (((0, 0), (0, 4), (2, 4)),),
    (((0, 4), (0, 0), (2, 4), (2, 0)),),
    (((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),),
    (((0, 4), (0, 0), (2, 0), (2, 2), (0, 2), (2, 4)),),
    (((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),),
    (((0, 0), (2, 0)), ((1, 0), (1, 4))),
    (((1, 0), (1, 4)),),
)


def pick(rng: Rng, colours: tuple[Colour, ...]) -> Colour:
    """One of the colours at random."""
    return colours[int(rng.integers(len(colours)))]


def bright(rng: Rng) -> Colour:
    """A random packaging colour."""
    return jitter(pick(rng, BRIGHTS), rng, 0.07)


def ink_on(paper: Colour, rng: Rng) -> Colour:
    """An ink that stands out on the given paper colour."""
    dark = sum(paper) / 3 < 0.5
    return jitter((0.93, 0.92, 0.88) if dark else (0.12, 0.12, 0.15), rng, 0.06)


def plain(width: int, height: int, colour: Colour) -> Floats:
    """A sheet (height, width, 3) of one colour."""
    return np.tile(np.asarray(colour, np.float32), (height, width, 1))


def word(art: Floats, rng: Rng, corner: tuple[float, float], letter_px: float, count: int, ink: Colour) -> None:
    """Draw `count` large letters, `letter_px` high, in place; `corner` is their left and top in px."""
    left, top = corner
    thickness = max(1, round(letter_px / 6.5))
    for position in range(count):
        letter = _LETTERS[int(rng.integers(len(_LETTERS)))]
        for stroke in letter:
            points = np.array(stroke, np.float64) * (letter_px / 4.6)
            points += (left + position * letter_px * 0.72, top)
            cv2.polylines(art, [np.round(points * 16).astype(np.int32)], False, ink, thickness, cv2.LINE_8, 4)


def small_text(art: Floats, rng: Rng, box: tuple[int, int, int, int], lines: int, ink: Colour) -> None:
    """Fill `box` (left, top, right, bottom in px) with lines too small to read, in place."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    if wide < 4 or high < 2 or lines < 1:
        return
    columns = max(6, wide // 2)
    marks = rng.uniform(0.25, 1.0, (lines * 4, columns)).astype(np.float32)
    marks[0::4] *= 0.0
    marks[3::4] *= 0.35
    gaps = np.repeat(rng.random((lines, columns)) < 0.16, 4, axis=0)
    ends = rng.uniform(0.55, 1.0, lines)
    ends[rng.random(lines) < 0.7] = 1.0
    past_end = np.repeat(np.arange(columns)[None, :] > ends[:, None] * columns, 4, axis=0)
    marks[gaps | past_end] = 0.0
    cover = cv2.resize(marks, (wide, high), interpolation=cv2.INTER_AREA if high < lines * 4 else cv2.INTER_LINEAR)
    patch = art[top:bottom, left:right]
    patch += (np.asarray(ink, np.float32) - patch) * np.asarray(cover, dtype=np.float32)[..., None] * np.float32(0.85)


def barcode(art: Floats, rng: Rng, left: int, top: int, width: int, height: int) -> None:
    """A white patch with black bars, in place."""
    patch = art[top : top + height, left : left + width]
    if min(patch.shape[:2]) < 4:
        return
    bars = np.repeat(rng.random(max(4, width // 2)) < 0.5, 2)[: patch.shape[1]]
    patch[:] = 0.95
    patch[1 : int(patch.shape[0] * 0.8), : len(bars)][:, bars] = 0.1


def blobs(art: Floats, rng: Rng, count: int) -> None:
    """Scatter coloured ovals and slabs: logos and pictures of the contents, in place."""
    high, wide = art.shape[:2]
    for _ in range(count):
        centre = (int(rng.uniform(0, wide)), int(rng.uniform(0, high)))
        axes = (int(wide * rng.uniform(0.06, 0.3)) + 1, int(high * rng.uniform(0.05, 0.25)) + 1)
        if rng.random() < 0.6:
            cv2.ellipse(art, centre, axes, float(rng.uniform(0, 180)), 0, 360, bright(rng), -1)
        else:
            far = (centre[0] + axes[0], centre[1] + axes[1])
            cv2.rectangle(art, centre, far, bright(rng), -1)


def label_art(rng: Rng, width: int = 160, height: int = 120) -> Floats:
    """A packaging print: ground colour, stripes or ovals, a brand name, small print and often a barcode."""
    ground = bright(rng)
    art = plain(width, height, ground)
    second = bright(rng)
    style = int(rng.integers(3))
    if style == 0:
        edge = int(height * rng.uniform(0.15, 0.45))
        art[:edge] = second
        art[height - edge // 2 :] = mix(second, BLACK, 0.2)
    elif style == 1:
        fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        art += (np.asarray(second, np.float32) - art) * fade
    blobs(art, rng, int(rng.integers(1, 5)))
    middle = int(width * 0.5)
    if rng.random() < 0.6:
        axes = (int(width * 0.3), int(height * 0.22))
        cv2.ellipse(art, (middle, int(height * 0.4)), axes, 0, 0, 360, mix(second, WHITE, 0.7), -1)
        name_ink = mix(second, BLACK, 0.55)
    else:
        name_ink = ink_on(ground, rng)
    letters = int(rng.integers(3, 7))
    letter = min(height * rng.uniform(0.16, 0.3), width * 0.55 / (letters * 0.72))
    word(art, rng, (middle - letters * letter * 0.36, height * 0.4 - letter * 0.45), letter, letters, name_ink)
    box = (int(width * 0.1), int(height * 0.68), int(width * 0.6), int(height * 0.92))
    small_text(art, rng, box, 4, ink_on(ground, rng))
    if rng.random() < 0.5:
        barcode(art, rng, int(width * 0.72), int(height * 0.62), int(width * 0.22), int(height * 0.28))
    return art


def letter_page(rng: Rng, width: int, height: int) -> Floats:
    """A white office page: heading, paragraphs, perhaps ruled lines, handwriting-blue ink or a table."""
    art = plain(width, height, jitter((0.93, 0.93, 0.91), rng, 0.04))
    ink = jitter((0.15, 0.15, 0.18), rng, 0.06) if rng.random() < 0.75 else (0.15, 0.2, 0.5)
    if rng.random() < 0.2:
        art[:: max(4, height // 26)] *= np.array((0.8, 0.88, 0.95), np.float32)
    left, right = int(width * 0.11), int(width * 0.89)
    if rng.random() < 0.6:
        word(art, rng, (left, height * 0.06), height * 0.04, int(rng.integers(5, 12)), mix(ink, bright(rng), 0.6))
    top = 0.14
    while top < 0.88:
        lines = int(rng.integers(2, 9))
        bottom = min(0.93, top + lines * 0.026)
        small_text(art, rng, (left, int(top * height), right, int(bottom * height)), lines, ink)
        top = bottom + rng.uniform(0.02, 0.06)
        if rng.random() < 0.12:
            break
    return art


def news_page(rng: Rng, width: int, height: int) -> Floats:
    """A greyish newspaper page: headline, columns of text and one or two grey pictures."""
    art = plain(width, height, jitter((0.80, 0.78, 0.73), rng, 0.05))
    ink: Colour = (0.16, 0.16, 0.17)
    word(art, rng, (width * 0.06, height * 0.03), height * 0.07, int(width * 0.88 / (height * 0.0504)), ink)
    columns = int(rng.integers(3, 6))
    for column in range(columns):
        left = int(width * (0.05 + 0.9 * column / columns))
        right = int(width * (0.05 + 0.9 * (column + 0.92) / columns))
        small_text(art, rng, (left, int(height * 0.15), right, int(height * 0.97)), 44, ink)
    for _ in range(int(rng.integers(1, 3))):
        picture_block(art, rng, grey=rng.random() < 0.6)
    return art


def magazine_page(rng: Rng, width: int, height: int) -> Floats:
    """A glossy page or leaflet: a big coloured picture, a title and some text."""
    art = plain(width, height, jitter(WHITE, rng, 0.06) if rng.random() < 0.5 else bright(rng))
    ground: Colour = (float(art[0, 0, 0]), float(art[0, 0, 1]), float(art[0, 0, 2]))
    for _ in range(int(rng.integers(1, 4))):
        picture_block(art, rng, grey=False)
    letters = int(rng.integers(4, 9))
    word(art, rng, (width * 0.08, height * rng.uniform(0.04, 0.7)), width * 0.8 / letters, letters, bright(rng))
    top = rng.uniform(0.5, 0.75)
    half = int(width * rng.uniform(0.45, 0.9))
    box = (int(width * 0.08), int(height * top), half, int(height * 0.94))
    small_text(art, rng, box, int((0.94 - top) * 36), ink_on(ground, rng))
    return art


def picture_block(art: Floats, rng: Rng, grey: bool) -> None:
    """Paste a rectangle that could be a photograph: soft blotches of a few colours, in place."""
    high, wide = art.shape[:2]
    left, top = int(wide * rng.uniform(0.04, 0.5)), int(high * rng.uniform(0.12, 0.55))
    right = min(wide, left + int(wide * rng.uniform(0.3, 0.6)))
    bottom = min(high, top + int(high * rng.uniform(0.2, 0.4)))
    cells = int(rng.integers(3, 6))
    theme = bright(rng)
    palette = np.array([mix(theme, bright(rng), 0.45) for _ in range(cells * cells)], np.float32)
    palette = palette.reshape(cells, cells, 3) * rng.uniform(0.55, 1.15, (cells, cells, 1)).astype(np.float32)
    if grey:
        palette[:] = palette.mean(axis=2, keepdims=True)
    size = (right - left, bottom - top)
    art[top:bottom, left:right] = np.clip(cv2.resize(palette, size, interpolation=cv2.INTER_CUBIC), 0, 1)
