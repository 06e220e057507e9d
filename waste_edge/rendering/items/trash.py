"""Trash: wrappers, soiled tissue, mixed crumples, toothbrush, sponge, dirty cup, blister pack."""

from __future__ import annotations

import numpy as np

from waste_edge.rendering import art
from waste_edge.rendering.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Rng,
    blur,
    ellipse_points,
    grid,
    jitter,
    mix,
    ramp,
    rough_edges,
    rounded_rectangle,
)  # fmt: skip
from waste_edge.rendering.items.cardboard import lay
from waste_edge.rendering.shading import MATT, cloud_noise, crumple, grain, smooth_noise, turned

STAINS: tuple[Colour, ...] = ((0.42, 0.24, 0.08), (0.62, 0.36, 0.08), (0.55, 0.14, 0.06), (0.50, 0.46, 0.15))
_UNIT = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


def stain(canvas: Canvas, rng: Rng, strength: float) -> None:
    """Soak part of what is painted with an uneven food stain."""
    size = canvas.size_px
    centre = (rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65))
    spot = canvas.ellipse(centre, (rng.uniform(0.12, 0.28), rng.uniform(0.1, 0.22)), rng.uniform(0, 180), 0.03)
    patchy = np.clip(0.6 + cloud_noise(rng, size, 6) * 0.5, 0, 1).astype(np.float32)
    canvas.paint(spot * patchy * canvas.alpha, jitter(art.pick(rng, STAINS), rng, 0.06), strength)


def wrapper(canvas: Canvas, rng: Rng) -> None:
    """A crisp packet or chocolate-bar wrapper: glossy printed film with saw-toothed crimped ends."""
    size = canvas.size_px
    half_w, half_h = rng.uniform(0.13, 0.36), rng.uniform(0.39, 0.43)
    teeth = int(half_w * 80)
    across = np.linspace(-half_w, half_w, teeth * 2 + 1)
    saw = np.where(np.arange(len(across)) % 2 == 0, 0.0, 0.018)
    top = np.stack([0.5 + across, 0.5 - half_h + saw], axis=1)
    bottom = np.stack([0.5 + across[::-1], 0.5 + half_h - saw], axis=1)
    pinch = rng.uniform(0.01, 0.06, 8)
    heights = np.linspace(-0.85, 0.85, 4) * half_h
    right = np.stack([0.5 + half_w - pinch[:4], 0.5 + heights], axis=1)
    left = np.stack([0.5 - half_w + pinch[4:], 0.5 + heights[::-1]], axis=1)
    outline = np.concatenate([top, right, bottom, left])
    if rng.random() < 0.5:  # torn open: one end is ragged
        ragged = rough_edges(top[:: max(1, teeth // 4)], rng, 0.02)
        outline = np.concatenate([ragged[ragged[:, 1] < 0.5], right, bottom, left])
    canvas.paint(canvas.polygon(outline), lay(canvas, art.label_art(rng, 180, 260), _UNIT))
    ys = grid(size)[1]
    crimp = (np.abs(ys - 0.5) > half_h - 0.055).astype(np.float32)
    canvas.shade((1.0 + 0.25 * np.sin(ys * 420)).astype(np.float32), crimp)
    if rng.random() < 0.4:
        inside = canvas.polygon(rough_edges([(0.5, 0.2), (0.9, 0.1), (0.9, 0.4)], rng, 0.02)) * canvas.alpha
        canvas.paint(inside, (0.78, 0.78, 0.79))
    relief = crumple(rng, size, rng.uniform(0.7, 1.1), int(rng.integers(14, 30)))
    canvas.shade(relief.lit(0.5))
    canvas.shade(relief.mirror(1.1) * np.float32(0.45) + np.float32(0.68))
    canvas.paint(relief.glints(-0.35, -0.3, 0.2) * canvas.alpha, WHITE, 0.7)


def soiled_tissue(canvas: Canvas, rng: Rng) -> None:
    """A used tissue or napkin: soft folds and food stains."""
    size = canvas.size_px
    count = int(rng.integers(8, 13))
    rim = ellipse_points((0.5, 0.5), (rng.uniform(0.34, 0.44), rng.uniform(0.3, 0.42)), rng.uniform(0, 90), count)
    rim = 0.5 + (rim - 0.5) * rng.uniform(0.72, 1.08, (count, 1)).astype(np.float32)
    canvas.paint(canvas.polygon(rough_edges(rim, rng, 0.008)), jitter((0.90, 0.88, 0.83), rng, 0.04))
    for _ in range(int(rng.integers(1, 4))):
        stain(canvas, rng, rng.uniform(0.45, 0.85))
    relief = crumple(rng, size, 0.9, int(rng.integers(14, 26)))
    soft = type(relief)(blur(relief.slope_x, 0.012 * size), blur(relief.slope_y, 0.012 * size))
    canvas.shade(soft.lit(1.1))
    canvas.shade(1.0 + 0.03 * grain(rng, size))


def mixed_crumple(canvas: Canvas, rng: Rng) -> None:
    """A bundle of different soft things: film, padding, cloth, stuck together and dirty."""
    size = canvas.size_px
    colours = [
        jitter((0.5, 0.45, 0.38), rng, 0.1),
        mix(art.bright(rng), (0.7, 0.68, 0.64), rng.uniform(0.4, 0.8)),
        jitter((0.88, 0.87, 0.84), rng, 0.06),
    ]
    for layer, colour in enumerate(colours[int(rng.integers(0, 2)) :]):
        shrink = 1.0 - 0.12 * layer
        centre = (0.5 + rng.uniform(-0.07, 0.07), 0.5 + rng.uniform(-0.07, 0.07))
        middle = np.array(centre, np.float32)
        radii = (shrink * rng.uniform(0.27, 0.38), shrink * rng.uniform(0.25, 0.36))
        rim = ellipse_points(centre, radii, rng.uniform(0, 180), 11)
        rim = middle + (rim - middle) * rng.uniform(0.75, 1.08, (11, 1)).astype(np.float32)
        mask = canvas.polygon(rough_edges(rim, rng, 0.008))
        canvas.shade(1.0 - 0.45 * blur(mask, 0.02 * size))
        relief = crumple(rng, size, 1.0, int(rng.integers(14, 34)))
        field = np.asarray(colour, np.float32) * relief.lit(0.9)[..., None]
        canvas.paint(mask, field.astype(np.float32))
        if rng.random() < 0.5:
            canvas.paint(mask * relief.glints(-0.35, -0.3, 0.2), WHITE, 0.6)
    stain(canvas, rng, 0.7)
    stain(canvas, rng, 0.5)
    canvas.shade(1.0 + 0.04 * grain(rng, size))


def toothbrush(canvas: Canvas, rng: Rng) -> None:
    """A toothbrush, whole or snapped, with splayed bristles."""
    colour = art.bright(rng)
    bend = rng.uniform(-0.05, 0.05)
    heights = np.linspace(0.06, 0.94, 30)
    middle = 0.5 + bend * np.sin((heights - 0.06) * 3.5)
    width = np.interp(
        heights, [0.06, 0.08, 0.24, 0.3, 0.4, 0.7, 0.92, 0.94], [0.02, 0.034, 0.034, 0.014, 0.014, 0.03, 0.026, 0.012]
    )
    left, right = np.stack([middle - width, heights], axis=1), np.stack([middle + width, heights], axis=1)
    canvas.paint(canvas.polygon(np.concatenate([left, right[::-1]])), colour)
    grip = canvas.ellipse((0.5 + bend * 0.6, 0.68), (0.017, 0.13), 0, 0.002) * canvas.alpha
    canvas.paint(grip, mix(WHITE, art.bright(rng), 0.4))
    xs = grid(canvas.size_px)[0]
    line = np.interp(grid(canvas.size_px)[1][:, 0], heights, middle).astype(np.float32)[:, None]
    canvas.shade(ramp(((xs - line) / np.float32(0.035)), MATT))
    canvas.paint(canvas.strokes([np.stack([middle - 0.009, heights], axis=1)[2:-2]], 0.005, 0.001), WHITE, 0.6)
    tufts = []
    for row in np.linspace(0.085, 0.23, 16):
        for column in (-0.022, 0.0, 0.022):
            start = np.array([0.5 + column + bend * 0.1, row])
            lean = np.array([column * 1.2 + 0.035 + rng.normal(0, 0.014), rng.normal(0.0, 0.012)])
            tufts.append(np.stack([start, start + lean]))
    canvas.paint(canvas.strokes(tufts, 0.009, 0.001), mix(WHITE, art.bright(rng), 0.25), 0.9)
    canvas.shade(1.0 - 0.2 * canvas.strokes(tufts[::3], 0.004))
    if rng.random() < 0.4:
        break_at = rng.uniform(0.42, 0.55)
        canvas.erase(
            canvas.polygon(
                rough_edges(
                    [(0, break_at), (1, break_at + 0.03), (1, break_at + 0.045), (0, break_at + 0.02)], rng, 0.006
                )
            )
        )


def sponge(canvas: Canvas, rng: Rng) -> None:
    """A worn kitchen sponge with pores and a scouring side."""
    size = canvas.size_px
    half = (rng.uniform(0.36, 0.44), rng.uniform(0.22, 0.3))
    body = rough_edges(rounded_rectangle((0.5, 0.5), half, 0.04), rng, 0.004)
    sponge_colours: tuple[Colour, ...] = (
        (0.90, 0.76, 0.22),
        (0.90, 0.55, 0.55),
        (0.45, 0.65, 0.85),
        (0.85, 0.80, 0.55),
    )
    scour = jitter((0.16, 0.36, 0.2) if rng.random() < 0.7 else (0.25, 0.25, 0.28), rng, 0.05)
    canvas.paint(canvas.polygon(body + np.array((0.0, 0.05), np.float32)), scour)
    canvas.shade((1.0 + 0.25 * grain(rng, size)).astype(np.float32))
    top = canvas.polygon(body)
    canvas.paint(top, jitter(art.pick(rng, sponge_colours), rng, 0.06))
    pores = blur(grain(rng, size), 0.005 * size) * np.float32(0.005 * size * 3.5)
    canvas.shade(np.clip(1.0 - 0.55 * np.clip(pores - 0.9, 0, 1), 0.4, 1).astype(np.float32), top)
    for _ in range(26):
        spot = (rng.uniform(0.5 - half[0], 0.5 + half[0]), rng.uniform(0.5 - half[1], 0.5 + half[1]))
        hole = canvas.ellipse(spot, (rng.uniform(0.004, 0.014), rng.uniform(0.004, 0.01)), rng.uniform(0, 90))
        canvas.shade(1.0 - 0.5 * hole, top)
    canvas.shade(np.clip(1.0 + 0.1 * cloud_noise(rng, size, 4), 0.5, 1.2).astype(np.float32))
    stain(canvas, rng, 0.5)


def dirty_cup(canvas: Canvas, rng: Rng) -> None:
    """A coated paper cup with dregs and drips, half crushed."""
    size = canvas.size_px
    top_radius, tilt = rng.uniform(0.27, 0.34), rng.uniform(0.25, 0.5)
    bottom_radius = top_radius * rng.uniform(0.65, 0.78)
    top = 0.06 + top_radius * tilt
    bottom = 0.94 - bottom_radius * tilt
    body = turned(
        canvas,
        [
            (top, top_radius),
            ((top + bottom) / 2, (top_radius + bottom_radius) * rng.uniform(0.44, 0.5)),
            (bottom, bottom_radius),
        ],
        tilt,
        round_off=0.05,
    )
    canvas.paint(body.mask, jitter((0.90, 0.88, 0.84), rng, 0.04))
    start = top + rng.uniform(0.12, 0.2)
    flat = art.label_art(rng, 150, 80) if rng.random() < 0.6 else art.plain(20, 20, mix(art.bright(rng), BLACK, 0.2))
    canvas.paint(body.band(start, start + rng.uniform(0.18, 0.3), size), body.wrap(flat, start, start + 0.3), 0.95)
    canvas.shade(ramp(body.across, MATT), body.mask)
    drips = [
        np.array([(x, top + 0.04), (x + rng.normal(0, 0.01), top + rng.uniform(0.15, 0.5))])
        for x in rng.uniform(0.35, 0.65, 3)
    ]
    canvas.paint(canvas.strokes(drips, 0.018, 0.004) * body.mask, (0.35, 0.2, 0.08), 0.7)
    stain(canvas, rng, 0.55)
    canvas.shade(crumple(rng, size, 0.7, 16).lit(0.6), body.mask)
    canvas.paint(canvas.ellipse((0.5, top), (top_radius * 1.02, top_radius * tilt * 1.02)), (0.93, 0.91, 0.87))
    mouth = top_radius * 0.94
    hole = canvas.ellipse((0.5, top), (mouth, mouth * tilt))
    canvas.paint(hole, (0.74, 0.70, 0.63))
    ys = grid(size)[1]
    canvas.shade(ramp(((ys - top) / (mouth * tilt)).astype(np.float32), ((-1, 0.6), (0, 0.85), (1, 1.1))), hole)
    canvas.paint(
        canvas.ellipse((0.5, top + mouth * tilt * 0.3), (mouth * 0.75, mouth * tilt * 0.6), 0, 0.006) * hole,
        (0.26, 0.14, 0.06),
        0.9,
    )


def blister_pack(canvas: Canvas, rng: Rng) -> None:
    """A pill blister pack: foil-backed film with domes, some of them burst."""
    size = canvas.size_px
    half = (rng.uniform(0.2, 0.28), rng.uniform(0.38, 0.44))
    canvas.paint(canvas.polygon(rounded_rectangle((0.5, 0.5), half, 0.025)), jitter((0.74, 0.74, 0.75), rng, 0.06))
    relief = crumple(rng, size, 0.6, 20)
    canvas.shade(relief.mirror(0.9) * np.float32(0.6) + np.float32(0.55))
    rows = int(rng.integers(4, 7))
    pill = art.bright(rng) if rng.random() < 0.4 else (0.93, 0.92, 0.9)
    for row in range(rows):
        y = 0.5 + ((row + 0.5) / rows - 0.5) * 1.9 * half[1]
        for x in (0.5 - half[0] * 0.5, 0.5 + half[0] * 0.5):
            radii = (half[0] * 0.32, half[1] * 0.62 / rows)
            dome = canvas.ellipse((x, y), radii, 0, 0.002)
            if rng.random() < 0.5:
                canvas.paint(dome, (0.2, 0.2, 0.21), 0.75)
                canvas.paint(
                    canvas.polygon(rough_edges(ellipse_points((x, y), radii, count=8), rng, 0.012)),
                    (0.9, 0.9, 0.9),
                    0.5,
                )
            else:
                canvas.paint(dome, mix(pill, BLACK, 0.1))
            canvas.paint(
                canvas.ellipse(
                    (x - radii[0] * 0.35, y - radii[1] * 0.35), (radii[0] * 0.25, radii[1] * 0.25), 0, 0.003
                ),
                WHITE,
                0.9,
            )
            canvas.shade(1.0 - 0.35 * canvas.ellipse((x + radii[0] * 0.4, y + radii[1] * 0.4), radii, 0, 0.01) * dome)
    canvas.paint(relief.glints(-0.2, -0.2, 0.1) * canvas.alpha, WHITE, 0.5)
    canvas.shade((1.0 + 0.05 * smooth_noise(rng, size, 4)).astype(np.float32))


VARIANTS = (wrapper, wrapper, wrapper, soiled_tissue, mixed_crumple, toothbrush, sponge, dirty_cup, blister_pack)
