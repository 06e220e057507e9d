"""A report as one HTML page without scripts or outside files: it opens offline, on a phone, and can be sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from waste_edge.device.reporting import words
from waste_edge.device.reporting.charts import Range, bars_of, interval_rows, shown, stacked_bars
from waste_edge.device.reporting.values import StationReport, StreamRow

MOST_OUTAGES = 200  # rows; the JSON has all

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f4; --card: #fff; --ink: #1b2420; --soft: #56645d; --rule: #d9dfd8;
  --care: #8a5a00; --c0: #2d6a4f; --c1: #3a6ea5; --c2: #b5662a; --c3: #7a4fa0; --c4: #a33b4e; --c5: #5b7a1f;
  --c6: #1f7a7a; --c7: #6b6257; }
@media (prefers-color-scheme: dark) { :root { --paper: #131816; --card: #1b2220; --ink: #e6ece8; --soft: #a3b2ab;
  --rule: #35403b; --care: #e0bb55; --c0: #63c495; --c1: #7fb2ea; --c2: #e79a5f; --c3: #b892dd; --c4: #ea8497;
  --c5: #a5c763; --c6: #66c6c6; --c7: #b3a898; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 20px 16px 40px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.12rem; margin: 28px 0 8px; }
p { margin: 0 0 8px; max-width: 76ch; overflow-wrap: anywhere; } .soft { color: var(--soft); font-size: 0.88rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; margin: 16px 0; }
.figures div { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 10px 12px; }
.figures b { display: block; font-size: 1.45rem; line-height: 1.3; }
.figures span { color: var(--soft); font-size: 0.82rem; display: block; }
.card + .soft { margin-top: 8px; }
.note { background: var(--card); border-left: 4px solid var(--care); padding: 8px 12px; margin: 8px 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 10px; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; } .chart { min-width: 520px; }
svg text { fill: var(--soft); font-size: 13px; font-family: inherit; } svg .name { fill: var(--ink); }
svg .grid { stroke: var(--rule); } svg .range { stroke-width: 4; stroke-linecap: round; }
svg .unsure { stroke-width: 2; stroke-dasharray: 2 5; } svg .hollow { fill: var(--card); stroke-width: 2; }
.c0 { fill: var(--c0); stroke: var(--c0); } .c1 { fill: var(--c1); stroke: var(--c1); }
.c2 { fill: var(--c2); stroke: var(--c2); } .c3 { fill: var(--c3); stroke: var(--c3); }
.c4 { fill: var(--c4); stroke: var(--c4); } .c5 { fill: var(--c5); stroke: var(--c5); }
.c6 { fill: var(--c6); stroke: var(--c6); } .c7 { fill: var(--c7); stroke: var(--c7); }
svg rect { stroke: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 8px 2px 0; padding: 0; list-style: none;
  font-size: 0.85rem; }
.legend svg { display: inline-block; width: 11px; height: 11px; margin-right: 5px; vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { border-bottom: 1px solid var(--rule); padding: 5px 8px; text-align: right; vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: 0.8rem; }
th, td { white-space: nowrap; }
th:first-child, td:first-child, th.words, td.words { text-align: left; white-space: normal;
  overflow-wrap: anywhere; }
td:first-child { min-width: 7.5em; } td.words { min-width: 16em; }
tr:last-child td { border-bottom: 0; }
"""


def to_html(report: StationReport) -> str:
    """Render the page."""
    title = words.title(report)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Report: {shown(title)}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{shown(title)}</h1>",
        f'<p class="soft">From {shown(", ".join(report.sources) or "nothing")}. Days are those of '
        f"{shown(report.time_zone or 'this machine')}.</p>",
        _figures(report),
        *(f'<p class="note">{shown(_sentence(remark))}</p>' for remark in report.remarks),
        *_days(report),
        *_streams(report),
        *_questions(report),
        *_downtime(report),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _scrolling(name: str, chart: str) -> str:
    """A chart that a narrow screen scrolls, by keyboard too."""
    opening = f'<div class="scroll" tabindex="0" role="region" aria-label="{shown(name)}">'
    return f'{opening}<div class="chart">{chart}</div></div>'


def _figures(report: StationReport) -> str:
    found = report.contamination
    boxes = [
        (f"{report.items:,}", "items", ""),
        (words.percent(report.unknown_share), "unknown or unsure", f"{report.unknown:,} items"),
        (words.percent(report.asked_share), "asked", f"{report.answers.asked:,} items"),
        (words.estimate(found), "contamination", f"95 % interval: {words.interval(found)}"),
        (words.duration(report.downtime.blind_s) if report.downtime.has_health else "–", "without sight", "as told"),
    ]
    cells = (f"<div><b>{shown(big)}</b>{shown(name)}<span>{shown(small)}</span></div>" for big, name, small in boxes)
    return f'<div class="figures">{"".join(cells)}</div>'


def _days(report: StationReport) -> list[str]:
    names = [row.stream for row in report.streams if row.sorted]
    if not report.days or not names:
        return []
    chart = stacked_bars("items by day and stream", bars_of(report.days, names), names)
    legend = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="c{index % 8}" width="10" height="10"/></svg>'
        f"{shown(name)}</li>"
        for index, name in enumerate(names)
    )
    return [
        "<h2>Items by day</h2>",
        f'<div class="card">{_scrolling("items by day", chart)}<ul class="legend">{legend}</ul></div>',
    ]


def _streams(report: StationReport) -> list[str]:
    if not report.streams:
        return ["<h2>Streams</h2>", '<p class="soft">No item in this period.</p>']
    rows = [_range(row, index) for index, row in enumerate(row for row in report.streams if row.sorted)]
    heads = (
        "stream",
        "sorted",
        "contamination",
        "95 % interval",
        "audits",
        "share",
        "answered",
        "expired",
        "moved in",
        "moved out",
    )
    return [
        "<h2>Contamination by stream</h2>",
        f'<div class="card">{_scrolling("contamination", interval_rows("contamination by stream", rows))}</div>',
        f'<p class="soft">{shown(words.ABOUT_CONTAMINATION)}</p>',
        "<h2>Streams</h2>",
        _table(heads, [_stream_cells(row) for row in report.streams]),
        '<p class="soft">Sorted: by the station itself. Answered: asked, and a person said so. Expired: asked, and '
        "nobody answered in time. Moved: by a person's correction.</p>",
    ]


def _range(row: StreamRow, index: int) -> Range:
    found = row.contamination
    return Range(row.stream, found.estimate, found.low, found.high, index)


def _stream_cells(row: StreamRow) -> list[str]:
    found = row.contamination
    counts = (row.answered, row.expired, row.corrected_in, row.corrected_out)
    return [
        row.stream,
        f"{row.sorted:,}",
        words.estimate(found),
        words.interval(found),
        words.audits(found),
        words.percent(row.share),
        *(f"{count:,}" for count in counts),
    ]


def _questions(report: StationReport) -> list[str]:
    asked = report.answers
    rows = [
        ("asked about an unsure item", asked.asked),
        ("answered by a person", asked.answered),
        ("not answered in time", asked.expired),
        ("without an answer on record", asked.unanswered),
        ("open now", asked.open),
        ("sure items drawn for an audit", asked.audits),
        ("audits answered", asked.audits_answered),
        ("corrections by people", asked.corrections),
    ]
    return ["<h2>Questions and answers</h2>", _table(("", "items"), [[name, f"{count:,}"] for name, count in rows])]


def _downtime(report: StationReport) -> list[str]:
    found = report.downtime
    lines = ["<h2>Downtime</h2>"]
    if found.first_utc:
        span = f"First record {words.moment(found.first_utc)}, last {words.moment(found.last_utc)} UTC."
        lines.append(f"<p>{shown(span)}</p>")
    if not found.has_health:
        lines.append(f'<p class="note">{shown(words.NO_HEALTH)}</p>')
    if found.outages:
        rows = [
            [
                words.OUTAGES[one.kind],
                words.moment(one.from_utc),
                words.moment(one.to_utc),
                f"{one.events:,} lost" if one.events else words.duration(one.seconds),
                one.reason,
            ]
            for one in found.outages[-MOST_OUTAGES:]
        ]
        lines.append(_table(("", "after, UTC", "before, UTC", "at most", "reason"), rows, words_last=True))
        if len(found.outages) > MOST_OUTAGES:
            lines.append(f'<p class="soft">The last {MOST_OUTAGES} of {len(found.outages):,}; --json has all.</p>')
    else:
        lines.append("<p>No start, fault of the camera or lost event between these.</p>")
    lines.append(f'<p class="soft">{shown(words.ABOUT_DOWNTIME)}</p>')
    if found.troubles:
        rows = [
            [one.part, one.level, words.duration(one.seconds), f"{one.times:,}", one.text] for one in found.troubles
        ]
        lines += ["<h2>Parts that were not well</h2>"]
        lines.append(_table(("part", "level", "for", "times", "said last"), rows, words_last=True))
    return lines


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], words_last: bool = False) -> str:
    """A table; the last column wraps if it holds sentences."""
    last = len(heads) - 1 if words_last else -1

    def row(cells: Sequence[str], tag: str) -> str:
        marks = (' class="words"' if index == last else "" for index in range(len(cells)))
        return "".join(f"<{tag}{mark}>{shown(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True))

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f'<div class="card scroll" tabindex="0"><table><tr>{row(heads, "th")}</tr>{body}</table></div>'


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
