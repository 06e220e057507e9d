"""`waste-edge replay`: what would have been decided otherwise?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from waste_edge.bundle.bundle import Bundle
    from waste_edge.bundle.signing import RequiredKey
    from waste_edge.device.config import StationConfig
    from waste_edge.device.outbox.read_only import KeptItems
    from waste_edge.device.replay.values import Choice, ReplayReport
    from waste_edge.site import Site

_MOST_DAYS = 36_500
_MOST_LISTED = 100_000
_DAY_S = 86_400.0


def command(
    site: Annotated[
        str | None,
        typer.Option("--site", help="Decide by this site.toml, or shipped site; default: the station's own."),
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            "--bundle",
            help="Decide by this bundle: folder, .zip, or shipped name; it must have the network that answered at the "
            "station. Default: the one that decided last.",
        ),
    ] = None,
    days: Annotated[
        float,
        typer.Option("--days", min=0.0, max=_MOST_DAYS, help="Replay the items of so many days up to now."),
    ] = 30.0,
    limit: Annotated[
        int, typer.Option("--limit", min=0, max=_MOST_LISTED, help="List so many changed items, the newest.")
    ] = 20,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Folder of the station whose items to replay.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="TOML", help="The station.toml that names folder and site.")
    ] = None,
    require_key: Annotated[
        Path | None, typer.Option("--require-key", metavar="PEM", help="Take only bundles that this key signed.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Decide a station's past items by another site or bundle.

    Reads the logits and features that the outbox keeps of each item, beside a
    station that may be running, and changes nothing; no picture is needed, and no
    network runs. The same site and bundle decide the same.

    Counts the items that would have been decided otherwise, by stream, compares
    expected costs, and what people's answers say about both, and lists the items
    that change. A bundle with another head, thresholds or known score can be
    replayed; one with other network files cannot, since its features are others:
    let it run in shadow with "waste-edge model install".

    \b
    Examples:
      waste-edge replay --site new.toml --days 30
      waste-edge replay --bundle mine-2.zip --limit 100
      waste-edge replay --state copy/ --site four_bins --json | jq .costs

    Exit code 0: replayed. 2: nothing to replay, or it cannot be.
    """
    import time

    from waste_edge.device.outbox.read_only import KeptItems
    from waste_edge.device.replay.compare import compare
    from waste_edge.device.replay.decide import Replay, require_same_network
    from waste_edge.device.reporting.items import Period
    from waste_edge.device.reporting.sources import OUTBOX_NAME
    from waste_edge.device.service.find_state import find_state
    from waste_edge.files.strict import to_json

    folder, station = find_state(state, config)
    kept = KeptItems(folder)
    with contextlib.ExitStack() as stack:
        chosen = stack.enter_context(_bundle(bundle, kept, folder, station, _key(require_key, station)))
        replay = Replay(chosen, _site(site, station, chosen))
        require_same_network(replay, kept.models())
        period = Period(time.time() - days * _DAY_S)
        report = compare(kept, folder / OUTBOX_NAME, replay, period, limit)
    if json:
        say_json(to_json(report))
    else:
        _print(console(), report)


def _key(given: Path | None, station: StationConfig | None) -> RequiredKey | None:
    from waste_edge.bundle.opening import required_key

    configured = None if station is None or station.require_key is None else Path(station.require_key)
    return required_key(given or configured)


def _bundle(
    given: str | None, kept: KeptItems, folder: Path, station: StationConfig | None, key: RequiredKey | None
) -> Bundle:
    """Open the bundle to decide by. That it is replayed is no reason to remember its version."""
    from waste_edge.bundle.bundle import find_bundle, open_bundle
    from waste_edge.device.replay.decide import bundle_that_answered

    if given is not None:
        return open_bundle(find_bundle(given), key)
    models = kept.models()
    return bundle_that_answered(models[-1] if models else None, folder, station, key)


def _site(given: str | None, station: StationConfig | None, bundle: Bundle) -> Site:
    from waste_edge.site import read_site, site_of_labels

    manifest = bundle.manifest
    named = given or (None if station is None else station.site)
    return site_of_labels(manifest.labels) if named is None else read_site(named, manifest.labels, manifest.tree)


def _print(screen: Console, report: ReplayReport) -> None:
    def line(text: str) -> None:
        screen.print(text, markup=False, soft_wrap=True)

    start = f"from {report.from_utc[:10]}" if report.from_utc else "all that is kept"
    line(f"{report.bundle}, site {report.site}, {start}: {report.items:,} items, {report.replayed:,} decided again")
    for reason, count in report.not_replayed.items():
        line(f"  {count:,} not: {reason}")
    same = report.replayed - report.changed
    line(f"changed {report.changed:,} ({report.moved:,} to another stream), unchanged {same:,}")
    costs, answered = report.costs, report.answered
    if costs.items:
        line(
            f"expected cost of {costs.items:,} items by this model and site: {costs.before:.2f} before, "
            f"{costs.after:.2f} after"
        )
    if answered.items:
        line(
            f"{answered.items:,} answered items: right {answered.right_before:,} before, "
            f"{answered.right_after:,} after; "
            f"asked {answered.asked_before:,} before, {answered.asked_after:,} after; cost {answered.cost_before:.2f} "
            f"before, {answered.cost_after:.2f} after"
        )
    if report.streams and report.changed:
        screen.print(_streams_table(report))
    for text in _change_lines(report) if report.changes else ():
        line(text)
    if report.changes_left_out:
        line(f"{report.changes_left_out:,} older changed items are left out; --limit lists more")
    for remark in report.remarks:
        line(f"note: {remark}")


def _streams_table(report: ReplayReport) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, show_edge=False)
    table.add_column("stream", overflow="fold")
    for heading in ("before", "after", "came", "left"):
        table.add_column(heading, justify="right")
    for row in report.streams:
        counts = (row.before, row.after, row.came, row.left)
        table.add_row(_plain(row.stream), *(f"{count:,}" for count in counts))
    return table


def _change_lines(report: ReplayReport) -> Iterator[str]:
    """Two lines a changed item, since a reason is too long for a column: what becomes of it, and why."""
    yield "when (UTC), item: before -> after"
    for change in report.changes:
        when = f"{change.time_utc[:10]} {change.time_utc[11:16]}" if change.time_utc else "unknown"
        answered = "" if change.belongs is None else f"; answered: {change.belongs}"
        guess = "" if change.time_known else "?"
        yield f"{when}{guess} {change.id[:8]}: {_in_words(change.before)} -> {_in_words(change.after)}{answered}"
        yield f"    {change.reason}"


def _in_words(choice: Choice) -> str:
    return f"{choice.stream} ({choice.label} {choice.confidence:.0%})"


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
