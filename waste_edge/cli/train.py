"""`waste-edge train`: a teacher, or a student without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption, host_only

if TYPE_CHECKING:
    from waste_edge.training.runs import Run

RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe: a .toml file, or the name of one in training/.", show_default=False)
]
OutOption = Annotated[Path, typer.Option("--out", help="The run's folder, to be made.", show_default=False)]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="A .safetensors file to start from, instead of a download.")
]
StartOption = Annotated[
    Path | None,
    typer.Option("--from", help="A finished run to go on from; a quantization-aware recipe needs one."),
]


def command(
    recipe: RecipeArgument,
    data: DataOption,
    out: OutOption,
    weights: WeightsOption = None,
    start: StartOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a teacher or a plain student by a recipe; leaves a run folder.

    [dim]waste-edge train teacher_mobilenet_v2 --data photos --out runs/teacher[/]
    """
    fit_and_report(recipe, data, out, weights, None, start, as_json)


def fit_and_report(
    recipe_name: str,
    data: Path,
    out: Path,
    weights: Path | None,
    teacher: Path | None,
    start: Path | None,
    as_json: bool,
) -> None:
    """Run the training loop under a progress bar and say what came out."""
    with host_only("train"):
        from waste_edge.cli.training_progress import TrainingProgress
        from waste_edge.training.fit import fit
        from waste_edge.training.recipe import read_recipe
        from waste_edge.training.runs import open_run

        recipe = read_recipe(recipe_name)
        wise: Run | None = open_run(teacher) if teacher else None
        before: Run | None = open_run(start) if start else None
        with TrainingProgress(recipe.fit.epochs) as watcher:
            info = fit(recipe, data, out, watcher, weights, wise, before)
    if as_json:
        from waste_edge.strict import to_json

        typer.echo(to_json(info), nl=False)
    elif info.scores:
        scores = info.scores
        typer.echo(
            f"{out}: validation accuracy {scores.accuracy:.1%} "
            f"({scores.accuracy_low:.1%} to {scores.accuracy_high:.1%}) on {scores.pictures} pictures, "
            f"{info.seconds / 60:.1f} minutes"
        )
    else:
        typer.echo(f"{out}: trained without a validation part, {info.seconds / 60:.1f} minutes")
