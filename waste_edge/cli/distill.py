"""`waste-edge distill`: a student that learns from a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption
from waste_edge.cli.train import OutOption, RecipeArgument, StartOption, WeightsOption, fit_and_report


def command(
    recipe: RecipeArgument,
    teacher: Annotated[Path, typer.Option("--teacher", help="The teacher's run folder.", show_default=False)],
    data: DataOption,
    out: OutOption,
    weights: WeightsOption = None,
    start: StartOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach a student from a teacher's run; leaves a run folder.

    [dim]waste-edge distill student_mobilenet_v1_025 --teacher runs/teacher --data photos --out runs/student[/]
    """
    fit_and_report(recipe, data, out, weights, teacher, start, as_json)
