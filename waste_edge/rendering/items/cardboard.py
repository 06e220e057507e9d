"""Cardboard: open and closed boxes, flattened sheets, toilet rolls."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.rendering import art
from waste_edge.rendering.canvas import (
    BLACK,
    WHITE,
    Canvas,
    Colour,
    Floats,
    Point,
    Rng,
    blur,
    ellipse_points,
    grid,
    jitter,
    mix,
    ramp,
    rough_edges,
)  # fmt: skip
from waste_edge.rendering.shading import MATT, cloud_noise, folded_relief, grain, turned

BROWNS: tuple[Colour, ...] = ((0.70, 0.55, 0.39), (0.63, 0.47, 0.32), (0.76, 0.62, 0.46), (0.58, 0.43, 0.29))


def brown(rng: Rng) -> Colour:
    """A random board colour."""
    return jitter(art.pick(rng, BROWNS), rng, 0.05)


def lay(canvas: Canvas, flat: Floats, corners: Floats) -> Floats:
    """Picture (S, S, 3) of flat art (H, W, 3) stretched onto a quadrilateral (4, 2): left top, then clockwise."""
    high, wide = flat.shape[:2]
    source = np.array([(0, 0), (wide, 0), (wide, high), (0, high)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (corners * canvas.size_px).astype(np.float32))
    size = (canvas.size_px, canvas.size_px)
    picture = cv2.warpPerspective(flat, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture, dtype=np.float32)


def board_art(rng: Rng, base: Colour, printed: bool) -> Floats:
    """One face of a box: bare board with a faint flute pattern, or with carrier marks on it."""
    flat = art.plain(120, 120, base)
    flat *= (1.0 + 0.012 * np.sin(np.arange(120, dtype=np.float32) * 1.6))[None, :, None].astype(np.float32)
    if not printed:
        return flat
    ink = mix(base, BLACK, 0.68) if rng.random() < 0.8 else mix(base, art.bright(rng), 0.7)
    letters = int(rng.integers(3, 8))
    letter = rng.uniform(10, 20)
    art.word(flat, rng, (rng.uniform(8, 30), rng.uniform(10, 60)), letter, letters, ink)
    art.small_text(flat, rng, (12, 84, int(rng.uniform(50, 90)), 104), int(rng.integers(2, 5)), ink)
    if rng.random() < 0.5:
        art.barcode(flat, rng, 80, 70, 30, 22)
    if rng.random() < 0.35:
        flat[8:40, 66:110] = 0.93
        art.small_text(flat, rng, (70, 12, 106, 36), 5, (0.2, 0.2, 0.22))
    return flat


@dataclass(frozen=True)
class _Face:
    """A flat piece of a box in space: corners (4, 3) in order, its art and how much light it gets."""

    corners: NDArray[np.float64]
    flat: Floats
    light: float
    depth_shade: float = 0.0  # how much darker it gets towards its last two corners


def _project(corners: NDArray[np.float64], yaw: float, elevation: float) -> tuple[Floats, NDArray[np.float64]]:
    """Screen positions (N, 2), not yet scaled, and nearness to the camera (N,) of points (N, 3)."""
    x = corners[:, 0] * np.cos(yaw) - corners[:, 1] * np.sin(yaw)
    y = corners[:, 0] * np.sin(yaw) + corners[:, 1] * np.cos(yaw)
    z = corners[:, 2]
    near = -y * np.cos(elevation) + z * np.sin(elevation)
    size = 1.0 / (1.0 - 0.13 * near)
    screen = np.stack([x * size, (-y * np.sin(elevation) - z * np.cos(elevation)) * size], axis=1)
    return screen.astype(np.float32), near


def _draw_faces(canvas: Canvas, faces: list[_Face], yaw: float, elevation: float) -> None:
    """Paint the faces from far to near, scaled together to fill the canvas."""
    flat_points = np.concatenate([face.corners for face in faces])
    screen, near = _project(flat_points, yaw, elevation)
    low, high = screen.min(axis=0), screen.max(axis=0)
    screen = (screen - (low + high) / 2) * (0.9 / float((high - low).max())) + 0.5
    quads = screen.reshape(-1, 4, 2)
    distance = near.reshape(-1, 4).mean(axis=1)
    for index in np.argsort(distance, kind="stable"):
        face, quad = faces[index], quads[index]
        mask = canvas.polygon(quad)
        picture = lay(canvas, face.flat * np.float32(face.light), quad)
        if face.depth_shade:
            fade = np.linspace(1.0, 1.0 - face.depth_shade, 24, dtype=np.float32)
            picture = picture * lay(canvas, np.repeat(fade[:, None, None], 24, axis=1), quad)[..., None]
        canvas.paint(mask, picture)
        outline = np.concatenate([quad, quad[:1]])
        canvas.shade(1.0 - 0.28 * canvas.strokes([outline], 0.006, 0.002))
    _finish(canvas)


def _finish(canvas: Canvas, rng: Rng | None = None) -> None:
    """Fibres and dirt over everything painted, from a generator or, by default, a fixed one."""
    rng = rng or np.random.default_rng(7)
    size = canvas.size_px
    canvas.shade(1.0 + 0.022 * grain(rng, size, 5) + 0.035 * cloud_noise(rng, size, 5))


def _box_sizes(rng: Rng) -> tuple[float, float, float]:
    """Half width, half depth and height of a box."""
    return rng.uniform(0.6, 1.0), rng.uniform(0.5, 0.9), rng.uniform(0.4, 1.1)


def _walls(w: float, d: float, h: float) -> list[NDArray[np.float64]]:
    """The four walls as corners (4, 3), top edge first; front, right, back, left."""
    ring = np.array([(-w, -d), (w, -d), (w, d), (-w, d)])
    following = np.roll(ring, -1, axis=0)
    return [np.array([(*a, h), (*b, h), (*b, 0.0), (*a, 0.0)]) for a, b in zip(ring, following, strict=True)]


def open_box(canvas: Canvas, rng: Rng) -> None:
    """An open box with its flaps out, seen from above at an angle."""
    w, d, h = _box_sizes(rng)
    yaw, elevation = rng.uniform(-0.7, 0.7), np.radians(rng.uniform(48, 78))
    base = brown(rng)
    outside = art.label_art(rng, 120, 120) if rng.random() < 0.25 else None
    inner = mix(base, WHITE, rng.uniform(0.0, 0.12))
    faces = [_Face(np.array([(-w, -d, 0.0), (w, -d, 0), (w, d, 0), (-w, d, 0)]), board_art(rng, inner, False), 0.52)]
    outward = ((0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))
    for wall, (nx, ny) in zip(_walls(w, d, h), outward, strict=True):
        facing = -(nx * np.sin(yaw) + ny * np.cos(yaw))  # above 0: we see its outside
        lit = 0.86 + 0.14 * (nx * -0.7 + ny * 0.5)
        if facing > 0:
            flat = outside if outside is not None else board_art(rng, base, rng.random() < 0.6)
            faces.append(_Face(wall, flat, 0.9 * lit, 0.12))
        else:
            faces.append(_Face(wall, board_art(rng, inner, False), 0.92 * lit, 0.42))
        lean, reach = rng.uniform(-0.5, 0.9), rng.uniform(0.45, 0.8) * min(w, d)
        away = np.array([nx, ny, 0.0]) * np.cos(lean) + np.array([0, 0, 1.0]) * np.sin(lean)
        skew = rng.uniform(0, 0.12)
        a, b = wall[0], wall[1]
        flap = np.array([a, b, b + away * reach + (a - b) * skew, a + away * reach + (b - a) * skew])
        faces.append(_Face(flap, board_art(rng, inner, False), rng.uniform(0.94, 1.08)))
    _draw_faces(canvas, faces, yaw, elevation)


def closed_box(canvas: Canvas, rng: Rng) -> None:
    """A closed box with tape along the seam of its lid."""
    w, d, h = _box_sizes(rng)
    yaw, elevation = rng.uniform(-0.75, 0.75), np.radians(rng.uniform(35, 70))
    base = brown(rng)
    lid = board_art(rng, base, rng.random() < 0.5)
    lid[59:61] *= 0.6
    if rng.random() < 0.85:
        tape = mix(base, (0.85, 0.74, 0.55) if rng.random() < 0.7 else (0.75, 0.75, 0.74), 0.65)
        lid[50:70] += (np.asarray(tape, np.float32) - lid[50:70]) * np.float32(0.75)
        lid[52:54] += 0.1
    faces = [_Face(np.array([(-w, d, h), (w, d, h), (w, -d, h), (-w, -d, h)]), lid, 1.08)]
    outward = ((0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0))
    for wall, (nx, ny) in zip(_walls(w, d, h), outward, strict=True):
        if -(nx * np.sin(yaw) + ny * np.cos(yaw)) > 0:
            faces.append(_Face(wall, board_art(rng, base, rng.random() < 0.7), 0.80 + 0.12 * (ny - nx), 0.2))
    _draw_faces(canvas, faces, yaw, elevation)


def flat_sheet(canvas: Canvas, rng: Rng) -> None:
    """A flattened or torn piece with creases and an edge that shows the corrugation."""
    base = brown(rng)
    half_w, half_h = rng.uniform(0.36, 0.45), rng.uniform(0.24, 0.43)
    corners = np.array([(-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h)])
    corners += 0.5 + rng.uniform(-0.035, 0.035, (4, 2))
    edge = rough_edges(corners, rng, 0.0022, 0.011)
    inner = rough_edges(0.5 + (corners - 0.5) * rng.uniform(0.965, 0.99), rng, 0.003, 0.011)
    ruled = (1.06 + 0.16 * np.sin(grid(canvas.size_px)[0] * 150)).astype(np.float32)
    canvas.paint(canvas.polygon(edge), np.asarray(mix(base, WHITE, 0.15), np.float32) * ruled[..., None])
    flat = board_art(rng, base, rng.random() < 0.7)
    canvas.paint(canvas.polygon(inner), lay(canvas, flat, corners.astype(np.float32)))
    _creases(canvas, rng, half_w, half_h)
    if rng.random() < 0.4:
        _tape_strip(canvas, rng)
    if rng.random() < 0.6:
        notch: Point = (0.5 + float(rng.choice([-1, 1])) * half_w, 0.5 + rng.uniform(-half_h, half_h))
        canvas.erase(canvas.polygon(rough_edges(ellipse_points(notch, (0.12, 0.05), count=14), rng, 0.004)))
    canvas.shade(folded_relief(rng, canvas.size_px, 10, 0.18, 0.035).lit(0.5))
    _finish(canvas, rng)


def _creases(canvas: Canvas, rng: Rng, half_w: float, half_h: float) -> None:
    """Score lines where the box used to fold: a dark groove with a bright lip, panels lit differently."""
    xs, ys = grid(canvas.size_px)
    for vertical in (True, False):
        if rng.random() < 0.3:
            continue
        at = 0.5 + rng.uniform(-0.55, 0.55) * (half_w if vertical else half_h)
        line = np.array([(at, 0.0), (at + rng.uniform(-0.02, 0.02), 1.0)])
        if not vertical:
            line = line[:, ::-1]
        canvas.shade(1.0 - 0.32 * canvas.strokes([line], 0.008, 0.003))
        canvas.shade(1.0 + 0.16 * canvas.strokes([line + 0.009], 0.006, 0.003))
        beyond = (xs if vertical else ys) > np.float32(at)
        canvas.shade(np.where(beyond, np.float32(rng.uniform(0.86, 1.08)), np.float32(1.0)))


def _tape_strip(canvas: Canvas, rng: Rng) -> None:
    """A strip of shiny parcel tape across the sheet."""
    at, slope, half = rng.uniform(0.35, 0.65), rng.uniform(-0.06, 0.06), rng.uniform(0.03, 0.05)
    corners = [(0, at - half), (1, at + slope - half), (1, at + slope + half), (0, at + half)]
    mask = canvas.polygon(corners) * canvas.alpha
    canvas.paint(mask, jitter((0.78, 0.66, 0.47), rng, 0.08), 0.55)
    streaks = ramp(cloud_noise(rng, canvas.size_px, 3), ((-1, 0.0), (0.6, 0.0), (1.4, 0.25)), -2, 2)
    canvas.paint(mask * streaks, WHITE)


def toilet_roll(canvas: Canvas, rng: Rng) -> None:
    """The grey-brown tube of a toilet or kitchen roll, seen into one end, sometimes dented."""
    size = canvas.size_px
    base = jitter((0.66, 0.56, 0.45), rng, 0.06)
    radius, tilt = rng.uniform(0.19, 0.27), rng.uniform(0.3, 0.55)
    top = 0.05 + radius * tilt
    dent = radius * rng.uniform(0.85, 1.0)
    tube = turned(canvas, [(top, radius), (0.5, dent), (0.95 - radius * tilt, radius)], tilt, round_off=0.08)
    canvas.paint(tube.mask, base)
    canvas.shade(ramp(tube.across, MATT), tube.mask)
    seam = (tube.along * 2.2 + tube.across * rng.uniform(0.3, 0.5)) % np.float32(0.62)
    canvas.shade(1.0 - 0.25 * np.exp(-((seam - 0.3) ** 2) / 0.00025).astype(np.float32), tube.mask)
    canvas.paint(canvas.ellipse((0.5, top), (radius, radius * tilt)), mix(base, WHITE, 0.3))
    hole = canvas.ellipse((0.5, top + 0.003), (radius - 0.014, (radius - 0.014) * tilt))
    canvas.paint(hole, mix(base, BLACK, 0.35))
    ys = grid(size)[1]
    depth = ramp(((ys - top) / (radius * tilt)).astype(np.float32), ((-1, 0.45), (0.2, 0.8), (1, 1.25)))
    canvas.shade(depth, hole)
    if rng.random() < 0.5:
        canvas.shade(folded_relief(rng, size, 14, 0.22, 0.025).lit(0.5))
    else:
        canvas.shade(1.0 + blur(grain(rng, size), 0.01 * size) * 0.3)
    _finish(canvas, rng)


VARIANTS = (open_box, closed_box, flat_sheet, flat_sheet, toilet_roll)
