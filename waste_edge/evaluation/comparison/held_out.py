"""Pictures on which several models may be compared: those that none of them was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waste_edge.dataset import Dataset, Photo, stratified
from waste_edge.errors import DataError, UserError
from waste_edge.evaluation.comparison.models import Keys, Model
from waste_edge.evaluation.evaluate import PartChoice, choose_photos

MOST_TRAINING_PICTURES = 600  # for the class means in feature space; more hardly move them


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures to measure models with.

    Attributes:
        scored: what every number is taken on.
        fitting: what temperatures and thresholds are fitted on; the scored ones themselves where there are no others.
        training: by model, some of the pictures it was trained on; empty for a model made from other data.
        protocol, fitted_on: which the scored and the fitting ones are, in words.
    """

    scored: list[Photo]
    fitting: list[Photo]
    training: dict[str, list[Photo]]
    protocol: str
    fitted_on: str


def check_labels_agree(models: Sequence[Model]) -> None:
    """Raise UserError naming the first two models whose labels, or maps to them, differ; the order is no difference."""
    first = models[0]
    for other in models[1:]:
        if set(other.labels) != set(first.labels):
            raise UserError(
                f"{other.name} has the labels {', '.join(other.labels)}, {first.name} has {', '.join(first.labels)}; "
                "models with different labels cannot be compared"
            )
        if other.label_map != first.label_map:
            raise UserError(
                f"{other.name} and {first.name} read the data's labels differently (the [labels] of their recipes); "
                "they cannot be compared on the same pictures"
            )


def pictures_for_one(model: Model, dataset: Dataset, part: PartChoice) -> Pictures:
    """The pictures of `evaluate`: the wanted part; temperature and thresholds are fitted on the validation part.

    Raises:
        DataError: the wanted part is empty.
    """
    scored, protocol = choose_photos(dataset, part, model.split, model.fingerprint)
    return _gathered(dataset, _own_parts([model], dataset), scored, protocol)


def pictures_for_all(models: Sequence[Model], dataset: Dataset) -> Pictures:
    """The pictures that none of the models was trained on: the common test part if there is one.

    Raises:
        DataError: no such picture is left.
    """
    own = _own_parts(models, dataset)
    if not own:
        protocol = f"all {len(dataset.photos)} pictures of data that none of the models was trained on"
        return _gathered(dataset, own, list(dataset.photos), protocol)
    total, alike = len(dataset.photos), len({frozenset(parts.items()) for parts in own.values()}) == 1
    test = frozenset.intersection(*(parts["test"] for parts in own.values()))
    if test:
        scored, name = _named(dataset, test), "test part" if alike else "common part of the models' test parts"
    else:
        scored = _named(dataset, frozenset.intersection(*(parts["val"] | parts["test"] for parts in own.values())))
        name = "validation part" if alike else "part that none of the models was trained on"
    if not scored:
        raise DataError(
            f"{dataset.root}: each of the {total} pictures was trained on by one of the models "
            f"({', '.join(own)}), since their splits differ; give other pictures, or models of one split"
        )
    others = [model.name for model in models if model.name not in own]
    strangers = f"; {', '.join(others)}: made from other data" if others else ""
    protocol = f"the {name}, {len(scored)} of {total} pictures of the models' own data{strangers}"
    return _gathered(dataset, own, scored, protocol)


def _own_parts(models: Sequence[Model], dataset: Dataset) -> dict[str, Keys]:
    """Get, by name, the parts of those models that were made from these very data."""
    fingerprint = dataset.fingerprint()
    return {model.name: model.parts_of(dataset) for model in models if model.fingerprint == fingerprint}


def _gathered(dataset: Dataset, own: dict[str, Keys], scored: list[Photo], protocol: str) -> Pictures:
    """Fit on the common validation pictures if these are others than the scored ones, else on the scored ones."""
    validation = _named(dataset, frozenset.intersection(*(parts["val"] for parts in own.values()))) if own else []
    apart = bool(validation) and not {photo.key for photo in validation} & {photo.key for photo in scored}
    training = {
        name: stratified(dataset, _named(dataset, parts["train"]), MOST_TRAINING_PICTURES, seed=0)
        for name, parts in own.items()
    }
    words = f"the validation part, {len(validation)} pictures" if apart else "the scored pictures themselves"
    return Pictures(scored, validation if apart else scored, training, protocol, words)


def _named(dataset: Dataset, keys: frozenset[str]) -> list[Photo]:
    return [photo for photo in dataset.photos if photo.key in keys]
