"""Runs of one recipe on different folds, put together as one model that is asked only about what it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from waste_edge.dataset import Dataset, Photo
from waste_edge.evaluation.comparison.models import Keys, Model
from waste_edge.evaluation.evaluate import Outputs, Progress


def gather_folds(models: Sequence[Model], dataset: Dataset) -> list[Model]:
    """The models, those that are folds of one recipe put together as one in the place of the first.

    Runs are folds of one another if their recipes differ in seeds and fold alone, they were made from these
    very data, and no picture was held out by two of them.
    """
    fingerprint = dataset.fingerprint()
    alike: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        if model.kind and model.fingerprint == fingerprint:
            alike[model.kind].append(model)
    gathered: list[Model] = []
    done: set[str] = set()
    for model in models:
        family = alike.get(model.kind, [])
        held_out = [_held_out(member.parts_of(dataset)) for member in family]
        if len(family) < 2 or sum(map(len, held_out)) > len(frozenset().union(*held_out)):
            gathered.append(model)
        elif model.kind not in done:
            done.add(model.kind)
            gathered.append(_together(family, held_out))
    return gathered


def seat_of(model: Model, dataset: Dataset, photos: Sequence[Photo]) -> list[int]:
    """Find, for each photo, the number of the member that has not seen it."""
    seats = {key: number for number, member in enumerate(model.members) for key in _held_out(member.parts_of(dataset))}
    return [seats.get(photo.key, 0) for photo in photos]


def _together(members: list[Model], held_out: list[frozenset[str]]) -> Model:
    seats = {key: number for number, keys in enumerate(held_out) for key in keys}

    def predict(photos: Sequence[Photo], progress: Progress) -> Outputs:
        numbers = np.array([seats.get(photo.key, 0) for photo in photos])
        parts: list[tuple[list[int], Outputs]] = []
        for number, member in enumerate(members):
            chosen = np.flatnonzero(numbers == number).tolist()
            if chosen:
                parts.append((chosen, member.predict([photos[index] for index in chosen], progress)))
        order = np.argsort(np.concatenate([chosen for chosen, _ in parts]))
        logits = np.concatenate([outputs.logits for _, outputs in parts])
        return Outputs(logits[order], np.concatenate([outputs.features for _, outputs in parts])[order])

    def parts_of(dataset: Dataset) -> Keys:
        seen = frozenset(photo.key for photo in dataset.photos) - frozenset(seats)
        return {"train": seen, "val": frozenset(seats), "test": frozenset()}

    return replace(
        members[0],
        name=f"{members[0].recipe}, {len(members)} folds",
        role=f"{members[0].role}, {len(members)} folds",
        training=(),
        predict=predict,
        parts_of=parts_of,
        members=tuple(members),
    )


def _held_out(parts: Keys) -> frozenset[str]:
    return parts["val"] | parts["test"]
