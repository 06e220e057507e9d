"""Weighted-logit fusion: an image and a text model, each trained on its own, and the best weight between them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import nn

from waste_edge.dataset import Dataset, Part, Photo, split_to_train
from waste_edge.errors import ConfigError, RunError
from waste_edge.evaluation.evaluate import truth_of
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, to_json
from waste_edge.metrics.classification import Scores, score, softmax
from waste_edge.training.composites.common import OF_VIEWS, alone, check_pictures, member, refuse_parts
from waste_edge.training.evaluation.evaluate import predict
from waste_edge.training.input_pipeline.inputs import Tokenize
from waste_edge.training.loop.checks import check_out
from waste_edge.training.loop.plots import plot_confusions, plot_sweep
from waste_edge.training.networks.fusion import WeightedLogits
from waste_edge.training.recipe import WeightedFusionSpec
from waste_edge.training.runs import (
    SPLIT_NAME,
    Run,
    RunInfo,
    TrainedOn,
    run_info,
    save_info,
    save_split,
    sum_of_members,
)
from waste_edge.training.train_request import TrainRequest

SWEEP_NAME = "sweep.json"
_Logits = NDArray[np.float32]


class SweepPoint(Strict, frozen=True):
    """Validation result of one weight."""

    alpha: float
    accuracy: float
    weighted_f1: float


class Sweep(Strict, frozen=True):
    """`sweep.json`: every weight tried on the validation part, and what the best of them gives on the test part.

    Attributes:
        alpha: the best: the most accurate; among equals the one nearest 0.5, which trusts neither model most.
        pictures: of each part.
        test: `image`, `text` and `fused`, the last at the best alpha.
    """

    alpha: float
    points: list[SweepPoint]
    pictures: dict[Part, int]
    test: dict[str, SweepPoint]


def fit_weighted_fusion(request: TrainRequest) -> RunInfo:
    """Train, or take, both models; choose alpha on the validation part and report it on the test part.

    Raises:
        ConfigError, DataError, RunError, PictureError, UserError: see `fit`; also a part without pictures.
    """
    began, spec = time.monotonic(), request.recipe.weighted_fusion
    assert spec is not None
    _check(request)
    dataset = request.grouped()
    check_pictures(request.recipe, request.data, dataset)
    parts = split_to_train(request.data, dataset, request.recipe.split)
    uses: tuple[tuple[Part, str], ...] = (("val", "chosen on"), ("test", "reported on"))
    for part, what in uses:
        if not parts[part]:
            raise ConfigError(
                f"recipe {request.recipe.name!r}: alpha is {what} the {part} part, which is empty; raise "
                f"split.{part}_fraction"
            )
    both = _members(request, spec, dataset)
    save_split(request.out, parts)
    sweep, scores = _weigh(request, both, dataset, parts, spec.steps)
    write_atomically(request.out / SWEEP_NAME, to_json(sweep))
    sums = {name: run.info.weights_sha256 for name, run in both.items()}
    seen = msgspec.structs.replace(request.recipe, input=both["image"].info.recipe.sees)
    begun = (", ".join(f"{name}: {run.info.recipe.name}" for name, run in both.items()), "")
    info = run_info(
        TrainedOn(seen, request.data, dataset, parts),
        begun,
        sum_of_members(sums),
        time.monotonic() - began,
        libraries=("transformers", "scikit-learn"),
        scores=scores.get("val"),
        test_scores=scores.get("test"),
        members=sums,
        alpha=sweep.alpha,
    )
    save_info(request.out, info)
    return info


def build_weighted_fusion(folder: Path, info: RunInfo, members: dict[str, Run]) -> tuple[nn.Module, Tokenize | None]:
    """Build the network of a weighted fusion's run from its opened members; see `CompositeSpec.builder`.

    Raises:
        RunError: they are not the two that it weighs.
    """
    if info.alpha is None or set(members) != {"image", "text"}:
        raise RunError(f"{folder}: a run of a kind that this version cannot open")
    image, text = members["image"], members["text"]
    return WeightedLogits(image.as_trained(), text.as_trained(), info.alpha), text.tokenize


def best_point(points: Sequence[SweepPoint]) -> SweepPoint:
    """The most accurate; among equals the one nearest 0.5, then the one that trusts the picture more."""
    return min(points, key=lambda point: (-point.accuracy, round(abs(point.alpha - 0.5), 9), point.alpha))


def _check(request: TrainRequest) -> None:
    request.check_of_others(("image", "text"))
    alone(request.recipe)
    remedy = "write it in the recipes of the two models"
    refuse_parts(request.recipe, ("input", "fit", "tree", *OF_VIEWS, "distill", "quantize_aware"), remedy)
    check_out(request.out, request.resume, ("image", "text", SPLIT_NAME))


def _members(request: TrainRequest, spec: WeightedFusionSpec, dataset: Dataset) -> dict[str, Run]:
    """Both models; a recipe of the wrong kind is refused before anything is trained."""
    named = {"image": spec.image, "text": spec.text}
    recipes = {name: request.named_recipe(given) for name, given in named.items() if name not in request.members}
    for name, recipe in recipes.items():
        _check_sense(f"recipe {recipe.name!r}", name, bool(recipe.model), bool(recipe.text))
    both = {}
    for name in named:
        run = member(request, name, recipes.get(name), dataset)
        reads = getattr(run.network, "reads", ("pixels",))
        _check_sense(str(run.folder), name, "pixels" in reads, "tokens" in reads)
        both[name] = run
    return both


def _check_sense(what: str, name: str, looks: bool, reads: bool) -> None:
    if (looks, reads) != (name == "image", name == "text"):
        senses = {"image": "pictures", "text": "text"}
        raise ConfigError(f"weighted_fusion.{name}: {what} is not a model of {senses[name]} alone")


def _weigh(
    request: TrainRequest, both: dict[str, Run], dataset: Dataset, parts: dict[Part, list[Photo]], steps: int
) -> tuple[Sweep, dict[Part, Scores]]:
    """The sweep on the validation part, the best weight's scores on both parts, and the pictures of it."""
    logits: dict[Part, dict[str, _Logits]] = {}
    for part in ("val", "test"):
        for name, run in both.items():
            with request.bar(f"{name}, {part}") as progress:
                answers = predict(run.as_trained(), run.reader(), parts[part], progress)[0]
            logits.setdefault(part, {})[name] = answers
    truth = {part: truth_of(parts[part], dataset.labels) for part in logits}
    points = [sweep_point(step / steps, logits["val"], truth["val"]) for step in range(steps + 1)]
    best = best_point(points)
    alphas = {"image": 0.0, "text": 1.0, "fused": best.alpha}
    sweep = Sweep(
        alpha=best.alpha,
        points=points,
        pictures={part: len(photos) for part, photos in parts.items()},
        test={name: sweep_point(alpha, logits["test"], truth["test"]) for name, alpha in alphas.items()},
    )
    tested = {
        name: score(softmax(fused_logits(alpha, logits["test"])), truth["test"], dataset.labels)
        for name, alpha in alphas.items()
    }
    validated = score(softmax(fused_logits(best.alpha, logits["val"])), truth["val"], dataset.labels)
    columns = [(one.alpha, one.accuracy, one.weighted_f1) for one in points]
    plot_sweep(request.out / "sweep.png", request.recipe.name, columns, best.alpha)
    plot_confusions(request.out / "confusion.png", tested)
    return sweep, {"val": validated, "test": tested["fused"]}


def fused_logits(alpha: float, logits: dict[str, _Logits]) -> _Logits:
    """`alpha * text + (1 - alpha) * image`, as `WeightedLogits` does it; (N, C) each."""
    return np.float32(alpha) * logits["text"] + np.float32(1 - alpha) * logits["image"]


def sweep_point(alpha: float, logits: dict[str, _Logits], truth: NDArray[np.int64]) -> SweepPoint:
    """Evaluate one weight, given both models' logits (N, C) and the true labels (N,)."""
    fused = fused_logits(alpha, logits)
    scores = score(softmax(fused), truth, [str(index) for index in range(fused.shape[1])])
    assert scores.weighted_f1 is not None  # only in old files it may be
    return SweepPoint(alpha=alpha, accuracy=scores.accuracy, weighted_f1=scores.weighted_f1)
