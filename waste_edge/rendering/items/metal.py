"""Metal: drink cans whole and crushed, food tins, lids, foil."""

from __future__ import annotations

import numpy as np

from waste_edge.rendering import art
from waste_edge.rendering.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Floats,
    Rng,
    ellipse_points,
    grid,
    jitter,
    mix,
    ramp,
)  # fmt: skip
from waste_edge.rendering.shading import (
    CHROME,
    Turned,
    cloud_noise,
    crumple,
    folded_relief,
    grain,
    smooth_noise,
    turned,
)

STEEL: tuple[Colour, ...] = ((0.74, 0.74, 0.73), (0.66, 0.66, 0.67), (0.78, 0.76, 0.72))
GOLD: Colour = (0.78, 0.62, 0.33)


def steel(rng: Rng) -> Colour:
    """A random bare-metal colour, now and then a gold lacquer."""
    return jitter(GOLD if rng.random() < 0.12 else art.pick(rng, STEEL), rng, 0.05)


def gleam(canvas: Canvas, rng: Rng, body: Turned, strength: float = 1.0) -> None:
    """Shade a cylinder as polished metal: bands of room light, a little wobbly."""
    across = np.clip(body.across + smooth_noise(rng, canvas.size_px, 3) * np.float32(0.03), -1, 1)
    bands = ramp(across.astype(np.float32), CHROME) * np.float32(1.35)
    canvas.shade((1.0 + (bands - 1.0) * np.float32(strength)).astype(np.float32), body.mask)


def round_end(canvas: Canvas, rng: Rng, height: float, radius: float, tilt: float, colour: Colour) -> None:
    """The lid of a can or tin: a rim, rings pressed into it and a brushed sweep of light."""
    xs, ys = grid(canvas.size_px)
    rim = canvas.ellipse((0.5, height), (radius, radius * tilt))
    canvas.paint(rim, colour)
    angle = np.arctan2((ys - height) / max(tilt, 0.05), xs - 0.5)
    sweep = 0.86 + 0.24 * np.cos(2 * (angle - rng.uniform(0, 3.1))) + 0.08 * np.cos(5 * angle)
    canvas.shade(sweep.astype(np.float32), rim)
    for share, gain in ((0.97, 1.25), (0.91, 0.6), (0.86, 1.2), (0.72, 0.84), (0.68, 1.12)):
        circle = ellipse_points((0.5, height), (radius * share, radius * share * tilt))
        line = np.concatenate([circle, circle[:1]])
        canvas.shade(1.0 + (gain - 1.0) * canvas.strokes([line], 0.011, 0.002))


def ring_pull(canvas: Canvas, rng: Rng, height: float, radius: float, tilt: float) -> None:
    """The tab and the opening on the lid of a drink can."""
    if rng.random() < 0.6:
        hole = canvas.ellipse((0.5, height + radius * tilt * 0.48), (radius * 0.3, radius * tilt * 0.3))
        canvas.paint(hole, (0.08, 0.08, 0.09))
    tab = canvas.ellipse((0.5, height - radius * tilt * 0.08), (radius * 0.2, radius * tilt * 0.36))
    canvas.shade(1.0 - 0.45 * canvas.ellipse((0.51, height + 0.008), (radius * 0.2, radius * tilt * 0.36), 0, 0.006))
    canvas.paint(tab, (0.80, 0.80, 0.80))
    canvas.paint(
        canvas.ellipse((0.5, height - radius * tilt * 0.2), (radius * 0.1, radius * tilt * 0.14)), (0.4, 0.4, 0.42)
    )


def _can_body(canvas: Canvas, rng: Rng, tilt: float) -> tuple[Turned, float, float]:
    """The printed side of a drink can with its bare neck and foot; returns it, its top and its lid's radius."""
    radius = rng.uniform(0.22, 0.27) if rng.random() < 0.75 else rng.uniform(0.17, 0.2)
    neck = radius * 0.84
    top, bottom = 0.05 + neck * tilt, 0.95 - radius * tilt * 0.85
    profile = [(top, neck), (top + 0.012, neck), (top + 0.07, radius), (bottom - 0.04, radius), (bottom, radius * 0.82)]
    body = turned(canvas, profile, tilt, round_off=0.025)
    canvas.paint(body.mask, steel(rng))
    printed = body.band(top + 0.03, bottom - 0.02, canvas.size_px)
    canvas.paint(printed, body.wrap(art.label_art(rng, 160, 170), top, bottom, rng.uniform(-0.4, 0.4)), 0.94)
    return body, top, neck


def can(canvas: Canvas, rng: Rng) -> None:
    """A drink can, standing or lying, perhaps with a dent."""
    tilt = rng.uniform(0.12, 0.4)
    body, top, neck = _can_body(canvas, rng, tilt)
    gleam(canvas, rng, body, rng.uniform(0.55, 0.8))
    if rng.random() < 0.5:
        canvas.shade(folded_relief(rng, canvas.size_px, 9, 0.3, 0.02).lit(0.5), body.mask)
    round_end(canvas, rng, top, neck, tilt, (0.78, 0.78, 0.78))
    ring_pull(canvas, rng, top, neck, tilt)


def crushed_can(canvas: Canvas, rng: Rng) -> None:
    """A drink can stamped or squeezed: the print breaks at sharp shiny creases."""
    size = canvas.size_px
    tilt = rng.uniform(0.25, 0.5)
    squash = rng.uniform(0.5, 0.85)
    radius = rng.uniform(0.27, 0.34)
    top = 0.5 - 0.4 * squash
    bottom = 0.5 + 0.42 * squash - radius * tilt * 0.5
    steps = np.linspace(top, bottom, 7)
    widths = radius * rng.uniform(0.78, 1.12, 7)
    widths[0] = widths[1] = radius * 0.86
    shift = float(rng.uniform(-0.03, 0.03))
    profile = [(float(y), float(w)) for y, w in zip(steps, widths, strict=True)]
    body = turned(canvas, profile, tilt, 0.5, round_off=0.06)
    relief = crumple(rng, size, 1.2, int(rng.integers(9, 16)))
    canvas.paint(body.mask, steel(rng))
    picture = body.wrap(art.label_art(rng, 160, 150), top, bottom + 0.1, rng.uniform(-0.4, 0.4))
    ys, xs = np.mgrid[0:size, 0:size]
    column = np.clip(xs + relief.slope_x * 0.07 * size, 0, size - 1).astype(np.int32)
    row = np.clip(ys + relief.slope_y * 0.09 * size, 0, size - 1).astype(np.int32)
    canvas.paint(body.band(top + 0.04, bottom - 0.03, size), np.asarray(picture[row, column], np.float32), 0.92)
    canvas.shade(relief.mirror(1.4, rng.uniform(-1, 1)) * np.float32(0.75) + np.float32(0.4), body.mask)
    gleam(canvas, rng, body, 0.35)
    canvas.paint(body.mask * relief.glints(-0.45, -0.4, 0.25), WHITE, 0.75)
    end = radius * 0.87
    round_end(canvas, rng, top + shift * 0.3, end, tilt, (0.76, 0.76, 0.77))
    ring_pull(canvas, rng, top + shift * 0.3, end, tilt)


def tin(canvas: Canvas, rng: Rng) -> None:
    """A food tin with ridges, bare or with a paper label, closed or opened and empty."""
    size = canvas.size_px
    radius, tilt = rng.uniform(0.27, 0.36), rng.uniform(0.18, 0.5)
    top = 0.06 + radius * tilt + (0.1 if tilt < 0.42 else 0.0)
    bottom = min(0.95 - radius * tilt, top + rng.uniform(0.5, 0.8))
    metal = steel(rng)
    profile = [
        (top, radius * 1.02),
        (top + 0.02, radius * 1.02),
        (top + 0.03, radius),
        (bottom, radius),
        (bottom + 0.02, radius * 1.02),
    ]
    body = turned(canvas, profile, tilt, round_off=0.008)
    canvas.paint(body.mask, metal)
    if rng.random() < 0.5:
        picture = body.wrap(art.label_art(rng, 170, 120), top + 0.04, bottom - 0.02, rng.uniform(-0.4, 0.4))
        canvas.paint(body.band(top + 0.04, bottom - 0.02, size), picture)
        ridge, polish = 0.06, 0.45
    else:
        ridge, polish = 0.24, 1.0
    wave = 1.0 + ridge * np.sin(body.along * np.float32(rng.uniform(120, 190)))
    canvas.shade(wave.astype(np.float32), body.band(top + 0.1, bottom - 0.07, size))
    gleam(canvas, rng, body, polish)
    if rng.random() < 0.45:
        round_end(canvas, rng, top, radius, tilt, metal)
    else:
        _open_end(canvas, rng, top, radius * 1.02, tilt, metal)
    canvas.shade(1.0 + 0.02 * grain(rng, size) + 0.05 * cloud_noise(rng, size, 6))


def _open_end(canvas: Canvas, rng: Rng, top: float, radius: float, tilt: float, metal: Colour) -> None:
    """The open mouth of a tin, dark inside, perhaps with the lid bent up behind it."""
    if rng.random() < 0.5 and tilt < 0.42:
        lid = canvas.ellipse(
            (0.5 + rng.uniform(-0.08, 0.08), top - radius * tilt * 0.8),
            (radius * 0.9, radius * 0.42),
            rng.uniform(-15, 15),
        )
        canvas.paint(lid, mix(metal, WHITE, 0.15))
        canvas.shade(folded_relief(rng, canvas.size_px, 6, 0.8, 0.05).lit(0.6), lid)
    canvas.paint(canvas.ellipse((0.5, top), (radius, radius * tilt)), mix(metal, WHITE, 0.45))
    hole = canvas.ellipse((0.5, top + 0.004), (radius - 0.014, (radius - 0.014) * tilt))
    inside = mix(metal, (0.75, 0.55, 0.3) if rng.random() < 0.3 else metal, 0.6)
    canvas.paint(hole, inside)
    xs, ys = grid(canvas.size_px)
    down = ((ys - top) / (radius * tilt)).astype(np.float32)
    canvas.shade(ramp(down, ((-1, 0.95), (-0.3, 0.5), (0.6, 0.22), (1, 0.3))), hole)
    canvas.shade(ramp(((0.5 - xs) / radius).astype(np.float32), CHROME) * 1.4, hole)
    rings = 1.0 + 0.15 * np.sin(ys * 170)
    canvas.shade(rings.astype(np.float32), hole)


def tin_from_above(canvas: Canvas, rng: Rng) -> None:
    """The round end of a can, a jar lid or a bottle cap, straight from above."""
    radius = rng.uniform(0.38, 0.45)
    kind = rng.random()
    colour = steel(rng) if kind < 0.6 else mix(steel(rng), art.bright(rng), 0.85)
    round_end(canvas, rng, 0.5, radius, rng.uniform(0.92, 1.0), colour)
    if kind < 0.35:
        ring_pull(canvas, rng, 0.5, radius, 1.0)
    elif kind > 0.8:
        flat = art.label_art(rng, 120, 120)
        rows = np.linspace(0, 119, canvas.size_px).astype(np.int32)
        picture: Floats = flat[rows[:, None], rows[None, :]]
        canvas.paint(canvas.ellipse((0.5, 0.5), (radius * 0.6, radius * 0.6)), picture, 0.9)
    scratches = np.clip(cloud_noise(rng, canvas.size_px, 10), -1, 1)
    canvas.shade((1.0 + 0.07 * scratches + 0.03 * grain(rng, canvas.size_px, 6)).astype(np.float32))


def foil(canvas: Canvas, rng: Rng) -> None:
    """Aluminium foil, as a ball or a torn crumpled sheet."""
    size = canvas.size_px
    ball = rng.random() < 0.5
    count = int(rng.integers(12, 18))
    reach = rng.uniform(0.34, 0.42, 2) if ball else rng.uniform(0.36, 0.46, 2)
    rim = ellipse_points((0.5, 0.5), (float(reach[0]), float(reach[1])), rng.uniform(0, 180), count)
    rough = 0.07 if ball else 0.16
    rim = 0.5 + (rim - 0.5) * rng.uniform(1 - rough, 1 + rough * 0.6, (count, 1)).astype(np.float32)
    relief = crumple(rng, size, 1.2 if ball else 0.9, int(rng.integers(50, 80)))
    canvas.paint(canvas.polygon(rim), jitter((0.82, 0.82, 0.83), rng, 0.05))
    canvas.shade(relief.mirror(1.5, rng.uniform(-1, 1)) * np.float32(1.0) + np.float32(0.22))
    canvas.paint(relief.glints(-0.3, -0.3, 0.22) * canvas.alpha, WHITE, 0.85)
    if ball:
        xs, ys = grid(size)
        fall = 1.1 - 0.6 * ((xs - 0.42) ** 2 + (ys - 0.4) ** 2) / 0.2
        canvas.shade(np.clip(fall, 0.5, 1.15).astype(np.float32))
    canvas.paint(canvas.alpha * 0.08, mix(WHITE, BLACK, 0.5))


VARIANTS = (can, can, crushed_can, crushed_can, tin, tin, tin_from_above, foil)
