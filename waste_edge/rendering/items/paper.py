"""Paper: written and printed pages, newspaper, envelopes, crumpled sheets and balls."""

from __future__ import annotations

import numpy as np

from waste_edge.rendering import art
from waste_edge.rendering.canvas import (
    WHITE,
    Canvas,
    Colour,
    Floats,
    Rng,
    blur,
    ellipse_points,
    grid,
    jitter,
    mix,
    rough_edges,
)  # fmt: skip
from waste_edge.rendering.items.cardboard import lay
from waste_edge.rendering.shading import Relief, crumple, folded_relief, grain, smooth_noise


def _sheet_corners(rng: Rng, ratio: float, skew: float = 0.03) -> Floats:
    """Corners (4, 2) of a page of height/width `ratio`, nearly filling the canvas, slightly off square."""
    half_h = (0.465 - skew) / max(1.0, 1.0 / ratio)
    half_w = half_h / ratio
    corners = np.array([(-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h)])
    return (corners + 0.5 + rng.uniform(-skew, skew, (4, 2))).astype(np.float32)


def _any_page(rng: Rng) -> Floats:
    """Flat art of one of the kinds of page, (H, W, 3)."""
    kind = rng.random()
    if kind < 0.45:
        return art.letter_page(rng, 190, 260)
    if kind < 0.7:
        return art.news_page(rng, 200, 260)
    return art.magazine_page(rng, 190, 250)


def _curl(rng: Rng, size_px: int, height: float) -> Relief:
    """Gentle waves of a sheet that does not lie quite flat."""
    return Relief(
        smooth_noise(rng, size_px, 2) * np.float32(height), smooth_noise(rng, size_px, 3) * np.float32(height)
    )


def _lay_page(canvas: Canvas, rng: Rng, flat: Floats, corners: Floats, worn: float) -> None:
    """Put one page on the canvas, its outline a little uneven."""
    outline = rough_edges(corners, rng, 0.0012 + 0.004 * worn, 0.03)
    canvas.paint(canvas.polygon(outline), lay(canvas, flat, corners))


def flat_page(canvas: Canvas, rng: Rng) -> None:
    """A page lying flat with soft waves and perhaps one or two folds across."""
    flat = _any_page(rng)
    corners = _sheet_corners(rng, flat.shape[0] / flat.shape[1] * rng.uniform(0.85, 1.1))
    if rng.random() < 0.3:
        under = corners + rng.uniform(-0.035, 0.035, (4, 2)).astype(np.float32)
        _lay_page(canvas, rng, art.letter_page(rng, 190, 260) * np.float32(0.9), under, 0.2)
        canvas.shade(1.0 - 0.35 * canvas.polygon(corners, 0.012))
    _lay_page(canvas, rng, flat, corners, 0.1)
    canvas.shade(_curl(rng, canvas.size_px, 0.35).lit(0.22))
    ys = grid(canvas.size_px)[1]
    for fold in rng.uniform(0.3, 0.7, int(rng.integers(0, 3))):
        line = np.array([(0.0, fold), (1.0, fold + rng.uniform(-0.01, 0.01))])
        canvas.shade(1.0 - 0.22 * canvas.strokes([line], 0.006, 0.003))
        canvas.shade(np.where(ys > np.float32(fold), np.float32(rng.uniform(0.84, 0.97)), np.float32(1)))
    canvas.shade(1.0 + 0.012 * grain(rng, canvas.size_px))


def crumpled_page(canvas: Canvas, rng: Rng) -> None:
    """A page that was screwed up and opened again, or is half screwed up."""
    flat = _any_page(rng)
    corners = _sheet_corners(rng, rng.uniform(0.85, 1.35), 0.08)
    relief = crumple(rng, canvas.size_px, rng.uniform(0.6, 1.1), int(rng.integers(12, 30)))
    outline = rough_edges(corners, rng, 0.012, 0.06)
    canvas.paint(canvas.polygon(outline), _bent(lay(canvas, flat, corners), relief))
    canvas.shade(relief.lit(rng.uniform(0.55, 0.85)))
    canvas.paint(relief.glints(-0.5, -0.5, 0.3) * canvas.alpha, WHITE, 0.15)


def _bent(picture: Floats, relief: Relief) -> Floats:
    """Shift print with the slopes it lies on, so that lines break at the creases."""
    size = picture.shape[0]
    ys, xs = np.mgrid[0:size, 0:size]
    reach = 0.05 * size
    column = np.clip(xs + relief.slope_x * reach, 0, size - 1).astype(np.int32)
    row = np.clip(ys + relief.slope_y * reach, 0, size - 1).astype(np.int32)
    return np.asarray(picture[row, column], dtype=np.float32)


def paper_ball(canvas: Canvas, rng: Rng) -> None:
    """A sheet screwed up into a ball."""
    size = canvas.size_px
    centre = (0.5, 0.5)
    rim = ellipse_points(centre, (rng.uniform(0.37, 0.43), rng.uniform(0.34, 0.42)), count=int(rng.integers(16, 26)))
    rim = 0.5 + (rim - 0.5) * rng.uniform(0.86, 1.1, (len(rim), 1)).astype(np.float32)
    relief = crumple(rng, size, 1.2, int(rng.integers(22, 40)))
    # Paper is soft: its creases are rounder than those of foil, and light gets into its hollows.
    soft = Relief(blur(relief.slope_x, 0.007 * size), blur(relief.slope_y, 0.007 * size))
    base: Colour = jitter((0.93, 0.93, 0.91), rng, 0.04) if rng.random() < 0.75 else mix(art.bright(rng), WHITE, 0.35)
    canvas.paint(canvas.polygon(rough_edges(rim, rng, 0.005)), base)
    if rng.random() < 0.75:
        square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
        canvas.paint(canvas.alpha.copy(), _bent(lay(canvas, _any_page(rng), square), relief), 0.75)
    canvas.shade(soft.lit(0.62))
    canvas.shade(1.0 - 0.3 * relief.glints(0.42, 0.42, 0.2))
    xs, ys = grid(size)
    ball = 1.08 - 0.5 * ((xs - 0.42) ** 2 + (ys - 0.4) ** 2) / 0.2
    canvas.shade(np.clip(ball, 0.45, 1.1).astype(np.float32))


def envelope(canvas: Canvas, rng: Rng) -> None:
    """An envelope, from behind with its flap or from the front with a window or an address."""
    base = jitter((0.92, 0.91, 0.88) if rng.random() < 0.7 else (0.78, 0.65, 0.47), rng, 0.05)
    corners = _sheet_corners(rng, rng.uniform(0.45, 0.7), 0.02)
    flat = art.plain(260, 150, base)
    ink: Colour = (0.2, 0.2, 0.24)
    from_behind = rng.random() < 0.5
    if not from_behind:
        if rng.random() < 0.6:
            flat[78:124, 26:140] *= np.array((0.82, 0.85, 0.87), np.float32)
        art.small_text(flat, rng, (36, 86, 120, 116), 4, ink)
        art.small_text(flat, rng, (14, 12, 80, 28), 2, art.bright(rng))
        flat[10:42, 214:246] = art.bright(rng)
        flat[14:38, 218:242] = mix(art.bright(rng), WHITE, 0.4)
        art.barcode(flat, rng, 160, 128, 86, 10)
    _lay_page(canvas, rng, flat, corners, 0.1)
    if from_behind:
        tip = corners.mean(axis=0) + np.array((0.0, rng.uniform(-0.02, 0.08)))
        flap = np.array([corners[0], corners[1], tip])
        canvas.shade(1.0 - 0.3 * canvas.polygon(flap + np.array((0.0, 0.012)), 0.01))
        canvas.paint(canvas.polygon(flap), mix(base, WHITE, 0.15))
        seams = [np.array([corners[3], tip]), np.array([corners[2], tip])]
        canvas.shade(1.0 - 0.16 * canvas.strokes(seams, 0.006, 0.002))
    canvas.shade(_curl(rng, canvas.size_px, 0.3).plus(folded_relief(rng, canvas.size_px, 12, 0.18)).lit(0.35))
    canvas.shade(1.0 + 0.012 * grain(rng, canvas.size_px))


def folded_newspaper(canvas: Canvas, rng: Rng) -> None:
    """A newspaper or magazine folded over, with page edges showing at one side."""
    flat = art.news_page(rng, 200, 260) if rng.random() < 0.6 else art.magazine_page(rng, 200, 260)
    corners = _sheet_corners(rng, rng.uniform(1.15, 1.45), 0.02)
    for layer in range(4, 0, -1):
        shifted = corners + np.array((0.007, 0.004), np.float32) * layer
        canvas.paint(canvas.polygon(shifted), jitter((0.78, 0.77, 0.73), rng, 0.05))
        canvas.shade(1.0 - 0.2 * canvas.polygon(shifted - np.float32(0.006), 0.004))
    _lay_page(canvas, rng, flat, corners, 0.15)
    spine = np.array([corners[0], corners[3]])
    canvas.shade(1.0 - 0.4 * blur(canvas.strokes([spine], 0.05), 0.02 * canvas.size_px))
    canvas.shade(_curl(rng, canvas.size_px, 0.45).plus(folded_relief(rng, canvas.size_px, 9, 0.3, 0.01)).lit(0.3))


VARIANTS = (flat_page, flat_page, crumpled_page, crumpled_page, paper_ball, envelope, folded_newspaper)
