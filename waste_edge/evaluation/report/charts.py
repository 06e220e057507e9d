"""Charts as inline SVG whose colours are the page's CSS variables, so that they follow it into the dark.

Drawn by hand and not by matplotlib for that, and because the page must stay small: its own SVG carries its colours,
fonts and a kilobyte a tick with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 420.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 18.0, 12.0, 44.0


@dataclass(frozen=True)
class Line:
    """One curve; `colour` counts through the page's palette."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """One direction: what it shows, from where to where, and how its ticks are written."""

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    write: Callable[[float], str] = "{:g}".format


@dataclass(frozen=True)
class _Frame:
    x: Axis
    y: Axis

    def across(self, value: float) -> float:
        share = (value - self.x.low) / (self.x.high - self.x.low or 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def up(self, value: float) -> float:
        share = (value - self.y.low) / (self.y.high - self.y.low or 1.0)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


SHARE = (0.0, 0.25, 0.5, 0.75, 1.0)


def percent(value: float) -> str:
    """A share as whole percents, for ticks."""
    return f"{100 * value:.0f}%"


def share_axis(title: str) -> Axis:
    """Scale an axis from 0 to 100 %."""
    return Axis(title, 0.0, 1.0, SHARE, percent)


def fitting_axis(title: str, values: Sequence[float], from_zero: bool = False) -> Axis:
    """An axis that holds all values, with about five round ticks."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low = min(low, 0.0) if from_zero else low
    if high <= low:
        high = low + 1.0
    step = _round_step((high - low) / 4)
    first, last = int(low // step), -int(-high // step)
    ticks = [index * step for index in range(first, last + 1)]
    return Axis(title, ticks[0], ticks[-1], ticks)


def line_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], diagonal: bool = False) -> Markup:
    """Curves over each other; their names belong in a legend beside it."""
    frame = _Frame(x, y)
    shapes = [_grid(frame)]
    if diagonal:
        shapes.append(_path([(x.low, y.low), (x.high, y.high)], frame, "chance"))
    for line in lines:
        kind = f"line c{line.colour % 8}{' dashed' if line.dashed else ''}"
        shapes.append(_path(list(zip(line.x, line.y, strict=True)), frame, kind, line.name))
    return _svg(title, shapes)


def bar_chart(title: str, x: Axis, y: Axis, edges: Sequence[float], heights: Sequence[Sequence[float]]) -> Markup:
    """Histograms over one another, half transparent, in the palette's order."""
    frame = _Frame(x, y)
    shapes = [_grid(frame)]
    for colour, counts in enumerate(heights):
        shapes += [
            _bar(frame, (low, high), count, f"bar b{colour}")
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
        ]
    return _svg(title, shapes)


def reliability_chart(title: str, bins: Sequence[tuple[float, float, float, float, int]]) -> Markup:
    """Accuracy by confidence: bins as (low, high, confidence, accuracy, pictures), those without pictures left out."""
    frame = _Frame(share_axis("confidence"), share_axis("accuracy"))
    most = max((bin_[4] for bin_ in bins), default=1)
    shapes = [_grid(frame)]
    for low, high, confidence, accuracy, pictures in bins:
        # Fainter where few pictures stand behind it.
        opacity = 0.3 + 0.7 * (pictures / most) ** 0.5
        shapes.append(_bar(frame, (low, high), accuracy, "bar b0 solid", f"{pictures} pictures", opacity))
        reach = sorted((accuracy, confidence))
        middle = frame.across((low + high) / 2)
        shapes.append(
            Markup('<line class="gap" x1="{x:.1f}" x2="{x:.1f}" y1="{a:.1f}" y2="{b:.1f}"/>').format(
                x=middle, a=frame.up(reach[0]), b=frame.up(reach[1])
            )
        )
    shapes.append(_path([(0.0, 0.0), (1.0, 1.0)], frame, "chance"))
    return _svg(title, shapes)


def interval_chart(title: str, rows: Sequence[tuple[str, float, float, float, int]]) -> Markup:
    """One line a model: name, value, low, high, colour; shares from 0 to 1."""
    low, high = min(row[2] for row in rows), max(row[3] for row in rows)
    axis = fitting_axis("", [100 * low, 100 * high])
    width, name_width, height = 560.0, 190.0, 34.0 * len(rows) + 34

    def across(value: float) -> float:
        return name_width + (100 * value - axis.low) / (axis.high - axis.low) * (width - name_width - 24)

    shapes = []
    for tick in axis.ticks:
        at = across(tick / 100)
        shapes.append(
            Markup('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="4" y2="{1:.1f}"/>').format(at, height - 26)
        )
        shapes.append(_text(at, height - 8, f"{tick:g}%", "middle"))
    for index, (name, value, least, most, colour) in enumerate(rows):
        y = 22 + 34.0 * index
        shapes.append(_text(name_width - 14, y + 4, _shortened(name, 22), "end", "name"))
        shapes.append(
            Markup(
                '<g class="c{c}"><line class="whisker" x1="{a:.1f}" x2="{b:.1f}" y1="{y}" y2="{y}"/>'
                '<circle cx="{v:.1f}" cy="{y}" r="5.5"><title>{t}</title></circle></g>'
            ).format(
                c=colour % 8,
                a=across(least),
                b=across(most),
                v=across(value),
                y=y,
                t=f"{name}: {value:.1%} ({least:.1%} to {most:.1%})",
            )
        )
    return _svg(title, shapes, width, height, "wide")


def _grid(frame: _Frame) -> Markup:
    """Lines, numbers and titles of both axes."""
    left, right, bottom = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    shapes = []
    for tick in frame.y.ticks:
        at = frame.up(tick)
        shapes.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(left, right, y=at)
        )
        shapes.append(_text(left - 7, at + 4, frame.y.write(tick), "end"))
    shapes += [_text(frame.across(tick), bottom + 17, frame.x.write(tick), "middle") for tick in frame.x.ticks]
    shapes.append(_text((left + right) / 2, _HEIGHT - 6, frame.x.title, "middle", "title"))
    middle = (_TOP + bottom) / 2
    shapes.append(
        Markup(
            '<text class="title" text-anchor="middle" transform="translate(11 {:.1f}) rotate(-90)">{}</text>'
        ).format(middle, frame.y.title)
    )
    return Markup("").join(shapes)


def _path(points: Sequence[tuple[float, float]], frame: _Frame, kind: str, name: str = "") -> Markup:
    where = " ".join(f"{frame.across(x):.1f},{frame.up(y):.1f}" for x, y in points)
    if len(points) == 1:  # a line of one point would not be seen
        x, y = where.split(",")
        return Markup('<circle class="dot {}" cx="{}" cy="{}" r="3.5"><title>{}</title></circle>').format(
            kind, x, y, name
        )
    told = Markup("<title>{}</title>").format(name) if name else Markup("")
    return Markup('<polyline class="{}" points="{}">{}</polyline>').format(kind, where, told)


def _bar(
    frame: _Frame, span: tuple[float, float], height: float, kind: str, name: str = "", opacity: float = 1.0
) -> Markup:
    left, right, top, bottom = frame.across(span[0]), frame.across(span[1]), frame.up(height), frame.up(frame.y.low)
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" opacity="{:.2f}">'
        "<title>{}</title></rect>"
    ).format(kind, left + 0.5, top, max(right - left - 1, 0.5), bottom - top, opacity, name)


def _text(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, words)


def _svg(
    title: str, shapes: Sequence[Markup], width: float = _WIDTH, height: float = _HEIGHT, kind: str = ""
) -> Markup:
    return Markup('<svg class="chart {}" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, escape(title), Markup("").join(shapes)
    )


def _round_step(step: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(nice * power for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if nice * power >= step * (1 - 1e-9))


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
