"""Plastic: drink bottles, cups and tubs, clear packaging, bags, detergent bottles."""

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
    rough_edges,
    rounded_rectangle,
)  # fmt: skip
from waste_edge.rendering.shading import MATT, Relief, Turned, crumple, folded_relief, smooth_noise, turned

_FILM = ((-1.0, 0.85), (-0.9, 0.5), (-0.6, 0.16), (0.0, 0.0), (0.6, 0.16), (0.9, 0.5), (1.0, 0.85))
_GLOSS = ((-1.0, 0.6), (-0.8, 0.9), (-0.55, 1.22), (-0.4, 1.02), (0.2, 0.98), (0.65, 0.8), (0.8, 0.92), (1.0, 0.55))


def clear_wall(canvas: Canvas, rng: Rng, body: Turned, tint: Colour, cover: float, dents: float) -> None:
    """Paint a thin clear wall: bluish-grey edges and many small, broken highlights from its dents."""
    relief = folded_relief(rng, canvas.size_px, int(rng.integers(18, 40)), dents, 0.004)
    edge = ramp(body.across, _FILM)
    opacity = np.clip(cover + (0.75 - cover) * edge + 0.12 * relief.slope_x, 0.03, 1)
    field = np.asarray(mix(tint, BLACK, 0.3), np.float32) * (1.0 + 0.25 * (1 - edge))[..., None]
    canvas.paint((body.mask * opacity).astype(np.float32), np.clip(field, 0, 1).astype(np.float32))
    canvas.paint(body.mask * relief.glints(0.3, 0.25, 0.16), mix(tint, BLACK, 0.6), 0.4)
    canvas.paint(body.mask * relief.glints(-0.25, -0.2, 0.13), WHITE, 0.8)
    for at, width, strength in ((-0.58, 0.05, 0.65), (0.66, 0.04, 0.45), (0.2, 0.03, 0.25)):
        shifted = body.across + relief.slope_y * np.float32(0.25) - np.float32(at)
        streak = np.exp(-((shifted / np.float32(width)) ** 2)).astype(np.float32)
        canvas.paint(body.mask * streak, WHITE, strength)


def cap(canvas: Canvas, rng: Rng, top: float, bottom: float, radius: float, tilt: float) -> None:
    """Draw a ribbed screw cap."""
    colour = art.bright(rng) if rng.random() < 0.7 else (0.93, 0.93, 0.93)
    lid = turned(canvas, [(top, radius), (bottom, radius * 1.03)], tilt, round_off=0.008)
    ribs = 1.0 + 0.14 * np.sin(np.arcsin(np.clip(lid.across, -1, 1)) * 26)
    canvas.paint(lid.mask, colour)
    canvas.shade((ramp(lid.across, _GLOSS) * ribs).astype(np.float32), lid.mask)
    canvas.paint(canvas.ellipse((0.5, top), (radius, radius * tilt)), mix(colour, WHITE, 0.18))


def pet_bottle(canvas: Canvas, rng: Rng) -> None:
    """A clear drink bottle with ribs, a cap and a film label."""
    size = canvas.size_px
    tints: tuple[Colour, ...] = ((0.80, 0.85, 0.88), (0.80, 0.85, 0.88), (0.62, 0.78, 0.92), (0.45, 0.72, 0.50))
    tint = jitter(art.pick(rng, tints), rng, 0.04)
    radius, neck, tilt = rng.uniform(0.13, 0.19), rng.uniform(0.045, 0.06), rng.uniform(0.05, 0.2)
    shoulder = rng.uniform(0.28, 0.4)
    heights = np.linspace(shoulder, 0.9, 44)
    ribs = radius * (1.0 - 0.045 * (np.sin(heights * rng.uniform(90, 140)) > 0.3))
    waist = rng.uniform(0.0, 0.12) * np.exp(-(((heights - 0.62) / 0.07) ** 2))
    profile = [(0.1, neck), (0.14, neck), (0.15, neck * 1.25), (0.16, neck)]
    profile += [((0.16 + shoulder) / 2, (neck + radius) * 0.55)]
    profile += [(float(y), float(r * (1 - w))) for y, r, w in zip(heights, ribs, waist, strict=True)]
    profile += [(0.94, radius * 0.82)]
    body = turned(canvas, profile, tilt, round_off=0.02)
    clear_wall(canvas, rng, body, tint, rng.uniform(0.2, 0.38), rng.uniform(0.3, 0.75))
    rings = np.clip(np.sin(body.along * rng.uniform(95, 130)) - 0.55, 0, 1)
    ribbed = body.band(shoulder + 0.03, 0.88, size)
    canvas.paint((ribbed * rings).astype(np.float32), WHITE, 0.5)
    canvas.paint(np.roll(ribbed * rings, max(1, size // 90), axis=0).astype(np.float32), mix(tint, BLACK, 0.5), 0.4)
    if rng.random() < 0.7:
        top = shoulder + rng.uniform(0.04, 0.12)
        bottom = top + rng.uniform(0.14, 0.26)
        picture = body.wrap(art.label_art(rng, 170, 90), top, bottom, rng.uniform(-0.4, 0.4))
        canvas.paint(body.band(top, bottom, size), picture * ramp(body.across, MATT)[..., None], 0.93)
    if rng.random() < 0.85:
        cap(canvas, rng, 0.05, 0.11, neck * 1.2, max(tilt, 0.1))


def cup(canvas: Canvas, rng: Rng) -> None:
    """A yoghurt cup or a coloured drinking cup, narrower at the foot, open at the top."""
    size = canvas.size_px
    top_radius, tilt = rng.uniform(0.28, 0.38), rng.uniform(0.2, 0.5)
    bottom_radius = top_radius * rng.uniform(0.62, 0.8)
    top = 0.05 + top_radius * tilt
    bottom = min(0.95 - bottom_radius * tilt, top + rng.uniform(0.5, 0.85))
    party = rng.random() < 0.45
    colour = art.bright(rng) if party else jitter((0.93, 0.93, 0.92), rng, 0.05)
    rim = [(top, top_radius), (top + 0.025, top_radius), (top + 0.03, top_radius * 0.95)]
    body = turned(canvas, [*rim, (bottom, bottom_radius)], tilt, round_off=0.012)
    canvas.paint(body.mask, colour)
    if party:
        ridges = 1.0 + 0.1 * np.sin(body.along * np.float32(rng.uniform(60, 110)))
        canvas.shade(ridges.astype(np.float32), body.band(top + 0.1, bottom, size))
    else:
        picture = body.wrap(art.label_art(rng, 170, 110), top + 0.05, bottom - 0.02, rng.uniform(-0.4, 0.4))
        canvas.paint(body.band(top + 0.06, bottom - 0.03, size), picture, 0.95)
    canvas.shade(ramp(body.across, _GLOSS), body.mask)
    inner = jitter((0.92, 0.92, 0.91), rng, 0.04) if rng.random() < 0.75 else mix(colour, WHITE, 0.2)
    canvas.paint(canvas.ellipse((0.5, top), (top_radius, top_radius * tilt)), mix(inner, WHITE, 0.4))
    mouth = top_radius * 0.94
    hole = canvas.ellipse((0.5, top + 0.003), (mouth, mouth * tilt))
    canvas.paint(hole, inner)
    xs, ys = grid(size)
    down = ((ys - top) / (mouth * tilt)).astype(np.float32)
    canvas.shade(ramp(down, ((-1, 0.55), (0, 0.75), (1, 1.02))), hole)
    canvas.shade(ramp(((0.5 - xs) / mouth).astype(np.float32), MATT), hole)


def tub(canvas: Canvas, rng: Rng) -> None:
    """A clear or black food tray from above: walls, ribs in the floor, glints, perhaps a sticker."""
    size = canvas.size_px
    half = (rng.uniform(0.36, 0.45), rng.uniform(0.27, 0.45))
    tray_colours: tuple[Colour, ...] = ((0.82, 0.85, 0.86), (0.82, 0.85, 0.86), (0.10, 0.10, 0.11), (0.92, 0.92, 0.91))
    kind = int(rng.integers(4))
    tint = jitter(tray_colours[kind], rng, 0.03)
    cover = (0.28, 0.34, 0.98, 0.97)[kind]
    corner = rng.uniform(0.04, 0.12)
    canvas.paint(canvas.polygon(rounded_rectangle((0.5, 0.5), half, corner)), tint, min(1.0, cover + 0.2))
    inset = rng.uniform(0.05, 0.08)
    floor_half = (half[0] - inset, half[1] - inset)
    floor = canvas.polygon(rounded_rectangle((0.5, 0.5), floor_half, corner * 0.7))
    canvas.shade(1.0 - 0.22 * floor)
    lines = []
    for step in np.linspace(-0.7, 0.7, int(rng.integers(4, 8))):
        y = 0.5 + step * floor_half[1]
        lines.append(np.array([(0.5 - floor_half[0] * 0.8, y), (0.5 + floor_half[0] * 0.8, y)]))
    if rng.random() < 0.7:
        canvas.paint(canvas.strokes([line + 0.008 for line in lines], 0.014, 0.004), mix(tint, BLACK, 0.6), 0.4)
        canvas.paint(canvas.strokes(lines, 0.012, 0.004), mix(tint, WHITE, 0.5), 0.5)
    for share, gain in ((1.0, 0.9), (0.95, 0.55)):
        border = rounded_rectangle((0.5, 0.5), (half[0] * share, half[1] * share), corner)
        line = np.concatenate([border, border[:1]])
        canvas.paint(canvas.strokes([line], 0.008, 0.002), mix(tint, WHITE if gain > 0.6 else BLACK, 0.55), 0.6)
    wall = rounded_rectangle((0.5, 0.5), floor_half, corner * 0.7)
    canvas.paint(canvas.strokes([np.concatenate([wall, wall[:1]])], 0.012, 0.003), mix(tint, BLACK, 0.55), 0.5)
    if rng.random() < 0.45:
        _sticker(canvas, rng, floor_half)
    relief = crumple(rng, size, 0.7, 22)
    canvas.paint(
        relief.glints(-0.3, -0.25, 0.14) * canvas.polygon(rounded_rectangle((0.5, 0.5), half, corner)), WHITE, 0.7
    )
    canvas.shade(relief.lit(0.25))


def _sticker(canvas: Canvas, rng: Rng, half: tuple[float, float]) -> None:
    """A price or product sticker on a tray."""
    wide, high = half[0] * rng.uniform(0.4, 0.8), half[1] * rng.uniform(0.35, 0.7)
    flat = art.label_art(rng, 140, 100)
    xs, ys = grid(canvas.size_px)
    column = np.clip(((xs - 0.5) / (2 * wide) + 0.5) * 139, 0, 139).astype(np.int32)
    row = np.clip(((ys - 0.5) / (2 * high) + 0.5) * 99, 0, 99).astype(np.int32)
    picture: Floats = flat[row, column]
    canvas.paint(canvas.polygon(rounded_rectangle((0.5, 0.5), (wide, high), 0.02)), picture, 0.95)


def bag(canvas: Canvas, rng: Rng) -> None:
    """A thin bag or film, crumpled: see-through with bright creases, or a plain shopping-bag colour."""
    size = canvas.size_px
    count = int(rng.integers(10, 16))
    radii = (rng.uniform(0.3, 0.44), rng.uniform(0.28, 0.42))
    rim = ellipse_points((0.5, 0.5), radii, rng.uniform(0, 180), count)
    rim = 0.5 + (rim - 0.5) * rng.uniform(0.72, 1.08, (count, 1)).astype(np.float32)
    mask = canvas.polygon(rough_edges(rim, rng, 0.006))
    see_through = rng.random() < 0.6
    colour = jitter((0.86, 0.88, 0.9), rng, 0.03) if see_through else mix(art.bright(rng), WHITE, rng.uniform(0.1, 0.6))
    relief = crumple(rng, size, 0.55, int(rng.integers(24, 45)))
    if rng.random() < 0.7:
        relief = relief.plus(_gathers(rng, size), 0.9)
    cover = 0.42 if see_through else 0.93
    canvas.paint(mask * np.clip(cover + 0.25 * smooth_noise(rng, size, 6), 0.2, 1).astype(np.float32), colour)
    canvas.shade(relief.lit(0.4))
    canvas.paint(mask * relief.glints(0.3, 0.3, 0.15), mix(colour, BLACK, 0.5), 0.45)
    canvas.paint(mask * relief.glints(-0.3, -0.25, 0.16), WHITE, 0.85)
    canvas.paint(mask * relief.glints(0.05, -0.35, 0.1), WHITE, 0.7)


def _gathers(rng: Rng, size_px: int) -> Relief:
    """Long folds of film that run out from where the bag is held together."""
    xs, ys = grid(size_px)
    knot_x, knot_y = rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.25)
    angle = np.arctan2(ys - knot_y, xs - knot_x) + 0.12 * smooth_noise(rng, size_px, 4)
    fold = np.sin(angle * float(rng.integers(14, 24))) * 0.5 + np.sin(angle * 37.0) * 0.25
    slope_x, slope_y = (-np.sin(angle) * fold, np.cos(angle) * fold)
    return Relief(slope_x.astype(np.float32), slope_y.astype(np.float32))


def detergent_bottle(canvas: Canvas, rng: Rng) -> None:
    """An opaque bottle with a handle: detergent, shampoo or milk."""
    size = canvas.size_px
    milk = rng.random() < 0.4
    colour = jitter((0.90, 0.91, 0.90), rng, 0.03) if milk else art.bright(rng)
    half, neck = rng.uniform(0.2, 0.29), rng.uniform(0.06, 0.1)
    shoulder = rng.uniform(0.28, 0.4)
    profile = [(0.12, neck), (0.17, neck), (shoulder, half * 0.92), (0.6, half), (0.9, half), (0.95, half * 0.88)]
    body = turned(canvas, profile, 0.04, round_off=0.09)
    canvas.paint(body.mask, colour, 0.9 if milk else 1.0)
    canvas.shade(ramp(body.across, _GLOSS), body.mask)
    if rng.random() < 0.6:
        spot = (0.5 + half * 0.52, shoulder + rng.uniform(0.08, 0.14))
        canvas.shade(1.0 - 0.3 * canvas.ellipse(spot, (half * 0.36, 0.16), -8, 0.012))
        canvas.erase(canvas.ellipse(spot, (half * 0.2, 0.12), -8))
    picture = body.wrap(art.label_art(rng, 150, 150), 0.58, 0.86, rng.uniform(-0.1, 0.1))
    canvas.paint(
        body.band(0.57, 0.87, size) * (np.abs(body.across) < 0.8), picture * ramp(body.across, MATT)[..., None], 0.95
    )
    canvas.shade(folded_relief(rng, size, 9, 0.25, 0.02).lit(0.4))
    cap(canvas, rng, 0.06, 0.14, neck * 1.25, 0.12)


VARIANTS = (pet_bottle, pet_bottle, pet_bottle, cup, tub, bag, detergent_bottle)
