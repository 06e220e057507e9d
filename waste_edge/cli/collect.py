"""`waste-edge collect`: the crops that a station kept, as a list, as a data set, or gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from waste_edge.cli.common import JsonOption, progress_bar, say, say_json

if TYPE_CHECKING:
    from waste_edge.device.collect.index import Crop
    from waste_edge.device.collect.store import CropStore

app = typer.Typer(
    help="List, export and delete the crops that a station collected.",
    no_args_is_help=True,
    add_completion=False,
)

_MOST_ROWS = 50

StateOption = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Folder of the station.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="TOML", help="The station.toml that names the folder; else the service's."),
]


@app.command("list")
def list_crops(
    state: StateOption = None,
    config: ConfigOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Print every crop, not the newest {_MOST_ROWS} alone.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the collected crops, newest last.

    With \\[collect] in station.toml a station keeps crops of unsure, asked,
    corrected and audited items below its folder; docs/privacy.md says what and
    how long.

    \b
    Examples:
      waste-edge collect list
      waste-edge collect list --state station/ --json | jq '.crops[].file'

    Exit code 0: listed, also if there is none. 2: no station's folder.
    """
    import msgspec

    from waste_edge.files.strict import to_json

    folder = _folder(state, config)
    store = _opened(folder)
    crops = [] if store is None else _there(store)
    if json:
        rows = [{**msgspec.to_builtins(crop), "time_utc": _iso(crop)} for crop in crops]
        say_json(to_json({"folder": str(folder), "bytes": sum(crop.bytes for crop in crops), "crops": rows}))
        return
    shown = crops if everything else crops[-_MOST_ROWS:]
    for crop in shown:
        told = crop.answer_label or crop.answer_stream or "-"
        line = f"{_time(crop)}  {crop.reasons:18}  {crop.label:12}  answer {told:12}  {crop.file}"
        say(line)
    size = sum(crop.bytes for crop in crops) / 1e6
    answered = sum(crop.answer_stream is not None for crop in crops)
    more = f" (the newest {len(shown)} are shown; --all shows all)" if len(shown) < len(crops) else ""
    say(f"{folder}: {len(crops):,} crops, {size:.1f} MB, {answered:,} answered{more}")


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.")],
    state: StateOption = None,
    config: ConfigOption = None,
    by: Annotated[
        Literal["label", "stream"],
        typer.Option("--by", help="Name the folders by what people answered: the label, or the stream."),
    ] = "label",
    unanswered: Annotated[
        Literal["skip", "label"],
        typer.Option(
            "--unanswered",
            help="Crops that nobody answered: skip them, or take the station's own label, which may be wrong.",
        ),
    ] = "skip",
    json: JsonOption = False,
) -> None:
    """Write the collected crops as a data set to train on.

    One folder a label, as people answered, and groups.csv: near-duplicates share
    a group, so that no split has one thing on both sides. Of an answer that named
    a stream of several labels the label is not known: such crops are left out,
    unless --by stream. The station may be running.

    \b
    Examples:
      waste-edge collect export mine
      waste-edge data check mine
      waste-edge train RECIPE.toml --data mine --out run
      waste-edge collect export streams --by stream --state station/

    Exit code 0: written. 2: nothing to export, or OUT exists.
    """
    from waste_edge.device.collect.export import ExportChoice, export_crops
    from waste_edge.errors import DataError
    from waste_edge.files.strict import to_json

    folder = _folder(state, config)
    store = _opened(folder)
    if store is None:
        raise DataError(f"{folder}: no crops were collected there; see [collect] in station.toml")
    with progress_bar("looking for near-duplicates") as progress:
        done = export_crops(store.folder, _there(store), out, ExportChoice(by, unanswered), progress)
    if json:
        say_json(to_json(done))
        return
    for label, pictures in done.pictures.items():
        say(f"{label:16} {pictures:6,}")
    left = {"unanswered": done.unanswered, "of which only the stream is known": done.only_stream}
    named = ", ".join(f"{count:,} {name}" for name, count in left.items() if count)
    say(f"{done.folder}: {sum(done.pictures.values()):,} pictures in {done.groups:,} groups")
    if named:
        say(f"left out: {named}")


@app.command("purge")
def purge(
    state: StateOption = None,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete all collected crops and their index rows.

    Events stay. A running station goes on collecting; take \\[collect] out of its
    station.toml first to end that. A memory card may hold deleted data for a
    while.

    \b
    Examples:
      waste-edge collect purge
      sudo waste-edge collect purge --yes

    Exit code 0: deleted. 1: not wanted after all. 2: no station's folder.
    """
    from waste_edge.errors import UserError
    from waste_edge.files.strict import to_json

    folder = _folder(state, config)
    store = _opened(folder)
    count = 0 if store is None else max(store.index.total()[0], len(store.files()))
    if store is not None and count and not yes:
        if json:
            raise UserError("--json asks nothing; give --yes to delete")
        if not typer.confirm(f"Delete {count:,} crops in {store.folder}?", err=True):
            raise typer.Exit(1)
    if store is not None:
        with _explained(store.folder):
            store.purge()
    if json:
        say_json(to_json({"folder": str(folder), "deleted": count}))
    else:
        say(f"{folder}: {count:,} crops deleted")


def _folder(state: Path | None, config: Path | None) -> Path:
    """The station's folder."""
    from waste_edge.device.service.find_state import find_state
    from waste_edge.errors import DataError

    folder = find_state(state, config)[0]
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the --state DIR of a station")
    return folder


def _opened(folder: Path) -> CropStore | None:
    """The crops below a station's folder; None if none were ever collected.

    Raises:
        DataError: the index cannot be opened by this user, or is damaged.
    """
    from waste_edge.device.collect.store import FOLDER, INDEX_NAME, CropStore

    if not (folder / FOLDER / INDEX_NAME).exists():
        return None
    with _explained(folder / FOLDER):
        return CropStore(folder)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what a disk or an index gives back into one line."""
    import sqlite3

    from waste_edge.errors import DataError

    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise DataError(f"{folder}: {error}; try sudo, or the user that the station runs as") from error


def _there(store: CropStore) -> list[Crop]:
    """The crops whose file is there, oldest first."""
    files = store.files()
    return [crop for crop in store.index.crops() if crop.file in files]


def _iso(crop: Crop) -> str:
    """The moment in which it was kept, in UTC."""
    from waste_edge.device.reporting.downtime import utc

    return utc(crop.time_s)


def _time(crop: Crop) -> str:
    """The same for people; with a question mark while no clock was in step."""
    told = _iso(crop)[:16].replace("T", " ") or "unknown"
    return told if crop.in_step else f"{told}?"
