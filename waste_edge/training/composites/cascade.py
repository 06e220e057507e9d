"""Two models one after the other, trained on one split: the first names the parent, the second its label."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
from torch import nn

from waste_edge.dataset import (
    Dataset,
    LabelMap,
    Part,
    Photo,
    SplitSpec,
    open_dataset,
    split_to_train,
    write_table,
)
from waste_edge.errors import ConfigError, RunError
from waste_edge.files.atomic import sha256_of
from waste_edge.metrics.classification import Scores
from waste_edge.training.composites.common import OF_VIEWS, alone, check_pictures, refuse_parts
from waste_edge.training.distillation.losses import check_tree
from waste_edge.training.evaluation.evaluate import validate
from waste_edge.training.loop.checkpoint import CHECKPOINT_NAME
from waste_edge.training.loop.checks import check_out
from waste_edge.training.loop.fit import fit
from waste_edge.training.networks.cascade import FIRST, assemble_cascade, parents_of_several, second_name
from waste_edge.training.recipe import Recipe, TreeSpec
from waste_edge.training.runs import (
    RUN_NAME,
    Run,
    RunInfo,
    TrainedOn,
    open_members,
    open_run,
    reader_of,
    run_info,
    save_info,
    save_split,
    sum_of_members,
)
from waste_edge.training.train_request import TrainRequest

DATA_NAME = "data.csv"  # what all stages are trained on: the leaves' labels, groups and parts
_UNUSED = ("fit", *OF_VIEWS, "distill", "quantize_aware")


@dataclass(frozen=True)
class _Stage:
    """One network of a cascade: its folder in the run, its recipe, and the parent whose labels it learns."""

    folder: str
    recipe: Recipe
    parent: str = ""


def fit_cascade(request: TrainRequest) -> RunInfo:
    """Train the first stage and a second one for each parent of several labels; leave them and `run.json` in `out`.

    All stages are trained on `data.csv`, the one split of the cascade's recipe written down: no picture that a stage
    validates was trained on by another. With `request.resume` finished stages are kept and an unfinished one goes on.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line naming what is wrong.
        UserError: see `fit`.
    """
    recipe = request.recipe
    alone(recipe)
    _check_request(request)
    stages = _stages(request)
    dataset = request.grouped()
    check_pictures(recipe, request.data, dataset)
    check_tree(_tree(recipe), dataset.labels)
    parts = split_to_train(request.data, dataset, recipe.split)
    data = _write_data(request, dataset, parts)
    infos = {stage.folder: _train(stage, request, data) for stage in stages}
    members = {folder: one.weights_sha256 for folder, one in infos.items()}
    save_split(request.out, parts)
    info = run_info(
        TrainedOn(msgspec.structs.replace(recipe, input=stages[0].recipe.input), request.data, dataset, parts),
        (infos[FIRST].initial_weights, infos[FIRST].initial_weights_sha256),
        sum_of_members(members),
        sum(one.seconds for one in infos.values()),
        members=members,
    )
    scores = _score(request.out, info, dataset, parts)
    info = msgspec.structs.replace(info, scores=scores.get("val"), test_scores=scores.get("test"))
    save_info(request.out, info)
    return info


def build_cascade(folder: Path, info: RunInfo, members: dict[str, Run]) -> tuple[nn.Module, None]:
    """Build the network of a cascade's run from its opened members; see `CompositeSpec.builder`.

    Raises:
        RunError: they are not those of its tree.
    """
    assert info.recipe.tree is not None  # a recipe with [cascade] has one
    stages = {name: (run.info.labels, run.as_trained()) for name, run in members.items()}
    try:
        return assemble_cascade(info.recipe.tree, info.labels, stages), None
    except ValueError as error:
        raise RunError(f"{folder / RUN_NAME}: {error}; train again") from error


def _check_request(request: TrainRequest) -> None:
    recipe = request.recipe
    refuse_parts(recipe, _UNUSED, "write it into the recipes of its stages")
    request.check_members(())
    if request.teachers or request.start:
        raise ConfigError(f"recipe {recipe.name!r}: a cascade takes no --teacher and no --from; give --weights")
    if _tree(recipe).weight != TreeSpec(parents=_tree(recipe).parents).weight:
        raise ConfigError(f"recipe {recipe.name!r}: tree.weight means nothing to a cascade; remove it")


def _stages(request: TrainRequest) -> list[_Stage]:
    """Every network to train, the first stage first.

    Raises:
        ConfigError: a stage's recipe says what the cascade's must say, or the two see pictures in different ways.
    """
    recipe, tree = request.recipe, _tree(request.recipe)
    assert recipe.cascade is not None
    first, second = request.named_recipe(recipe.cascade.first), request.named_recipe(recipe.cascade.second)
    for one in (first, second):
        if one.kind != "network" or one.text:
            raise ConfigError(f"recipe {one.name!r}: a cascade's stages are networks that look at pictures alone")
        if one.split != SplitSpec() or one.labels != LabelMap() or one.tree:
            raise ConfigError(
                f"recipe {one.name!r}: [split], [labels] and [tree] of a stage are its cascade's; move them to "
                f"{recipe.name!r}"
            )
    if first.input != second.input or recipe.input not in (None, first.input):
        raise ConfigError(f"recipe {recipe.name!r}: both stages must have the same [input], since they share a picture")
    children = {label: parent for parent, labels in tree.parents.items() for label in labels}
    stages = [_Stage(FIRST, _stage_recipe(recipe, FIRST, first, LabelMap(merge=tree.parents)))]
    for parent in parents_of_several(tree):
        others = LabelMap(drop=[label for label, its in children.items() if its != parent])
        folder = second_name(parent)
        stages.append(_Stage(folder, _stage_recipe(recipe, folder, second, others), parent))
    if len({stage.folder for stage in stages}) < len(stages):
        raise ConfigError(f"recipe {recipe.name!r}: tree.parents has names too much alike for folders; rename one")
    return stages


def _stage_recipe(cascade: Recipe, folder: str, own: Recipe, labels: LabelMap) -> Recipe:
    # The parts are in the data: a part that they lack, because the cascade's recipe keeps none, stays empty. Copies on
    # two sides were looked for among all labels; those that a stage merges are no news.
    nothing = SplitSpec(seed=cascade.split.seed, val_fraction=0.0, test_fraction=0.0, allow_leak=True)
    return msgspec.structs.replace(own, name=f"{cascade.name}/{folder}", labels=labels, split=nothing)


def _write_data(request: TrainRequest, dataset: Dataset, parts: dict[Part, list[Photo]]) -> Path:
    """Write down what all stages are trained on.

    Raises:
        RunError: `out` holds something else already.
    """
    out, path = request.out, request.out / DATA_NAME
    check_out(out, request.resume, (DATA_NAME,))
    fresh = out / f".{DATA_NAME}"
    write_table(fresh, dataset, parts)
    if request.resume and path.exists() and path.read_bytes() != fresh.read_bytes():
        fresh.unlink()
        raise RunError(f"{path}: another split or other data than this training's; give what it was started with")
    os.replace(fresh, path)
    return path


def _train(stage: _Stage, request: TrainRequest, data: Path) -> RunInfo:
    """The stage's run: as it is if it is finished, else trained."""
    folder = request.out / stage.folder
    if (folder / RUN_NAME).exists():
        info = open_run(folder).info
        _check_finished(stage, request, data, info)
        return info
    unfinished = (folder / CHECKPOINT_NAME).exists()
    if folder.exists() and not unfinished:  # stopped before its first epoch ended: nothing in it is worth keeping
        shutil.rmtree(folder)
    with request.watch(stage.recipe) as watcher:
        return fit(stage.recipe, data, folder, watcher, request.weights, resume=unfinished)


def _check_finished(stage: _Stage, request: TrainRequest, data: Path, info: RunInfo) -> None:
    fingerprint = open_dataset(data, label_map=stage.recipe.labels).fingerprint()
    weights = sha256_of(request.weights) if request.weights else ""
    if (info.recipe, info.data_fingerprint, info.initial_weights_sha256) != (stage.recipe, fingerprint, weights):
        raise RunError(
            f"{request.out / stage.folder}: was trained by another recipe, on other pictures or from other weights; "
            "give what it was started with, or another --out"
        )


def _score(out: Path, info: RunInfo, dataset: Dataset, parts: dict[Part, list[Photo]]) -> dict[Part, Scores]:
    network, reader = build_cascade(out, info, open_members(out, info))[0].eval(), reader_of(info.recipe, None)
    held_out: tuple[Part, ...] = ("val", "test")
    return {part: validate(network, reader, dataset, parts[part])[0] for part in held_out if parts[part]}


def _tree(recipe: Recipe) -> TreeSpec:
    assert recipe.tree is not None  # a recipe with [cascade] has one
    return recipe.tree
