"""A training run as a model to be measured and compared."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import msgspec

from waste_edge.dataset import Part
from waste_edge.dataset.folders import open_table
from waste_edge.errors import DataError, RunError
from waste_edge.evaluation.comparison.models import Keys, Model, size_in_words
from waste_edge.evaluation.report.content import Epoch, Facts
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_JSON_BYTES
from waste_edge.training.evaluation.evaluate import answers_of_run, macs_of_run, timed_call_of_run
from waste_edge.training.networks import count_parameters
from waste_edge.training.runs import WEIGHTS_NAME, Run, open_run


def model_of_run(folder: Path, name: str) -> Model:
    """Open a run's folder as a model.

    Raises:
        RunError: see `open_run`.
    """
    run = open_run(folder)
    info = run.info
    return Model(
        name=name,
        role="student" if info.teacher else "run",
        engine="torch, under INT8 rounding" if info.ranges else "torch",
        recipe=info.recipe.name,
        kind=_without_chance(run),
        identity=info.weights_sha256,
        teacher=info.teacher,
        labels=tuple(info.labels),
        label_map=info.recipe.labels,
        fingerprint=info.data_fingerprint,
        split=info.recipe.split,
        facts=Facts(
            size_bytes=sum(path.stat().st_size for path in folder.rglob(WEIGHTS_NAME)),
            parameters=count_parameters(run.network),
            macs=macs_of_run(run),
            input=size_in_words(info.recipe.input),
        ),
        artifact=None,
        calibration=None,
        training=tuple(_read_epochs(folder / "metrics.jsonl")),
        predict=partial(answers_of_run, run),
        timed=partial(timed_call_of_run, run),
        parts_of=lambda dataset: _written_parts(folder / "split.csv"),
        run=run,
        domains=info.domains,
    )


def _without_chance(run: Run) -> str:
    """A recipe and the teacher's name, without what differs between seeds and folds: equal for runs to be folded."""
    recipe = msgspec.to_builtins(run.info.recipe)
    for part, key in (("fit", "seed"), ("split", "seed"), ("split", "fold")):
        if recipe[part]:
            recipe[part].pop(key, None)
    teacher = run.info.teacher.partition(" sha256:")[0]
    return msgspec.json.encode([recipe, teacher, run.info.labels]).decode()


def _written_parts(path: Path) -> Keys:
    """The split that a run wrote down."""
    found: dict[Part, set[str]] = {"train": set(), "val": set(), "test": set()}
    try:
        for row in csv.DictReader(open_table(path)):
            found[msgspec.convert(row["part"], Part)].add(row["file"])
    except (DataError, KeyError, csv.Error, msgspec.ValidationError) as error:
        raise RunError(f"{path}: missing or damaged ({error!r}); it says which pictures the run has seen") from error
    return {part: frozenset(keys) for part, keys in found.items()}


def _read_epochs(path: Path) -> list[Epoch]:
    """The epochs of `metrics.jsonl`, whatever else its lines hold; none if a run keeps no such file."""
    if not path.is_file():
        return []
    try:
        lines = msgspec.json.Decoder().decode_lines(read_bounded(path, MAX_JSON_BYTES))
        return [Epoch(epoch=line["epoch"], loss=line["loss"], val_accuracy=line.get("val_accuracy")) for line in lines]
    except (OSError, msgspec.DecodeError, KeyError, AttributeError, TypeError) as error:
        raise RunError(f"{path}: damaged ({error!r}); the training's curves cannot be drawn") from error
