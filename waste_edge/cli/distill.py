"""`waste-edge distill`: a student that learns from a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption
from waste_edge.cli.repeated import FoldsOption, SeedsOption
from waste_edge.cli.train import (
    ALLOW_LEAK,
    AllowLeakOption,
    OutOption,
    RecipeArgument,
    ResumeOption,
    SetOption,
    StartOption,
    WeightsOption,
    fit_and_report,
)
from waste_edge.errors import UserError


def command(
    recipe: RecipeArgument,
    data: DataOption,
    out: OutOption,
    teachers: Annotated[
        list[Path] | None,
        typer.Option("--teacher", help="A teacher's run folder; several answer together.", show_default=False),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="The same student without its teacher: does distilling help?")
    ] = False,
    weights: WeightsOption = None,
    start: StartOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = "",
    folds: FoldsOption = 0,
    resume: ResumeOption = False,
    allow_leak: AllowLeakOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a student from a teacher's run; leaves a run folder.

    A teacher may also read texts that the student never sees. Distilling
    sometimes hurts: --control trains the same recipe on the labels alone.
    With --folds, a teacher trained with the same --folds teaches fold by fold.

    [dim]waste-edge distill student_mobilenet_v1_025 --teacher runs/teacher --data photos --out runs/student[/]
    """
    if control == bool(teachers):
        what = "--teacher and --control were both given" if control else "distill needs --teacher RUN or --control"
        raise UserError(f"{what}; give one of them")
    said = [*(changes or ()), *([ALLOW_LEAK] if allow_leak else [])]
    fit_and_report(recipe, data, out, weights, teachers or (), start, said, (), resume, as_json, seeds, folds)
