"""Glass: bottles, jars and tumblers, clear or coloured, with the background showing through."""

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
    blur,
    grid,
    jitter,
    mix,
    ramp,
)  # fmt: skip
from waste_edge.rendering.shading import CHROME, MATT, Turned, smooth_noise, turned

# Tint, and how much of the background the wall hides seen face on.
CLEAR: tuple[Colour, float] = ((0.70, 0.74, 0.71), 0.26)
TINTS: tuple[tuple[Colour, float], ...] = (
    CLEAR, CLEAR, ((0.62, 0.72, 0.78), 0.3), ((0.08, 0.32, 0.14), 0.8), ((0.16, 0.40, 0.10), 0.72),
    ((0.26, 0.13, 0.05), 0.86), ((0.40, 0.20, 0.06), 0.8),
)  # fmt: skip

_WALL = (
    (-1.0, 1.0),
    (-0.93, 0.9),
    (-0.82, 0.45),
    (-0.6, 0.12),
    (0.0, 0.0),
    (0.6, 0.12),
    (0.82, 0.5),
    (0.93, 0.95),
    (1, 1),
)


def glass_body(canvas: Canvas, rng: Rng, body: Turned, tint: Colour, cover: float) -> None:
    """Paint a glass wall: thin in the middle, dense at the outline, streaked with reflections."""
    edge = ramp(body.across, _WALL)
    dense = mix(tint, BLACK, 0.62)
    inner, outer = np.asarray(tint, np.float32), np.asarray(dense, np.float32)
    tint_field = inner + edge[..., None] * (outer - inner)
    ripple = smooth_noise(rng, canvas.size_px, 6) * np.float32(0.08)
    opacity = np.clip(cover + (0.93 - cover) * edge + ripple * (1 - edge), 0, 1)
    canvas.paint((body.mask * opacity).astype(np.float32), tint_field.astype(np.float32))
    side = float(rng.choice([-1.0, 1.0]))
    wobble = body.across + smooth_noise(rng, canvas.size_px, 4) * np.float32(0.03)
    for at, width, strength in ((-0.62, 0.055, 0.85), (-0.47, 0.02, 0.5), (0.7, 0.035, 0.5), (0.1, 0.12, 0.10)):
        streak = np.exp(-(((wobble - np.float32(at * side)) / np.float32(width)) ** 2))
        breaks = np.clip(0.75 + smooth_noise(rng, canvas.size_px, 5) * 0.6, 0, 1)
        canvas.paint((body.mask * streak * breaks).astype(np.float32), WHITE, strength * rng.uniform(0.7, 1.0))


def ring(canvas: Canvas, radius: float, height: float, tilt: float, tint: Colour, line: tuple[float, float]) -> None:
    """A rim or the thick edge of a base: a dark ellipse with a bright one inside, of a width and a strength."""
    width, strength = line
    turn = np.linspace(0, 2 * np.pi, 60)
    ellipse = np.stack([0.5 + np.cos(turn) * radius, height + np.sin(turn) * radius * tilt], axis=1)
    canvas.paint(canvas.strokes([ellipse], width * 1.6, 0.002), mix(tint, BLACK, 0.5), strength)
    canvas.paint(canvas.strokes([ellipse - (0.0, width * 0.4)], width * 0.7, 0.001), WHITE, strength * 0.8)


def _label(canvas: Canvas, rng: Rng, body: Turned, top: float, bottom: float, turn: float) -> None:
    """A paper label pasted round the body."""
    picture = body.wrap(art.label_art(rng), top, bottom, turn)
    band = body.band(top, bottom, canvas.size_px)
    canvas.paint(band, picture * ramp(body.across, MATT)[..., None], 0.96)


def bottle(canvas: Canvas, rng: Rng) -> None:
    """A wine, beer or juice bottle from the side."""
    tint, cover = TINTS[int(rng.integers(len(TINTS)))]
    tint = jitter(tint, rng, 0.04)
    radius, neck = rng.uniform(0.12, 0.19), rng.uniform(0.042, 0.06)
    shoulder, neck_end = rng.uniform(0.4, 0.5), rng.uniform(0.2, 0.3)
    tilt = rng.uniform(0.05, 0.22)
    profile = [
        (0.05, neck * 1.18), (0.085, neck * 1.18), (0.09, neck), (neck_end, neck * 1.12),
        ((neck_end + shoulder) / 2, (neck * 1.5 + radius) / 2), (shoulder, radius), (0.92, radius),
        (0.94, radius * 0.94),
    ]  # fmt: skip
    body = turned(canvas, profile, tilt, round_off=0.05)
    glass_body(canvas, rng, body, tint, cover)
    ring(canvas, radius * 0.86, 0.915, tilt, tint, (0.012, 0.55))
    if rng.random() < 0.65:
        top = shoulder + rng.uniform(0.03, 0.1)
        _label(canvas, rng, body, top, top + rng.uniform(0.16, 0.3), rng.uniform(-0.25, 0.25))
    if rng.random() < 0.3:
        _label(canvas, rng, body, 0.14, rng.uniform(0.18, 0.22), 0.0)
    if rng.random() < 0.35:
        cap = turned(canvas, [(0.04, neck * 1.3), (0.085, neck * 1.4)], tilt, round_off=0.01)
        canvas.paint(cap.mask, art.bright(rng))
        canvas.shade(ramp(cap.across, CHROME) * 1.2, cap.mask)
    else:
        ring(canvas, neck * 1.1, 0.055, max(tilt, 0.12), tint, (0.008, 0.8))


def jar(canvas: Canvas, rng: Rng) -> None:
    """A food jar with a screw thread, sometimes with its metal lid and a label."""
    tint, cover = CLEAR
    tint = jitter(tint, rng, 0.04)
    radius, tilt = rng.uniform(0.26, 0.34), rng.uniform(0.1, 0.3)
    mouth = radius * rng.uniform(0.76, 0.9)
    top = 0.07 + mouth * tilt
    bottom = 0.94 - radius * tilt
    profile = [(top, mouth), (top + 0.1, mouth), (top + 0.17, radius), (bottom - 0.05, radius), (bottom, radius * 0.9)]
    body = turned(canvas, profile, tilt, round_off=0.06)
    back = turned(canvas, [(top, mouth), (bottom, radius)], -tilt)
    canvas.paint(back.mask, tint, 0.12)
    glass_body(canvas, rng, body, tint, cover)
    ring(canvas, radius * 0.85, bottom - 0.02, tilt, tint, (0.016, 0.6))
    if rng.random() < 0.5:
        start = top + 0.23
        _label(canvas, rng, body, start, min(bottom - 0.08, start + rng.uniform(0.2, 0.34)), rng.uniform(-0.4, 0.4))
    if rng.random() < 0.5:
        _lid(canvas, rng, mouth, top, tilt)
        return
    for step in range(3):
        thread = body.band(top + 0.025 + step * 0.027, top + 0.034 + step * 0.027, canvas.size_px)
        canvas.paint(blur(thread, 0.8), WHITE if step % 2 else mix(tint, BLACK, 0.4), 0.45)
    canvas.paint(canvas.ellipse((0.5, top), (mouth, mouth * tilt)), mix(tint, WHITE, 0.2), 0.2)
    ring(canvas, mouth * 0.97, top, tilt, tint, (0.013, 0.75))


def _lid(canvas: Canvas, rng: Rng, mouth: float, top: float, tilt: float) -> None:
    """A metal screw lid on a jar."""
    colour = jitter((0.82, 0.70, 0.35), rng, 0.08) if rng.random() < 0.5 else art.bright(rng)
    lid = turned(canvas, [(top - 0.01, mouth * 1.05), (top + 0.085, mouth * 1.07)], tilt, round_off=0.01)
    ribs = 1.0 + 0.1 * np.sin(np.arcsin(np.clip(lid.across, -1, 1)) * 60)
    canvas.paint(lid.mask, colour)
    canvas.shade((ramp(lid.across, MATT) * ribs).astype(np.float32), lid.mask)
    canvas.paint(canvas.ellipse((0.5, top - 0.01), (mouth * 1.05, mouth * 1.05 * tilt)), mix(colour, WHITE, 0.15))
    inner = canvas.ellipse((0.5, top - 0.008), (mouth * 0.86, mouth * 0.86 * tilt))
    canvas.shade(1.0 - 0.12 * inner)


def tumbler(canvas: Canvas, rng: Rng) -> None:
    """A drinking glass, often with facets cut into it."""
    tint, cover = CLEAR if rng.random() < 0.7 else TINTS[2]
    top_radius, tilt = rng.uniform(0.24, 0.32), rng.uniform(0.15, 0.35)
    bottom_radius = top_radius * rng.uniform(0.62, 0.9)
    top, bottom = 0.06 + top_radius * tilt, 0.94 - bottom_radius * tilt
    canvas.paint(canvas.ellipse((0.5, top), (top_radius, top_radius * tilt)), tint, 0.22)
    body = turned(canvas, [(top, top_radius), (bottom, bottom_radius)], tilt, round_off=0.01)
    glass_body(canvas, rng, body, tint, cover)
    if rng.random() < 0.6:
        facets = np.sin(np.arcsin(np.clip(body.across, -1, 1)) * float(rng.integers(8, 14)))
        cut = body.band(top + 0.12, bottom - 0.04, canvas.size_px)
        canvas.paint((cut * np.clip(facets - 0.5, 0, 1)).astype(np.float32), WHITE, 0.5)
        canvas.paint((cut * np.clip(-facets - 0.6, 0, 1)).astype(np.float32), mix(tint, BLACK, 0.5), 0.45)
    base = body.band(bottom - 0.07, bottom, canvas.size_px)
    canvas.paint(base, mix(tint, WHITE, 0.3), 0.35)
    ring(canvas, bottom_radius * 0.9, bottom - 0.07, tilt, tint, (0.014, 0.55))
    ring(canvas, top_radius * 0.985, top, tilt, tint, (0.011, 0.8))


def from_above(canvas: Canvas, rng: Rng) -> None:
    """A bottle or jar seen along its axis: rings inside rings."""
    tint, cover = TINTS[int(rng.integers(len(TINTS)))]
    xs, ys = grid(canvas.size_px)
    off_x, off_y = rng.uniform(-0.06, 0.06, 2)
    radius = rng.uniform(0.36, 0.44)
    distance: Floats = np.hypot(xs - 0.5, ys - 0.5).astype(np.float32) / np.float32(radius)
    mask = canvas.ellipse((0.5, 0.5), (radius, radius))
    wall = ramp(distance, ((0, 0.1), (0.5, 0.2), (0.72, 0.75), (0.8, 0.25), (0.93, 0.5), (1, 1)), 0, 1)
    canvas.paint((mask * (cover + (0.95 - cover) * wall)).astype(np.float32), mix(tint, BLACK, 0.25))
    dark = mix(tint, BLACK, 0.7)
    for share, thick in ((0.97, 0.018), (0.74, 0.02), (0.68, 0.01), (0.42, 0.012)):
        centre = (0.5 + off_x * (1 - share), 0.5 + off_y * (1 - share))
        turn = np.linspace(0, 2 * np.pi, 80)
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius * share + centre
        canvas.paint(canvas.strokes([circle], thick, 0.002), dark, 0.6)
        start = rng.uniform(0, 6.28)
        arc = np.linspace(start, start + rng.uniform(0.6, 1.8), 30)
        shine = np.stack([np.cos(arc), np.sin(arc)], axis=1) * radius * (share - 0.03) + centre
        canvas.paint(canvas.strokes([shine], 0.012, 0.003), WHITE, 0.8)
    canvas.paint(mask * np.clip(smooth_noise(rng, canvas.size_px, 7) * 0.2, 0, 0.25).astype(np.float32), WHITE)


VARIANTS = (bottle, bottle, bottle, jar, jar, tumbler, from_above)
