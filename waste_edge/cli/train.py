"""`waste-edge train`: any model of a recipe, without a teacher."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from waste_edge.cli.common import DataOption, JsonOption, host_only, progress_bar, say
from waste_edge.cli.repeated import FoldsOption, SeedsOption, train_several, variations
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from waste_edge.metrics.classification import Scores
    from waste_edge.training.runs import RunInfo
    from waste_edge.training.train_options import DeviceChoice, TrainOptions

RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe: a .toml file, or the name of one in training/.", show_default=False)
]
OutOption = Annotated[Path, typer.Option("--out", help="Run folder to create.", show_default=False)]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        help="Initial weights instead of a download: a .safetensors file, or a bundle's model-fp32.onnx, whose batch "
        "norms are folded (set fit.freeze_batch_norm).",
    ),
]
StartOption = Annotated[
    Path | None,
    typer.Option("--from", help="Finished run to start from; required by quantization-aware recipes."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe's value, e.g. fit.epochs=3. Repeatable."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue the unfinished training in --out; the weights come out the same.")
]
DomainsOption = Annotated[
    Path | None,
    typer.Option(
        "--domains",
        metavar="CSV",
        help="Pictures of other sources to train on too, where their licence allows it (docs/domains.md).",
    ),
]
LeaveOutOption = Annotated[
    list[str] | None,
    typer.Option("--leave-out", metavar="SOURCE", help="Source of --domains to exclude. Repeatable."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda", help="Device to train on; auto: a GPU if there is one.")
]
StockOption = Annotated[
    Path | None,
    typer.Option(
        "--stock",
        metavar="FOLDER",
        help="Folder for the views of a recipe with a stock table; trainings may share it.",
    ),
]
AllowLeakOption = Annotated[
    bool,
    typer.Option("--allow-leak", help="Train although pictures are in both the training and a held-out part."),
]
ALLOW_LEAK = "split.allow_leak=true"
MemberOption = Annotated[
    list[str] | None,
    typer.Option(
        "--member",
        metavar="NAME=RUN",
        help="Finished run to use as a member of a composite model, e.g. image=runs/image. Repeatable.",
    ),
]


def command(
    recipe: RecipeArgument,
    data: DataOption,
    out: OutOption,
    weights: WeightsOption = None,
    start: StartOption = None,
    changes: SetOption = None,
    members: MemberOption = None,
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
    """Train the model of a recipe and write a run folder.

    A stopped or killed training continues with --resume. On several GPUs or
    machines: torchrun --nproc-per-node 2 -m waste_edge train ...

    A label without a picture to train on is an error, and so is a picture that
    lies in two parts of the split (--allow-leak permits it).

    [dim]waste-edge train teacher_mobilenet_v2 --data photos --out runs/teacher[/]
    """
    changed = [*(changes or ()), *([ALLOW_LEAK] if allow_leak else [])]
    said = Said(out, weights, (), start, changed, members or (), resume, as_json, seeds, folds,
                domains, leave_out or (), device, stock)  # fmt: skip
    fit_and_report(recipe, data, said)


@dataclass(frozen=True)
class Said:
    """Options of `train` and `distill` besides recipe and data."""

    out: Path
    weights: Path | None
    teachers: Sequence[Path]
    start: Path | None
    changes: Sequence[str]
    members: Sequence[str]
    resume: bool
    as_json: bool
    seeds: str
    folds: int
    domains: Path | None
    leave_out: Sequence[str]
    device: str
    stock: Path | None

    def extra(self) -> TrainOptions:
        """Convert the options to a training's extras."""
        from waste_edge.training.train_options import DeviceChoice, TrainOptions

        known = get_args(DeviceChoice)
        if self.device not in known:
            raise UserError(f"--device {self.device}: expected {', '.join(known)}")
        return TrainOptions(self.domains, tuple(self.leave_out), cast("DeviceChoice", self.device), self.stock)


def fit_and_report(recipe_name: str, data: Path, said: Said) -> None:
    """Train under a progress bar, once or several times, and say what came out."""
    with host_only("train"):
        from waste_edge.cli.output.training import TrainingProgress
        from waste_edge.files.resources import find
        from waste_edge.training.distributed import process_group
        from waste_edge.training.recipe import read_recipe
        from waste_edge.training.runs import open_run
        from waste_edge.training.train import train
        from waste_edge.training.train_request import TrainRequest

        with process_group() as together, _told_how_to_go_on(said.out, together.is_main_process):
            recipe = read_recipe(recipe_name, said.changes)
            several = variations(recipe, said.seeds, said.folds)
            request = TrainRequest(
                recipe=recipe,
                data=data,
                out=said.out,
                watch=lambda one: TrainingProgress(one.name, one.trained.epochs, quiet=not together.is_main_process),
                bar=progress_bar,
                beside=find(recipe_name, "training").parent,
                weights=said.weights,
                teachers=[] if several else [open_run(teacher) for teacher in said.teachers],
                start=open_run(said.start) if said.start else None,
                members=dict(_named(member) for member in said.members),
                resume=said.resume,
                extra=said.extra(),
            )
            if several:
                told = train_several(request, several, said.teachers, said.as_json, together.is_main_process)
            else:
                told = in_words(train(request), said.out, said.as_json)
            if together.is_main_process:
                say(told)


@contextlib.contextmanager
def _told_how_to_go_on(out: Path, is_main_process: bool) -> Iterator[None]:
    """Ctrl-C and a service manager's stop leave a training that goes on, and say how."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        from waste_edge.training.runs import SPLIT_NAME

        if is_main_process and any(out.rglob(SPLIT_NAME)):
            say(f"stopped; the same command with --resume goes on from the last whole epoch in {out}", err=True)
        raise


def _named(member: str) -> tuple[str, Path]:
    name, equals, run = member.partition("=")
    if not (name and equals and run):
        raise UserError(f"--member {member}: expected NAME=RUN, e.g. image=runs/image")
    return name, Path(run)


def in_words(info: RunInfo, out: Path, as_json: bool) -> str:
    """Describe a finished training run."""
    if as_json:
        from waste_edge.files.strict import to_json

        return to_json(info).rstrip("\n")
    parts = [("validation", info.scores), ("test", info.test_scores)]
    told = [_in_words(name, scores) for name, scores in parts if scores]
    return f"{out}: {'; '.join(told) or 'trained without a validation part'}; {info.seconds / 60:.1f} minutes"


def _in_words(part: str, scores: Scores) -> str:
    return (
        f"{part} accuracy {scores.accuracy:.1%} ({scores.accuracy_low:.1%} to {scores.accuracy_high:.1%}) "
        f"on {scores.pictures} pictures"
    )
