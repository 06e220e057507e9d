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
    DeviceOption,
    DomainsOption,
    LeaveOutOption,
    OutOption,
    RecipeArgument,
    ResumeOption,
    Said,
    SetOption,
    StartOption,
    StockOption,
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
        typer.Option("--teacher", help="Run folder of the teacher; repeat it for an ensemble.", show_default=False),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Train the same student without its teacher, to compare with.")
    ] = False,
    weights: WeightsOption = None,
    start: StartOption = None,
    changes: SetOption = None,
    seeds: SeedsOption = "",
    folds: FoldsOption = 0,
    resume: ResumeOption = False,
    domains: DomainsOption = None,
    leave_out: LeaveOutOption = None,
    device: DeviceOption = "auto",
    stock: StockOption = None,
    allow_leak: AllowLeakOption = False,
    as_json: JsonOption = False,
) -> None:
    """Distill a teacher's run into a student and write a run folder.

    A teacher may also read texts that the student does not get. Distillation
    sometimes lowers the accuracy: --control trains the same recipe on the labels
    alone. With --folds, a teacher trained with the same --folds is used fold by
    fold.

    [dim]waste-edge distill student_mobilenet_v1_025 --teacher runs/teacher --data photos --out runs/student[/]
    """
    if control == bool(teachers):
        what = "--teacher and --control were both given" if control else "distill needs --teacher RUN or --control"
        raise UserError(f"{what}; give one of them")
    changed = [*(changes or ()), *([ALLOW_LEAK] if allow_leak else [])]
    said = Said(out, weights, teachers or (), start, changed, (), resume, as_json, seeds, folds,
                domains, leave_out or (), device, stock)  # fmt: skip
    fit_and_report(recipe, data, said)
