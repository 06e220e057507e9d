"""Runs and bundles as one thing to be measured; `training.evaluation.run_model` makes one of a run.

Runs of one recipe on different folds make one model, too, which is asked only about what it has not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Calibration
from waste_edge.dataset import Dataset, LabelMap, Part, Photo, SplitSpec, split
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.evaluation.evaluate import Outputs, Progress, predict_photos
from waste_edge.evaluation.report.content import Epoch, Facts
from waste_edge.imaging.preprocess import InputSpec, prepare
from waste_edge.rejection import Scorer

Keys = dict[Part, frozenset[str]]


@dataclass(frozen=True, eq=False)
class Model:
    """Model that predicts pictures, with the facts that a report gives of it.

    Attributes:
        name: as it is called in the report.
        kind: a recipe without its seeds and fold; runs with the same are folded into one row. Empty for a bundle.
        identity: the weights' SHA-256, by which a student names its teacher.
        label_map: which labels of its data its own stand for.
        fingerprint, split: of the data that it was trained on, and how these were divided.
        artifact, calibration, scorer: a bundle's; None for a run.
        predict: logits and features for photos.
        timed: from a photo to a call that answers it, read and prepared before.
        parts_of: which pictures of its own data were in which part.
        run: the opened run; None for a bundle.
        domains: pictures of each source of a domains file that taught it beside its data.
        members: the runs it is put together from, if each answers for the pictures it was not trained on.
    """

    name: str
    role: str
    engine: str
    recipe: str
    kind: str
    identity: str
    teacher: str
    labels: tuple[str, ...]
    label_map: LabelMap
    fingerprint: str
    split: SplitSpec
    facts: Facts
    artifact: ArtifactName | None
    calibration: Calibration | None
    training: tuple[Epoch, ...]
    predict: Callable[[Sequence[Photo], Progress], Outputs]
    timed: Callable[[Photo], Callable[[], object]]
    parts_of: Callable[[Dataset], Keys]
    scorer: Scorer | None = None
    run: Any = None  # of training.runs; this room knows nothing of torch
    members: tuple[Model, ...] = ()
    domains: Mapping[str, int] = field(default_factory=dict)


def model_of_bundle(bundle: Bundle, artifact: ArtifactName | None, name: str) -> Model:
    """One of a bundle's networks; INT8 on the preferred engine if none is named.

    Raises:
        BundleError, MissingPackageError, EngineError: see `load_classifier`.
    """
    classifier = load_classifier(bundle, artifact=artifact)
    manifest, chosen = bundle.manifest, classifier.artifact
    entry = manifest.artifacts[chosen]
    return Model(
        name=f"{name}:{chosen}",
        role="INT8" if chosen.endswith("int8") else "FP32",
        engine=classifier.engine.name,
        recipe=manifest.provenance.recipe,
        kind="",
        identity=entry.sha256,
        teacher=manifest.provenance.teacher,
        labels=tuple(manifest.labels),
        label_map=manifest.provenance.label_map,
        fingerprint=manifest.provenance.data_fingerprint,
        split=manifest.provenance.split,
        facts=Facts(
            size_bytes=entry.size_bytes,
            parameters=manifest.parameters,
            macs=entry.macs,
            input=size_in_words(manifest.input),
        ),
        artifact=chosen,
        calibration=manifest.calibration,
        scorer=classifier.scorer,
        training=(),
        predict=partial(_ask_classifier, classifier),
        timed=partial(_timed_classifier, classifier),
        domains=manifest.provenance.domains,
        parts_of=lambda dataset: {
            part: frozenset(photo.key for photo in photos)
            for part, photos in split(dataset, manifest.provenance.split).items()
        },
    )


def _ask_classifier(classifier: Classifier, photos: Sequence[Photo], progress: Progress) -> Outputs:
    answers = predict_photos(classifier, photos, progress)
    return Outputs(answers.logits, answers.features)


def _timed_classifier(classifier: Classifier, photo: Photo) -> Callable[[], object]:
    return partial(classifier.engine.infer, prepare(photo.pixels(), classifier.manifest.input))


def size_in_words(spec: InputSpec | None) -> str:
    """The size of the pictures that a model takes; "text" for one that takes none."""
    return f"{spec.width_px}x{spec.height_px}" if spec else "text"


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


def held_out_members(model: Model, dataset: Dataset, photos: Sequence[Photo]) -> list[int]:
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
