"""`waste-edge export`: a run becomes a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption, console, host_only, opened_bundle, say_json

if TYPE_CHECKING:
    from rich.console import Console

    from waste_edge.export.build import Exported

_DEFAULT = "static_wi8_ai8"

SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        metavar="KEY",
        help="Sign the bundle with this ed25519 private key (PEM), for devices told to --require-key.",
    ),
]


def command(
    run: Annotated[
        Path, typer.Argument(help="A finished run's folder, or a bundle to calibrate anew.", show_default=False)
    ],
    data: DataOption,
    out: Annotated[
        Path, typer.Option("--out", help="Bundle to write: a folder, or a .zip by its name.", show_default=False)
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", help=f"Quantization recipe: a .toml file, or the name of one in export/; default: {_DEFAULT}."
        ),
    ] = None,
    best: Annotated[
        bool, typer.Option("--best", help="Try the shipped recipes in their order and keep the most accurate.")
    ] = False,
    debug: Annotated[
        Path | None,
        typer.Option("--debug", help="Write the INT8 error against FP32, tensor by tensor, as JSON and a plot."),
    ] = None,
    known_score: Annotated[
        str | None,
        typer.Option(
            "--known-score", help="Score for rejecting unknown things (docs/bundle.md), or best; default: the recipe's."
        ),
    ] = None,
    calibration_domains: Annotated[
        Path | None,
        typer.Option(
            "--calibration-domains",
            metavar="CSV",
            help="Pictures of other sources (docs/domains.md): fit the temperature on some, and min_confidence "
            "and the known score on others.",
        ),
    ] = None,
    test_evaluation: Annotated[
        bool,
        typer.Option(
            "--last-look",
            help="Evaluate the bundle on the run's test part too: clean, corrupted, on other backgrounds and "
            "against unknown things; for its card.",
        ),
    ] = False,
    int8_only: Annotated[
        bool,
        typer.Option(
            "--int8-only", help="Leave the FP32 networks out of the bundle: they are measured, and stand in its card."
        ),
    ] = False,
    name: Annotated[str, typer.Option("--name", help="Name of the bundle; default: that of --out.")] = "",
    version: Annotated[str, typer.Option("--version", help="Version of the bundle.")] = "1",
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", help="Licence of the bundle, written into it; default: unspecified, or the bundle's."
        ),
    ] = None,
    sign: SignOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a run as a bundle: ONNX and TFLite, FP32 and INT8, each measured.

    --data takes the photographs the run was trained on: training pictures set the
    quantization ranges, validation pictures the thresholds and scores. If INT8
    loses more accuracy than the recipe allows, no bundle is made. With
    --calibration-domains the confidence is calibrated on other sources too:
    held-out groups of sources that may train fit the temperature, and sources for
    measuring set the least confidence at which at most 5 % of the sorted items
    are wrong. With --last-look the card has the bundle's results on the test part
    too, which no choice was based on: use it once, at the end.

    A bundle in the place of the run keeps its networks: temperature, known score
    and thresholds are fitted anew, by the recipe's keys for these.

    [dim]waste-edge export runs/student --data photos --out my-bundle[/]
    """
    from waste_edge.bundle.bundle import find_bundle
    from waste_edge.bundle.manifest import MANIFEST_NAME
    from waste_edge.errors import UserError

    if best and recipe is not None:
        raise UserError("--best tries the shipped recipes; leave out --recipe, or leave out --best")
    source = find_bundle(str(run))
    again = source.suffix == ".zip" or (source / MANIFEST_NAME).is_file()
    if again and (best or debug is not None or int8_only):
        raise UserError(f"{run}: is a bundle, its networks stay as they are; leave out --best, --debug and --int8-only")
    with host_only("export"):
        from waste_edge.export.formats.quiet import quiet

        with quiet("loading the exporters"):
            from waste_edge.export.build import Extras, Naming, export_bundle
            from waste_edge.export.recalibrate import Wanted, recalibrate_bundle
        from waste_edge.export.recipe import SHIPPED, read_export_recipe
        from waste_edge.export.report import write_report
        from waste_edge.training.runs import open_run
    from waste_edge.bundle.signing import read_signer
    from waste_edge.files.atomic import telling_a_full_disk

    signer = None if sign is None else read_signer(sign)
    recipes = [read_export_recipe(one, known_score) for one in (SHIPPED if best else [recipe or _DEFAULT])]
    extras, naming = (
        Extras(debug, signer, test_evaluation, calibration_domains, int8_only),
        Naming(name or out.stem, version, licence or "unspecified"),
    )
    room = telling_a_full_disk("free some space, or choose another place by --out and the variable TMPDIR")
    with _told() as (step, progress), room:
        if again:
            with opened_bundle(str(run)) as bundle:
                naming = replace(naming, licence=licence or bundle.manifest.licence)
                exported = recalibrate_bundle(bundle, data, out, Wanted(recipes[0], naming, extras), step, progress)
        else:
            exported = export_bundle(open_run(run), data, out, recipes, naming, step, progress, extras)
        report = write_report(exported, out)
    if as_json:
        from waste_edge.files.strict import to_json

        say_json(to_json(exported.manifest))
        return
    _print_table(console(), out, exported)
    console().print(f"the same table is in {report}", style="dim", markup=False)


@contextmanager
def _told() -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Show progress as a bar: yields a callback for step names and one for (pictures done, pictures in all)."""
    from rich.progress import Progress

    screen = console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("exporting", total=None)

        def step(words: str) -> None:
            bar.update(task, description=words, total=None, completed=0)
            screen.print(words, markup=False, soft_wrap=True)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield step, progress


def _print_table(screen: Console, out: Path, exported: Exported) -> None:
    from rich.markup import escape
    from rich.table import Table

    from waste_edge.export.report import HEADINGS, rows

    manifest = exported.manifest
    table = Table(title=escape(f"{out}: {manifest.name} {manifest.version}"), title_justify="left")
    for heading in HEADINGS:
        first = heading == HEADINGS[0]
        table.add_column(heading, justify="left" if first else "right", no_wrap=first)
    for row in rows(exported):
        table.add_row(*row)
    screen.print(table)
    said = f"{manifest.metrics.protocol}. {manifest.metrics.reference_in_words()}"
    screen.print(said, style="dim", markup=False)
    screen.print(exported.reason, markup=False, soft_wrap=True)
