"""Charts of a report as inline SVG whose colours are the page's CSS variables: no library, no script, no file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from waste_edge.device.reporting.values import DayRow
from waste_edge.device.reporting.words import percent
from waste_edge.files.text import visible

COLOURS = 8  # c0 to c7 of the page's style
MOST_BARS = 62  # days a chart; longer periods are drawn by the week, then by four
_WIDTH, _LEFT, _RIGHT = 720.0, 44.0, 8.0
_LONGEST = 20  # letters of a name beside a row


@dataclass(frozen=True)
class Bar:
    """Items of one day, or of several: its name, and counts by stream in the order of the legend."""

    name: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Range:
    """One row of an interval chart: shares from 0 to 1; `low` and `high` are None where nothing is known."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    colour: int


def shown(text: str) -> str:
    """Text from outside as it may stand in a page."""
    return escape(visible(text))


def bars_of(days: Sequence[DayRow], streams: Sequence[str]) -> list[Bar]:
    """Days, or runs of as many days as make at most 62 bars, with their counts by stream."""
    size = 1 if len(days) <= MOST_BARS else 7 * math.ceil(len(days) / (7 * MOST_BARS))
    bars = []
    for start in range(0, len(days), size):
        own = days[start : start + size]
        name = own[0].day if len(own) == 1 else f"{own[0].day} to {own[-1].day}"
        bars.append(Bar(name, tuple(sum(day.streams.get(stream, 0) for day in own) for stream in streams)))
    return bars


def stacked_bars(title: str, bars: Sequence[Bar], legend: Sequence[str]) -> str:
    """Bars over time, stacked in the order of the legend."""
    height, top, bottom = 240.0, 10.0, 26.0
    most = _round_up(max((sum(bar.counts) for bar in bars), default=1))
    scale = (height - top - bottom) / most
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    wide = min(step * 0.8, 48.0)
    shapes = [_gridline(height - bottom - most * part * scale, f"{most * part:g}") for part in (0.0, 0.5, 1.0)]
    for index, bar in enumerate(bars):
        left, floor = _LEFT + step * index + (step - wide) / 2, height - bottom
        for colour, (name, count) in enumerate(zip(legend, bar.counts, strict=True)):
            if count:
                tall = count * scale
                floor -= tall
                shapes.append(
                    f'<rect class="c{colour % COLOURS}" x="{left:.1f}" y="{floor:.1f}" width="{wide:.1f}" '
                    f'height="{tall:.1f}"><title>{shown(f"{bar.name}, {name}: {count}")}</title></rect>'
                )
    for index in _labelled(len(bars)):
        at = _LEFT + step * (index + 0.5)
        shapes.append(_text(at, height - 8, bars[index].name[5:10], "middle"))
    return _svg(title, height, shapes)


def interval_rows(title: str, rows: Sequence[Range]) -> str:
    """One line a row, from 0 to the largest bound: a dot for the value, a line for what it may be.

    A row without bounds has a hollow dot, and a dotted line from end to end: it may be anywhere.
    """
    row_height, names = 32.0, 150.0
    height = row_height * len(rows) + 30
    bounds = [bound for row in rows for bound in (row.value, row.high) if bound is not None]
    most = min(1.0, _round_up(100 * max(bounds, default=1.0)) / 100)
    right = _WIDTH - 16

    def across(share: float) -> float:
        return names + (right - names) * share / (most or 1.0)

    shapes = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = across(most * part)
        shapes.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{height - 24:.1f}"/>')
        shapes.append(_text(at, height - 7, percent(most * part), "middle"))
    for index, row in enumerate(rows):
        y, kind = 20 + row_height * index, f"c{row.colour % COLOURS}"
        name = row.name if len(row.name) <= _LONGEST else f"{row.name[: _LONGEST - 1]}…"
        shapes.append(_text(names - 12, y + 4, name, "end", "name"))
        low, high = (0.0, most) if row.low is None or row.high is None else (row.low, row.high)
        line = "unsure" if row.low is None else "range"
        shapes.append(
            f'<line class="{line} {kind}" x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        if row.value is not None:
            dot = "hollow" if row.low is None else "dot"
            told = f"{row.name}: {percent(row.value)}"
            told += "; how far off is not known" if row.low is None else f" ({percent(row.low)} to {percent(row.high)})"
            shapes.append(
                f'<circle class="{dot} {kind}" cx="{across(row.value):.1f}" cy="{y:.1f}" r="5">'
                f"<title>{shown(told)}</title></circle>"
            )
    return _svg(title, height, shapes)


def _gridline(y: float, words: str) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(_LEFT - 6, y + 4, words, "end")


def _labelled(count: int) -> list[int]:
    """Bars that bear a label: about eight, evenly spread."""
    step = max(1, math.ceil(count / 8))
    return list(range(0, count, step))


def _text(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown(words)}</text>'


def _svg(title: str, height: float, shapes: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="{shown(title)}">'
        f"<title>{shown(title)}</title>{''.join(shapes)}</svg>"
    )


def _round_up(value: float) -> float:
    """The least of 1, 2, 4, 5, 8 times a power of ten that is not below a value; at least 2."""
    if value <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(nice * power for nice in (1.0, 2.0, 4.0, 5.0, 8.0, 10.0) if nice * power >= value * (1 - 1e-9))
