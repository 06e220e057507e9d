"""One network with a label tree against two cascaded ones: accuracy, latency, and where errors fall."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from waste_edge.dataset import Photo
from waste_edge.errors import RunError
from waste_edge.evaluation.evaluate import Progress, truth_of, without_progress
from waste_edge.evaluation.report.content import Stages, TwoStages
from waste_edge.metrics.classification import confusion_matrix, paired_interval, wilson_interval
from waste_edge.metrics.significance import Interval
from waste_edge.training.evaluation.evaluate import predict
from waste_edge.training.networks import count_parameters
from waste_edge.training.networks.cascade import Cascade
from waste_edge.training.recipe import TreeSpec
from waste_edge.training.runs import Run

_WARM_UP = 3
_TIMED_PICTURES = 32


def compare_stages(
    tree_run: Run,
    cascade_run: Run,
    photos: Sequence[Photo],
    protocol: str,
    rounds: int = 60,
    progress: Progress = without_progress,
) -> TwoStages:
    """Hold a label tree in one network against two cascaded networks.

    Args:
        tree_run: by a recipe with `[tree]`.
        cascade_run: by a recipe with `[cascade]` and the same tree.
        photos: for both, at least one; neither may have been trained on them.
        protocol: which they are, in words.
        rounds: timed answers of each.
        progress: pictures done and in all, both models counted.

    Raises:
        RunError: the runs are not such a pair.
        PictureError: a picture cannot be read.
    """
    tree, network = _checked(tree_run, cascade_run)
    labels = tree_run.info.labels
    parent_of = _parent_indices(tree, labels)
    truth = truth_of(photos, labels)
    logits = [
        predict(run.as_trained(), run.reader(), photos, _part_of(progress, turn))[0]
        for turn, run in enumerate((tree_run, cascade_run))
    ]
    given = [answers.argmax(axis=1) for answers in logits]
    taken_ms = _latencies_ms(tree_run, cascade_run, network, photos, rounds)
    low, high = paired_interval(given[1] == truth, given[0] == truth)
    return TwoStages(
        protocol=protocol,
        pictures=len(photos),
        tree=tree.parents,
        one=_stages(tree_run, taken_ms[0], truth, given[0], parent_of),
        cascade=_stages(cascade_run, taken_ms[1], truth, given[1], parent_of),
        greedy=_share(_greedy(logits[1], parent_of) == truth),
        cascade_gain_points=100 * float((given[1] == truth).mean() - (given[0] == truth).mean()),
        cascade_gain_low_points=100 * low,
        cascade_gain_high_points=100 * high,
    )


def same_tree(tree_run: Run, cascade_run: Run) -> bool:
    """Return whether the first is one network with a label tree and the second a cascade of the same tree."""
    own, tree = tree_run.info.recipe.tree, cascade_run.info.recipe.tree
    if own is None or tree is None or tree_run.info.recipe.kind != "network" or not cascade_run.info.recipe.cascade:
        return False
    alike = {parent: set(labels) for parent, labels in own.parents.items()} == {
        parent: set(labels) for parent, labels in tree.parents.items()
    }
    return alike and tree_run.info.labels == cascade_run.info.labels


def _checked(tree_run: Run, cascade_run: Run) -> tuple[TreeSpec, Cascade]:
    tree, network = cascade_run.info.recipe.tree, cascade_run.network
    if not same_tree(tree_run, cascade_run) or tree is None or not isinstance(network, Cascade):
        raise RunError(
            f"{tree_run.folder}, {cascade_run.folder}: not one network with a label tree and a cascade of the same "
            "tree; give runs by recipes with [tree] and [cascade] that name the same parents"
        )
    return tree, network


def _parent_indices(tree: TreeSpec, labels: Sequence[str]) -> NDArray[np.int64]:
    """Get the index of each label's parent: (C,)."""
    parent_of = {label: index for index, children in enumerate(tree.parents.values()) for label in children}
    return np.array([parent_of[label] for label in labels], np.int64)


def _part_of(progress: Progress, turn: int) -> Progress:
    return lambda done, total: progress(turn * total + done, 2 * total)


def _greedy(logits: NDArray[np.float32], parent_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels (N,) from a cascade's log probabilities: the most probable parent's most probable label."""
    probabilities = np.exp(logits.astype(np.float64))
    parents = np.stack(
        [probabilities[:, parent_of == index].sum(axis=1) for index in range(parent_of.max() + 1)], axis=1
    )
    inside = parent_of[None] == parents.argmax(axis=1)[:, None]
    return np.asarray(np.where(inside, logits, -np.inf).argmax(axis=1), np.int64)


def _stages(
    run: Run, latency_ms: float, truth: NDArray[np.int64], given: NDArray[np.int64], parent_of: NDArray[np.int64]
) -> Stages:
    wanted, named = parent_of[truth], parent_of[given]
    right, right_parent = given == truth, named == wanted
    below = [right[right_parent & (wanted == index)] for index in range(int(parent_of.max()) + 1)]
    return Stages(
        name=run.folder.name,
        recipe=run.info.recipe.name,
        parameters=count_parameters(run.network),
        latency_ms=latency_ms,
        leaf=_share(right),
        parent=_share(right_parent),
        wrong_parent=int((~right_parent).sum()),
        wrong_leaf=int((right_parent & ~right).sum()),
        parents=confusion_matrix(wanted, named, int(parent_of.max()) + 1).tolist(),
        right_below=[float(some.mean()) if len(some) else None for some in below],
    )


def _latencies_ms(
    tree_run: Run, cascade_run: Run, cascade: Cascade, photos: Sequence[Photo], rounds: int
) -> list[float]:
    """Medians of both models, in turn on the same pictures, so that other work on the machine meets both alike."""
    one = tree_run.as_trained()
    askers: list[tuple[Callable[[Tensor], object], list[Tensor]]] = [
        (predict, [run.reader().read([photo]).pixels for photo in photos[:: max(1, len(photos) // _TIMED_PICTURES)]])
        for predict, run in ((one, tree_run), (cascade.decide, cascade_run))
    ]
    taken_ms: list[list[float]] = [[], []]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for turn in range(_WARM_UP + rounds):
                for model, (predict, pictures) in enumerate(askers):
                    pixels = pictures[turn % len(pictures)]
                    began = time.perf_counter_ns()
                    predict(pixels)
                    if turn >= _WARM_UP:
                        taken_ms[model].append((time.perf_counter_ns() - began) / 1e6)
    finally:
        torch.set_num_threads(threads)
    return [statistics.median(some) for some in taken_ms]


def _share(hits: NDArray[np.bool_]) -> Interval:
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return Interval(value=float(hits.mean()), low=low, high=high)
