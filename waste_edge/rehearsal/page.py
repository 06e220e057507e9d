"""A rehearsal as one HTML page without scripts or outside files: figures, and every item with its crop and reason."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from waste_edge.files.atomic import write_atomically
from waste_edge.metrics.significance import Interval
from waste_edge.rehearsal.rehearse import Rehearsal
from waste_edge.rehearsal.report import RehearsalReport, Tally
from waste_edge.rehearsal.score import Outcome

_WORST_FILMS = 5  # whose boxes are shown

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f4; --card: #fff; --ink: #1b2420; --soft: #5c6a63; --rule: #dde2dc;
  --good: #2d6a4f; --bad: #b5342d; --care: #a5690f; }
@media (prefers-color-scheme: dark) { :root { --paper: #131816; --card: #1b2220; --ink: #e6ece8; --soft: #9dada5;
  --rule: #313b37; --good: #63c495; --bad: #f0805f; --care: #e0bb55; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; } h2 { font-size: 1.15rem; margin: 28px 0 8px; }
p { margin: 0 0 8px; max-width: 84ch; } .soft { color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin: 16px 0; }
.figures div { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 14px; }
.figures b { display: block; font-size: 1.5rem; } .figures span { color: var(--soft); font-size: 0.85rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; background: var(--card); font-size: 0.9rem; }
th, td { border: 1px solid var(--rule); padding: 5px 9px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th.words, td.words { text-align: left; }
td.words { white-space: normal; min-width: 15em; }
.table + p { margin-top: 8px; } td:first-child { white-space: normal; min-width: 8.5em; overflow-wrap: anywhere; }
.items { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)); gap: 10px; }
.item { display: flex; gap: 12px; background: var(--card); border: 1px solid var(--rule); border-left: 5px solid;
  border-radius: 8px; padding: 8px 10px; min-width: 0; }
.item img, .item .none { width: 96px; height: 96px; object-fit: contain; flex: none; background: var(--paper); }
.item div { min-width: 0; overflow-wrap: anywhere; font-size: 0.84rem; } .item b { font-size: 0.95rem; }
.good { border-left-color: var(--good); } .bad { border-left-color: var(--bad); }
.care { border-left-color: var(--care); }
"""


def write_page(path: Path, rehearsal: Rehearsal) -> None:
    """Write the page; raises UserError if the file cannot be written."""
    write_atomically(path, page_of(rehearsal))


def page_of(rehearsal: Rehearsal) -> str:
    """Render the page."""
    report = rehearsal.report
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Rehearsal of {escape(report.station.bundle)}</title><style>{_STYLE}</style></head><body><main>",
        *_head(report),
        *_figures(report),
        *_table(report),
        *_boxes(report),
        "<h2>Every item, worst first</h2>",
        '<div class="items">',
        *(_item(outcome, rehearsal.thumbnails) for outcome in report.outcomes),
        "</div></main></body></html>\n",
    ]
    return "\n".join(parts)


def _head(report: RehearsalReport) -> list[str]:
    station, material = report.station, report.material
    seed = "" if material.seed is None else f" Seed {material.seed}."
    refused = f" {material.refused} pictures were passed over: no item could be cut out." if material.refused else ""
    looks = "one look" if station.looks == 1 else f"{station.looks} looks"
    return [
        f"<h1>Rehearsal of {escape(station.bundle)}</h1>",
        f'<p class="soft">{escape(station.artifact)} on {escape(station.engine)}, shown {escape(station.view)}, '
        f"{looks} an item, site {escape(station.site)}.</p>",
        f'<p class="soft">{material.films} films, {material.frames} frames, {material.seconds:.0f} s of film. '
        f"Known: {escape(material.known)}. Unknown: {escape(material.unknown)}. Grounds: {escape(material.grounds)}."
        f"{seed}{refused}</p>",
    ]


def _figures(report: RehearsalReport) -> list[str]:
    boxes = []
    if report.known is not None:
        boxes += [
            _figure(_with_interval(report.known.label_right), "of known items: label right"),
            _figure(_with_interval(report.known.stream_right), "of known items: stream right"),
            _figure(_with_interval(report.known.sorted_wrong), "of known items: sorted wrong"),
            _figure(_with_interval(report.known.kept_out), "of known items: kept out"),
        ]
    if report.unknown is not None:
        boxes.append(_figure(_with_interval(report.unknown.kept_out), "of unknown things: kept out"))
    tracked = f"{report.missed} / {report.doubled} / {report.extra}"
    boxes.append(_figure((tracked, ""), "missed / doubled / extra"))
    return ['<div class="figures">', *boxes, "</div>"]


def _figure(value: tuple[str, str], words: str) -> str:
    return f"<div><b>{value[0]}</b>{escape(words)}<br><span>{value[1]}</span></div>"


def _with_interval(interval: Interval) -> tuple[str, str]:
    return f"{interval.value:.1%}", f"95 % interval {interval.low:.1%} to {interval.high:.1%}"


def _table(report: RehearsalReport) -> list[str]:
    rows = [
        ("all known", report.known),
        *((tally.label, tally) for tally in report.labels),
        ("unknown", report.unknown),
    ]
    heads = (
        "",
        "items",
        "groups",
        "label right",
        "stream right",
        "sorted wrong",
        "kept out",
        "missed",
        "mean cost",
        "called",
    )
    return [
        '<h2>By label</h2><div class="table"><table><tr>',
        *(f"<th>{escape(head)}</th>" for head in heads[:-1]),
        f'<th class="words">{escape(heads[-1])}</th></tr>',
        *(_row(name, tally) for name, tally in rows if tally is not None),
        "</table></div>",
        '<p class="soft">Shares with 95 % intervals, whole groups drawn anew. The label of an unknown thing is right '
        "if the station calls it unknown.</p>",
    ]


def _boxes(report: RehearsalReport) -> list[str]:
    """Format how well items were found, and the films where that went worst."""
    whole = report.box_overlap
    if whole is None:
        return []
    rows = [
        f"<tr><td>{escape(one.film or 'all films')}</td><td>{one.items}</td><td>{one.median:.2f}</td>"
        f"<td>{one.tenth:.2f}</td><td>{one.below_half:.1%}</td></tr>"
        for one in (whole, *report.box_overlap_by_film[:_WORST_FILMS])
    ]
    return [
        '<h2>Where the items were seen</h2><div class="table"><table>',
        "<tr><th></th><th>items</th><th>median</th><th>10th percentile</th><th>below 0.5</th></tr>",
        *rows,
        "</table></div>",
        '<p class="soft">Overlap of the station\'s box with the true one: intersection over union. Of the films the '
        "worst.</p>",
    ]


def _row(name: str, tally: Tally) -> str:
    cells = [
        str(tally.items),
        str(tally.groups),
        *(_short(one) for one in (tally.label_right, tally.stream_right, tally.sorted_wrong, tally.kept_out)),
        str(tally.missed),
        "" if tally.mean_cost is None else f"{tally.mean_cost:.2f}",
    ]
    called = ", ".join(f"{label} {count}" for label, count in list(tally.called.items())[:4])
    numbers = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><td>{escape(name)}</td>{numbers}<td class="words">{escape(called)}</td></tr>'


def _short(interval: Interval) -> str:
    return f"{interval.value:.0%} ({100 * interval.low:.0f}–{interval.high:.0%})"


def _item(outcome: Outcome, thumbnails: Sequence[bytes]) -> str:
    verdict = outcome.verdict
    title = f"{outcome.label or 'nothing'} → {verdict.label if verdict else 'no decision'}"
    lines = [f"<b>{escape(title)}</b>"]
    if outcome.status != "decided":
        lines.append(f"<i>{outcome.status}</i>")
    if verdict is not None:
        lines.append(escape(f"{verdict.action} into {verdict.stream}, {verdict.confidence:.0%}: {verdict.reason}"))
    where = f"{outcome.film}, {outcome.start_s:g} s"
    seen = "" if outcome.box_overlap is None else f"; box overlap {outcome.box_overlap:.2f}"
    lines.append(f'<span class="soft">{escape(f"{outcome.name}; {where}{seen}" if outcome.name else where)}</span>')
    return f'<div class="item {_class(outcome)}">{_picture(outcome, thumbnails)}<div>{"<br>".join(lines)}</div></div>'


def _class(outcome: Outcome) -> str:
    if outcome.status != "decided" or outcome.sorted_wrong:
        return "bad"
    if outcome.label_right:
        return "good"
    return "care"


def _picture(outcome: Outcome, thumbnails: Sequence[bytes]) -> str:
    if outcome.thumbnail is None:
        return '<div class="none"></div>'
    data = base64.b64encode(thumbnails[outcome.thumbnail]).decode()
    return f'<img alt="what the station saw" loading="lazy" src="data:image/jpeg;base64,{data}">'
