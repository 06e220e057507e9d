"""One network with a label tree against two cascaded ones: accuracy, latency, and where errors fall."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from waste_edge.dataset import Photo
from waste_edge.engines.evaluate import Progress, truth_of, without_progress
from waste_edge.errors import RunError
from waste_edge.files import write_atomically
from waste_edge.metrics import confusion_matrix, paired_interval, wilson_interval
from waste_edge.strict import Strict, to_json
from waste_edge.training.evaluate import predict
from waste_edge.training.networks import count_parameters
from waste_edge.training.networks.cascade import Cascade
from waste_edge.training.recipe import TreeSpec
from waste_edge.training.runs import Run

FILE_NAME = "two_stages.json"
_WARM_UP = 3
_TIMED_PICTURES = 32


class Share(Strict, frozen=True):
    """A share of pictures and its 95 % Wilson interval."""

    value: float
    low: float
    high: float


class Stages(Strict, frozen=True):
    """How one of the two models did.

    Attributes:
        run: its folder.
        recipe: its name.
        parameters: of all its networks.
        latency_ms: median of one picture in torch on one thread; a cascade's is the first stage's and that of the
            second one that it chose.
        leaf: share of pictures with the right label.
        parent: share with a label of the right parent.
        wrong_parent: pictures lost at the first stage: the label given is another parent's.
        wrong_leaf: pictures lost at the second: another label of the right parent.
        parents: rows are true parents, columns those of the labels given, in the comparison's order.
        right_below: of each parent, the share of right labels where the parent was right; None where it never was.
    """

    run: str
    recipe: str
    parameters: int
    latency_ms: float
    leaf: Share
    parent: Share
    wrong_parent: int
    wrong_leaf: int
    parents: list[list[int]]
    right_below: list[float | None]


class TwoStages(Strict, frozen=True):
    """`two_stages.json`: both models on the same pictures.

    Attributes:
        protocol: which pictures, in words.
        tree: parent to its labels.
        one: the network with the label tree.
        cascade: the two cascaded ones; its label is the most probable one by both stages together.
        greedy: share of right labels of the cascade if only the second network that the first one chose is asked.
        cascade_gain_points: 100 * (cascade's share of right labels - the one network's), with its 95 % interval for
            paired answers.
    """

    schema: Literal[1]
    protocol: str
    pictures: int
    tree: dict[str, list[str]]
    one: Stages
    cascade: Stages
    greedy: Share
    cascade_gain_points: float
    cascade_gain_low_points: float
    cascade_gain_high_points: float


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
        schema=1,
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


def write_two_stages(folder: Path, result: TwoStages) -> Path:
    """Write `two_stages.json` and return its path."""
    write_atomically(folder / FILE_NAME, to_json(result))
    return folder / FILE_NAME


def two_stages_table(result: TwoStages) -> str:
    """The comparison in Markdown: the two models, then the parents they confuse."""
    parents = list(result.tree)
    lines = [
        f"On {result.pictures} pictures: {result.protocol}.",
        "",
        "| | right label | right parent | lost at the first stage | lost at the second | ms, 1 thread | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, one in (("one network, label tree", result.one), ("two cascaded", result.cascade)):
        lines.append(
            f"| {title} | {_words(one.leaf)} | {_words(one.parent)} | {one.wrong_parent} | {one.wrong_leaf} | "
            f"{one.latency_ms:.1f} | {one.parameters:,} |"
        )
    lines += [
        "",
        f"The cascade's share of right labels is {result.cascade_gain_points:+.1f} points from the one network's "
        f"({result.cascade_gain_low_points:+.1f} to {result.cascade_gain_high_points:+.1f}). "
        f"If only the second network that the first one chose is asked: {_words(result.greedy)}.",
        "",
        "| true parent | " + " | ".join(f"one: {name} | cascade: {name}" for name in parents) + " | one: right below | "
        "cascade: right below |",
        "|---" * (1 + 2 * len(parents) + 2) + "|",
    ]
    for row, name in enumerate(parents):
        counts = [f"{result.one.parents[row][n]} | {result.cascade.parents[row][n]}" for n in range(len(parents))]
        below = [_percent(one.right_below[row]) for one in (result.one, result.cascade)]
        lines.append(f"| {name} | {' | '.join(counts)} | {' | '.join(below)} |")
    return "\n".join(lines) + "\n"


def _checked(tree_run: Run, cascade_run: Run) -> tuple[TreeSpec, Cascade]:
    tree, network = cascade_run.info.recipe.tree, cascade_run.network
    if tree is None or not isinstance(network, Cascade):
        raise RunError(f"{cascade_run.folder}: not a cascade; give a run by a recipe with [cascade]")
    own = tree_run.info.recipe.tree
    if own is None or tree_run.info.recipe.kind != "network":
        raise RunError(f"{tree_run.folder}: not one network with a label tree; give a run by a recipe with [tree]")
    same_tree = {parent: set(labels) for parent, labels in own.parents.items()} == {
        parent: set(labels) for parent, labels in tree.parents.items()
    }
    if not same_tree or tree_run.info.labels != cascade_run.info.labels:
        raise RunError(f"{tree_run.folder}: its labels or tree are not those of {cascade_run.folder}; train one anew")
    return tree, network


def _parent_indices(tree: TreeSpec, labels: Sequence[str]) -> NDArray[np.int64]:
    """Of each label (C,), the index of its parent."""
    parent_of = {label: index for index, children in enumerate(tree.parents.values()) for label in children}
    return np.array([parent_of[label] for label in labels], np.int64)


def _part_of(progress: Progress, turn: int) -> Progress:
    return lambda done, total: progress(turn * total + done, 2 * total)


def _greedy(logits: NDArray[np.float32], parent_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels (N,) from a cascade's log probabilities: the most probable parent's most probable label."""
    chances = np.exp(logits.astype(np.float64))
    parents = np.stack([chances[:, parent_of == index].sum(axis=1) for index in range(parent_of.max() + 1)], axis=1)
    inside = parent_of[None] == parents.argmax(axis=1)[:, None]
    return np.where(inside, logits, -np.inf).argmax(axis=1)


def _stages(
    run: Run, latency_ms: float, truth: NDArray[np.int64], given: NDArray[np.int64], parent_of: NDArray[np.int64]
) -> Stages:
    wanted, named = parent_of[truth], parent_of[given]
    right, right_parent = given == truth, named == wanted
    below = [right[right_parent & (wanted == index)] for index in range(int(parent_of.max()) + 1)]
    return Stages(
        run=str(run.folder),
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
        (ask, [run.reader().read([photo]).pixels for photo in photos[:: max(1, len(photos) // _TIMED_PICTURES)]])
        for ask, run in ((one, tree_run), (cascade.decide, cascade_run))
    ]
    taken_ms: list[list[float]] = [[], []]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for turn in range(_WARM_UP + rounds):
                for model, (ask, pictures) in enumerate(askers):
                    pixels = pictures[turn % len(pictures)]
                    began = time.perf_counter_ns()
                    ask(pixels)
                    if turn >= _WARM_UP:
                        taken_ms[model].append((time.perf_counter_ns() - began) / 1e6)
    finally:
        torch.set_num_threads(threads)
    return [statistics.median(some) for some in taken_ms]


def _share(hits: NDArray[np.bool_]) -> Share:
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return Share(value=float(hits.mean()), low=low, high=high)


def _words(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
