"""Shared parts of `train` and `distill` for several trainings at once: options and the summary table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.errors import ConfigError, UserError

if TYPE_CHECKING:
    from waste_edge.training.recipe import Recipe
    from waste_edge.training.repeat import Summary
    from waste_edge.training.train_request import TrainRequest

SeedsOption = Annotated[
    str,
    typer.Option("--seeds", metavar="0,1,2", help="Train once with each seed, into OUT/seed-0 ..., and summarize."),
]
FoldsOption = Annotated[
    int,
    typer.Option("--folds", metavar="N", help="Cross-validate: train N times, into OUT/fold-0 ..., and summarize."),
]


def variations(recipe: Recipe, seeds: str, folds: int) -> dict[str, Recipe]:
    """The recipes of several trainings by their folders' names; empty if there is to be one alone.

    Raises:
        UserError: both options, or values that are none.
    """
    from waste_edge.training.repeat import by_folds, by_seeds

    if seeds and folds:
        raise UserError("--seeds and --folds each train several times; give one of them")
    if folds:
        return by_folds(recipe, folds)
    try:
        return by_seeds(recipe, [int(seed) for seed in seeds.split(",")]) if seeds else {}
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"--seeds {seeds}: expected whole numbers with commas between, e.g. 0,1,2") from error


def train_several(
    request: TrainRequest, recipes: dict[str, Recipe], teachers: Sequence[Path], as_json: bool, is_main_process: bool
) -> str:
    """Train each of the recipes into a folder of its own below the order's `out`; returns what to print."""
    from waste_edge.files.strict import to_json
    from waste_edge.training.repeat import own_or_shared, train_each
    from waste_edge.training.runs import RunInfo, open_run
    from waste_edge.training.train import train

    def train_one(name: str, recipe: Recipe, folder: Path, resume: bool) -> RunInfo:
        wise = [open_run(own_or_shared(teacher, name)) for teacher in teachers]
        return train(replace(request, recipe=recipe, out=folder, teachers=wise, resume=resume))

    summary = train_each(recipes, request.out, train_one, request.resume, is_main_process)
    return to_json(summary).rstrip("\n") if as_json else summary_table(summary)


def summary_table(summary: Summary) -> str:
    """Each run's accuracy and macro F1, then their mean, deviation and interval, as text."""
    lines = [f"{'run':<12}{'part':<6}{'accuracy':>10}{'macro F1':>10}"]
    for run in summary.runs:
        lines += [f"{run.run:<12}{part:<6}{s.accuracy:>10.1%}{s.macro_f1:>10.3f}" for part, s in run.scores.items()]
    for part, accuracy in summary.accuracy.items():
        f1 = summary.macro_f1[part]
        lines += [
            f"{'mean':<12}{part:<6}{accuracy.mean:>10.1%}{f1.mean:>10.3f}",
            f"{'deviation':<12}{part:<6}{accuracy.std:>10.1%}{f1.std:>10.3f}",
            f"{'95 % low':<12}{part:<6}{accuracy.low:>10.1%}{f1.low:>10.3f}",
            f"{'95 % high':<12}{part:<6}{accuracy.high:>10.1%}{f1.high:>10.3f}",
        ]
    return "\n".join([*lines, f"({summary.protocol})"])
