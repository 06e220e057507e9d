"""Shared parts of `evaluate --robustness` and `compare --robustness`: measuring, drawing, writing, printing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import console, progress_bar, say_json
from waste_edge.cli.output.bench_plots import check_matplotlib
from waste_edge.cli.output.report import check_outputs, print_table
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from waste_edge.dataset import Dataset, Photo
    from waste_edge.evaluation.comparison.models import Model
    from waste_edge.evaluation.robustness.report import RobustnessReport

RobustnessOption = Annotated[
    bool,
    typer.Option(
        "--robustness",
        help="Score under corruptions (blur, noise, darkness, other backgrounds) beside the clean pictures.",
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE.png", help="With --robustness: plot accuracy by corruption and strength."),
]


def check_robustness(robustness: bool, others: dict[str, object], markdown: Path | None, plot: Path | None) -> None:
    """Say before anything is measured what does not go together, or cannot be written.

    Args:
        robustness: whether it was asked for.
        others: by name, the options that ask for another report.

    Raises:
        UserError, MissingPackageError: one line with the remedy.
    """
    if not robustness:
        if plot is not None:
            raise UserError(f"--plot {plot}: is of --robustness; add that")
        return
    if given := [name for name, value in others.items() if value]:
        raise UserError(f"--robustness and {given[0]} are two reports; ask for one at a time")
    check_outputs(None, markdown)
    if plot is None:
        return
    check_outputs(None, plot)
    if plot.suffix.lower() != ".png":
        raise UserError(f"--plot {plot}: the picture is a PNG; give a name that ends in .png")
    check_matplotlib("--plot", "or leave it out: --json holds all that it would show")


def measured(models: Sequence[Model], dataset: Dataset, photos: Sequence[Photo], protocol: str) -> RobustnessReport:
    """Ask every model about every picture under every condition, under one progress bar.

    Raises:
        UserError: a model looks at no pictures.
    """
    from waste_edge.evaluation.robustness.measure import measure_robustness

    for model in models:
        if model.run is not None and model.run.reader().sees is None:
            raise UserError(f"{model.name}: reads text alone, which no camera spoils; leave it out of --robustness")
    with progress_bar("pictures, each under every condition") as progress:
        return measure_robustness(models, dataset, photos, protocol, progress)


def tell(report: RobustnessReport, markdown: Path | None, plot: Path | None, json: bool) -> None:
    """Write what was asked for, and print the tables, or JSON and nothing else."""
    from waste_edge.evaluation.report.robustness import reading, robustness_markdown, robustness_tables
    from waste_edge.files.atomic import write_atomically
    from waste_edge.files.strict import to_json

    if markdown is not None:
        write_atomically(markdown, robustness_markdown(report))
    if plot is not None:
        from waste_edge.plots.robustness import draw_robustness

        draw_robustness(report, plot)
    if json:
        say_json(to_json(report))
        return
    screen = console()
    screen.print(f"scored on {report.protocol}", markup=False, soft_wrap=True)
    for table in robustness_tables(report):
        print_table(screen, table)
    screen.print(reading(report), markup=False, soft_wrap=True)
    for words, path in (("the tables", markdown), ("the picture", plot)):
        if path is not None:
            screen.print(f"{words}: {path}", markup=False, soft_wrap=True)
