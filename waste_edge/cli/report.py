"""`waste-edge report`: what a station did, and how far it can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, say, say_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from waste_edge.device.reporting.reading import Ledger
    from waste_edge.device.reporting.values import StationReport

_MOST_ROWS = 20  # outages on the terminal


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE.jsonl]...",
            help="Files of the JSON lines sink, each with the older ones beside it; also an outbox.sqlite, or a "
            "station's folder. Without any: what this machine's station keeps.",
        ),
    ] = None,
    day: Annotated[bool, typer.Option("--day", help="Report today, in this machine's time zone.")] = False,
    week: Annotated[bool, typer.Option("--week", help="Report the last seven days, today included.")] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="Begin of the period: 2026-03-01, or 2026-03-01T14:00."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="End of the period; a date is included.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Folder of the station whose events to report.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="The station.toml that names folder and JSON lines."),
    ] = None,
    station: Annotated[
        str | None, typer.Option("--station", metavar="NAME", help="Of several stations report this one alone.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV file, too.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with charts, too; it opens offline.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Report counts, questions, downtime and contamination by stream.

    Reads the outbox and the JSON lines of a station, which may be running, and
    changes nothing. Each item counts once, at its true time, also where the board
    had no right clock then.

    Contamination is the share of what was put into a stream that belongs
    elsewhere. With the key `audit` people are asked about items drawn at
    random; their answers give the figure and its 95 % interval. Without them it
    is the model's own opinion, marked with "?", and no interval is given.

    \b
    Examples:
      waste-edge report                          all that this station keeps
      waste-edge report --week --html week.html
      waste-edge report --state station/ --from 2026-03-01 --to 2026-03-31
      waste-edge report bins/*.jsonl --station "bin 7" --csv bin7.csv
      waste-edge report --day --json | jq .contamination

    Exit code 0: reported, also if nothing happened. 2: nothing to read.
    """
    from datetime import datetime

    from waste_edge.device.reporting.page import to_html
    from waste_edge.device.reporting.report import build_report
    from waste_edge.device.reporting.sources import period_of
    from waste_edge.device.reporting.spreadsheet import to_csv
    from waste_edge.files.atomic import write_atomically
    from waste_edge.files.strict import to_json

    period = period_of(day, week, start, end, datetime.now().astimezone())
    report = build_report(_read(files or [], state, config), period, station)
    if csv is not None:
        write_atomically(csv, to_csv(report))
    if html is not None:
        write_atomically(html, to_html(report))
    if json:
        say_json(to_json(report))
    else:
        _print(console(), report)
        for path in filter(None, (csv, html)):
            say(f"written: {path}")


def _read(files: list[Path], state: Path | None, config: Path | None) -> Ledger:
    from waste_edge.device.reporting import sources
    from waste_edge.device.reporting.reading import Ledger

    ledger = Ledger()
    if state is not None or config is not None or not files:
        sources.read_station(state, config, ledger)
    sources.read_files(files, ledger)
    return ledger


def _print(screen: Console, report: StationReport) -> None:
    from waste_edge.device.reporting import words

    def line(text: str) -> None:
        screen.print(text, markup=False, soft_wrap=True)

    asked = report.answers
    line(words.title(report))
    line(
        f"{report.items:,} items: unknown or unsure {words.percent(report.unknown_share)}, asked "
        f"{words.percent(report.asked_share)} ({asked.answered:,} answered, {asked.expired:,} expired, "
        f"{asked.unanswered:,} without an answer, {asked.open:,} open); corrections {asked.corrections:,}; audits "
        f"{asked.audits:,}, answered {asked.audits_answered:,}"
    )
    found = report.contamination
    line(
        f"contamination {words.estimate(found)}, 95 % interval {words.interval(found)}; audited: {words.audits(found)}"
    )
    if report.streams:
        screen.print(_streams_table(report))
    _print_downtime(screen, report)
    for remark in report.remarks:
        screen.print(f"[yellow]note[/]: {_plain(remark)}", soft_wrap=True)


def _print_downtime(screen: Console, report: StationReport) -> None:
    from waste_edge.device.reporting import words

    found = report.downtime
    if found.first_utc:
        span = f"records from {words.moment(found.first_utc)} to {words.moment(found.last_utc)} UTC"
        sight = f"; without sight, as told: {words.duration(found.blind_s)}" if found.has_health else ""
        screen.print(f"{span}{sight}", markup=False, soft_wrap=True)
    for one in found.outages[-_MOST_ROWS:]:
        length = f"{one.events:,}" if one.events else f"at most {words.duration(one.seconds)}"
        span = f"{words.moment(one.from_utc)} to {words.moment(one.to_utc)} UTC"
        screen.print(f"{words.OUTAGES[one.kind]}: {span}, {length}: {one.reason}", markup=False, soft_wrap=True)
    if len(found.outages) > _MOST_ROWS:
        screen.print(f"these are the last {_MOST_ROWS} of {len(found.outages):,}; --json has all")
    for part in found.troubles:
        told = f"{part.part} {part.level}: {words.duration(part.seconds)} in {part.times:,} times; last: {part.text}"
        screen.print(told, markup=False, soft_wrap=True)
    if not found.has_health:
        screen.print(words.NO_HEALTH, markup=False, soft_wrap=True)


def _streams_table(report: StationReport) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    from waste_edge.device.reporting import words

    table = Table(box=SIMPLE, show_edge=False)
    table.add_column("stream", overflow="fold")
    for heading in ("sorted", "contamination, 95 %", "audits", "answered", "expired", "moved"):
        table.add_column(heading, justify="right", overflow="fold")
    for row in report.streams:
        found = row.contamination
        sure = f" ({words.percent(found.low)}–{words.percent(found.high)})" if found.low is not None else ""
        table.add_row(
            _plain(row.stream),
            f"{row.sorted:,}",
            f"{words.estimate(found)}{sure}",
            f"{found.wrong:,}/{found.audited:,}" if found.audited else "",
            f"{row.answered:,}",
            f"{row.expired:,}",
            f"+{row.corrected_in:,} -{row.corrected_out:,}" if row.corrected_in or row.corrected_out else "",
        )
    return table


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
