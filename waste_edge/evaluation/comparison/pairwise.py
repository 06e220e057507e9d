"""Models held against each other: in pairs, several runs of one recipe in a row, and where they disagree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.dataset import Dataset, Photo
from waste_edge.evaluation.comparison.measure import Answered
from waste_edge.evaluation.comparison.models import held_out_members
from waste_edge.evaluation.evaluate import truth_of
from waste_edge.evaluation.report.content import Disputed, Folded, Pair, Said
from waste_edge.metrics.classification import paired_interval, score
from waste_edge.metrics.significance import Interval, group_bootstrap_difference, holm, mcnemar, spread

MOST_DISPUTED = 18


def pairs_of(answered: Sequence[Answered], labels: Sequence[str], photos: Sequence[Photo]) -> list[Pair]:
    """Every pair of models, the earlier first."""
    truth, groups = truth_of(photos, labels), [photo.group for photo in photos]
    found = []
    for one, two in combinations(answered, 2):
        first, second = _right(one, truth), _right(two, truth)
        difference = (int(first.sum()) - int(second.sum())) / len(truth)
        low, high = paired_interval(first, second)
        by_picture = Interval(value=difference, low=low, high=high)
        # Where the two are right together everywhere, drawing anew would give an interval without width.
        by_group = by_picture if (first == second).all() else group_bootstrap_difference(first, second, groups)
        same = one.scored.logits.argmax(axis=1) == two.scored.logits.argmax(axis=1)
        found.append(
            Pair(
                first=one.model.name,
                second=two.model.name,
                newcombe=_points(by_picture),
                grouped=_points(by_group),
                only_first_right=int((first & ~second).sum()),
                only_second_right=int((second & ~first).sum()),
                agreement=float(same.mean()),
                p=mcnemar(first, second),
                p_holm=1.0,
            )
        )
    adjusted = holm([pair.p for pair in found])
    return [msgspec.structs.replace(pair, p_holm=p) for pair, p in zip(found, adjusted, strict=True)]


def _points(share: Interval) -> Interval:
    return Interval(value=100 * share.value, low=100 * share.low, high=100 * share.high)


def folded_rows(
    answered: Sequence[Answered], labels: Sequence[str], dataset: Dataset, photos: Sequence[Photo]
) -> list[Folded]:
    """One row for each recipe that several of the models were trained by."""
    truth = truth_of(photos, labels)
    families: dict[str, list[Answered]] = defaultdict(list)
    found = []
    for one in answered:
        if one.model.members:
            seats = np.array(held_out_members(one.model, dataset, photos))
            parts = [seats == number for number in range(len(one.model.members))]
            names = [member.name for member in one.model.members]
            found.append(_row(one.model.recipe, "folds", names, [(one, part) for part in parts], truth, labels))
        elif one.model.kind:
            families[one.model.kind].append(one)
    everything = np.ones(len(photos), bool)
    for family in families.values():
        if len(family) > 1:
            names = [one.model.name for one in family]
            pieces = [(one, everything) for one in family]
            found.append(_row(family[0].model.recipe, "runs", names, pieces, truth, labels))
    return found


def _row(
    recipe: str,
    how: Literal["runs", "folds"],
    names: list[str],
    pieces: Sequence[tuple[Answered, NDArray[np.bool_]]],
    truth: NDArray[np.int64],
    labels: Sequence[str],
) -> Folded:
    scores = [score(one.probabilities[part], truth[part], labels) for one, part in pieces if part.any()]
    return Folded(
        recipe=recipe,
        how=how,
        members=names,
        accuracy=spread([one.accuracy for one in scores]),
        macro_f1=spread([one.macro_f1 for one in scores]),
        weighted_f1=spread([one.weighted_f1 or 0.0 for one in scores]),
    )


def disputed_photos(answered: Sequence[Answered], labels: Sequence[str], photos: Sequence[Photo]) -> list[Disputed]:
    """Pictures that not all models name alike, those first about which a wrong one is surest."""
    truth = truth_of(photos, labels)
    probabilities = np.stack([one.probabilities for one in answered])
    best, sure = probabilities.argmax(axis=2), probabilities.max(axis=2)
    differing = (best != best[0]).any(axis=0)
    sureness = np.where(differing, np.where(best != truth, sure, 0.0).max(axis=0), -1.0)
    order = np.argsort(-sureness, kind="stable")[: min(MOST_DISPUTED, int(differing.sum()))]
    return [
        Disputed(
            picture=photos[index].key,
            truth=photos[index].label,
            text=photos[index].text,
            said=[
                Said(answer=labels[answer], probability=round(float(probability), 4))
                for answer, probability in zip(best[:, index], sure[:, index], strict=True)
            ],
        )
        for index in order.tolist()
    ]


def _right(answered: Answered, truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(answered.scored.logits.argmax(axis=1) == truth)
