"""`waste-edge rehearse`: how would a station do?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from waste_edge.cli.common import (
    DEFAULT_BUNDLE,
    EngineOption,
    JsonOption,
    console,
    opened_bundle,
    progress_bar,
    say,
    was_given,
)
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from waste_edge.bundle.manifest import Manifest
    from waste_edge.metrics.significance import Interval
    from waste_edge.rehearsal.items import ItemCandidate
    from waste_edge.rehearsal.rehearse import Progress, Rehearsal, RehearsedStation
    from waste_edge.rehearsal.report import RehearsalReport
    from waste_edge.site import Site

SplitChoice = Literal["auto", "train", "val", "test", "all"]
_MOST_ITEMS = 100_000
# What composes videos, by the names of the parameters.
_COMPOSES = {
    "data": "--data",
    "split": "--split",
    "unknown": "--unknown",
    "grounds": "--grounds",
    "items": "--items",
    "unknown_items": "--unknown-items",
    "items_per_video": "--items-a-film",
    "seed": "--seed",
}


def command(
    context: typer.Context,
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="[BUNDLE]",
            help="A bundle: folder, .zip, or the name of a shipped one. auto: the one that a station on this machine "
            "would take.",
        ),
    ] = DEFAULT_BUNDLE,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Labelled photographs on a plain board, to cut items out of; default: rendered items."
        ),
    ] = None,
    split: Annotated[
        SplitChoice,
        typer.Option("--split", help="Part of --data; auto: the validation part of the model's own data, else all."),
    ] = "auto",
    unknown: Annotated[
        Path | None,
        typer.Option("--unknown", metavar="DIR", help="Pictures of unknown things; default: rendered."),
    ] = None,
    grounds: Annotated[
        Path | None,
        typer.Option("--grounds", metavar="DIR", help="Pictures of empty surfaces as backgrounds; default: rendered."),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(
            "--films",
            metavar="CSV",
            help="Your own videos: a CSV of file,start_s,end_s,label (and optionally group), the videos beside it.",
        ),
    ] = None,
    items: Annotated[int, typer.Option("--items", min=0, max=_MOST_ITEMS, help="Number of known items.")] = 96,
    unknown_items: Annotated[
        int, typer.Option("--unknown-items", min=0, max=_MOST_ITEMS, help="Number of unknown things.")
    ] = 48,
    items_per_video: Annotated[
        int, typer.Option("--items-a-film", min=1, max=1000, help="Items in one video, on one background.")
    ] = 16,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Random seed: the same one gives the same videos and report.")
    ] = 0,
    site: Annotated[
        str | None,
        typer.Option("--site", help="A site.toml, or the name of a shipped one; else a stream for each label."),
    ] = None,
    looks: Annotated[int, typer.Option("--looks", min=1, max=64, help="Predictions averaged for a decision.")] = 8,
    engine: EngineOption = "auto",
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE.html", help="Write an HTML page with every item, worst first."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a station's loop on videos of known items, and score its decisions.

    Needs no camera, and runs as fast as this machine can.

    The videos are composed: items cut out of photographs are placed on
    backgrounds, at random positions, sizes and rotations, under changing light.
    Items and backgrounds that are not given are rendered, of kinds not used in
    training. Or give your own videos with --films. The output counts missed and
    doubled items, right labels and streams with 95 % intervals by group, wrongly
    sorted items, and unknown things that were rejected.

    \b
    Examples:
      waste-edge rehearse
      waste-edge rehearse auto             with the bundle a station takes here
      waste-edge rehearse accurate --data photos --grounds tables --page r.html
      waste-edge rehearse --films films/table.csv --site four_bins --json
    """
    from waste_edge.files.strict import to_json

    _check_given(context)
    if page is not None and not page.parent.is_dir():
        raise UserError(f"--page {page}: there is no folder {page.parent}; make it, or give another place")
    with opened_bundle(_chosen(bundle, engine)) as opened, progress_bar("rehearsing") as progress:
        from waste_edge.engines.classifier import load_classifier
        from waste_edge.evaluation.station_view import grounds_of
        from waste_edge.rehearsal.rehearse import FilmPlan, RehearsedStation, rehearse_composed

        station = RehearsedStation(load_classifier(opened, engine), _site(site, opened.manifest), looks)
        if films is not None:
            result = _of_videos(station, films, progress)
        else:
            known, known_in_words = _known(opened.manifest, data, split, items, seed)
            strange, unknown_in_words = _unknown(unknown, unknown_items, seed)
            plan = FilmPlan(
                known=known,
                known_in_words=known_in_words,
                unknown=strange,
                unknown_in_words=unknown_in_words,
                grounds=grounds_of(grounds),
                items=items,
                unknown_items=unknown_items,
                items_per_video=items_per_video,
                seed=seed,
            )
            result = rehearse_composed(station, plan, progress)
    if page is not None:
        from waste_edge.rehearsal.page import write_page

        write_page(page, result)
    if json:
        typer.echo(to_json(result.report), nl=False)
    else:
        _print(result.report)


def _check_given(context: typer.Context) -> None:
    """Raise UserError for options that would have no effect beside the others."""
    options = context.params
    given = {option for name, option in _COMPOSES.items() if was_given(context, name)}
    if options["films"] is not None:
        idle, why = given, f"--films {options['films']}: films are played as they are"
    elif options["items"] + options["unknown_items"] == 0:
        raise UserError("--items 0 --unknown-items 0: nothing to play; give at least one item")
    elif options["items"] == 0 and (idle := given & {"--data", "--split"}):
        why = "--items 0: no known items are shown"
    elif options["data"] is None and (idle := given & {"--split"}):
        why = f"--split {options['split']} is a part of --data, which is not given: the items are rendered"
    elif options["unknown_items"] == 0:
        idle, why = given & {"--unknown"}, "--unknown-items 0: no unknown things are shown"
    else:
        return
    if idle:
        raise UserError(f"{why}; leave out {', '.join(one for one in _COMPOSES.values() if one in idle)}")


def _chosen(given: str, engine: str) -> str:
    """The bundle that is meant: `auto` is what a station here would take, and stderr says why."""
    from waste_edge.device.bundle_choice import EngineWish, choose_bundle

    choice = choose_bundle(given, opened_bundle, EngineWish(engine), folder=None)
    if choice.reason:
        say(f"waste-edge: {choice.reason}", err=True)
    return choice.bundle


def _known(
    manifest: Manifest, data: Path | None, split: SplitChoice, count: int, seed: int
) -> tuple[Sequence[ItemCandidate], str]:
    """Collect the known items to show, and their source in words."""
    from waste_edge.rehearsal.items import photographed, rendered

    if count == 0:
        return [], "none"
    if data is None:
        return rendered(manifest.labels, count, seed), "rendered items"
    from waste_edge.dataset import open_dataset
    from waste_edge.evaluation.evaluate import choose_photos

    dataset = open_dataset(data, manifest.labels, manifest.provenance.label_map)
    photos, protocol = choose_photos(dataset, split, manifest.provenance.split, manifest.provenance.data_fingerprint)
    return photographed(photos), protocol


def _unknown(folder: Path | None, count: int, seed: int) -> tuple[Sequence[ItemCandidate], str]:
    """Collect the unknown items to show, and their source in words."""
    from waste_edge.rehearsal.items import rendered_unknown, unknown_in

    if count == 0:
        return [], "none"
    if folder is None:
        return rendered_unknown(count, seed), "rendered things of materials that training never shows"
    found = unknown_in(folder)
    return found, f"{len(found)} pictures in {folder.name}"


def _of_videos(station: RehearsedStation, table: Path, progress: Progress) -> Rehearsal:
    from waste_edge.rehearsal.play import VideoClock
    from waste_edge.rehearsal.recorded import read_videos
    from waste_edge.rehearsal.rehearse import rehearse_recorded

    found = read_videos(table, station.classifier.labels, VideoClock())
    return rehearse_recorded(station, found, f"films of {table.name}", progress)


def _site(given: str | None, manifest: Manifest) -> Site:
    from waste_edge.site import read_site, site_of_labels

    return site_of_labels(manifest.labels) if given is None else read_site(given, manifest.labels, manifest.tree)


def _print(report: RehearsalReport) -> None:
    screen, station, material = console(), report.station, report.material
    seed = "" if material.seed is None else f", seed {material.seed}"
    lines = [
        f"{station.bundle}: {station.artifact} on {station.engine}, site {station.site}",
        f"shown {station.view}; looks at an item: {station.looks}",
        f"{material.films} films, {material.frames} frames, {material.seconds:.0f} s of film{seed}",
        f"known: {material.known}; unknown: {material.unknown}; grounds: {material.grounds}",
    ]
    if material.refused:
        lines.append(f"passed over, since no item could be cut out: {material.refused} pictures")
    if material.untrusted_frames:
        lines.append(f"frames that the camera's health held to be unfit: {material.untrusted_frames}")
    lines.append(f"missed {report.missed}, doubled {report.doubled}, extra {report.extra}")
    if (boxes := report.box_overlap) is not None:
        lines.append(
            f"box over the true one, intersection over union: median {boxes.median:.2f}, 10th percentile "
            f"{boxes.tenth:.2f}, below 0.5 {boxes.below_half:.1%} of {boxes.items}"
        )
    for line in lines:
        screen.print(line, soft_wrap=True, markup=False)
    screen.print(_table(report))


def _table(report: RehearsalReport) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for head in ("items", "label right", "stream right", "sorted wrong", "kept out", "cost"):
        table.add_column(head, justify="right")
    rows = [
        ("all known", report.known),
        *((tally.label, tally) for tally in report.labels),
        ("unknown", report.unknown),
    ]
    for name, tally in rows:
        if tally is not None:
            shares = (tally.label_right, tally.stream_right, tally.sorted_wrong, tally.kept_out)
            cost = "" if tally.mean_cost is None else f"{tally.mean_cost:.2f}"
            table.add_row(name, str(tally.items), *(_share(one) for one in shares), cost)
    return table


def _share(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.0%}–{interval.high:.0%})"
