"""Runs and bundles as one thing to be measured. Torch is imported for runs alone."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Calibration
from waste_edge.dataset import Dataset, LabelMap, Part, Photo, SplitSpec, split
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.errors import MissingPackageError, RunError
from waste_edge.evaluation.evaluate import Outputs, Progress, predict_photos
from waste_edge.evaluation.report.content import Epoch, Facts
from waste_edge.imaging.preprocess import InputSpec, prepare
from waste_edge.rejection import Scorer

if TYPE_CHECKING:
    from waste_edge.training.runs import Run

Keys = dict[Part, frozenset[str]]


@dataclass(frozen=True, eq=False)
class Model:
    """Something that can be asked about pictures, and what a report says of it.

    Attributes:
        name: as it is called in the report.
        kind: a recipe without its seeds and fold; runs with the same are folded into one row. Empty for a bundle.
        identity: the weights' SHA-256, by which a student names its teacher.
        label_map: which labels of its data its own stand for.
        fingerprint, split: of the data that it was trained on, and how these were divided.
        artifact, calibration, scorer: a bundle's; None for a run.
        ask: logits and features for photos.
        timed: from a photo to a call that answers it, read and prepared before.
        parts_of: which pictures of its own data were in which part.
        run: the opened run; None for a bundle.
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
    ask: Callable[[Sequence[Photo], Progress], Outputs]
    timed: Callable[[Photo], Callable[[], object]]
    parts_of: Callable[[Dataset], Keys]
    scorer: Scorer | None = None
    run: Run | None = None
    members: tuple[Model, ...] = ()


def model_of_run(folder: Path, name: str) -> Model:
    """A run's folder.

    Raises:
        MissingPackageError: torch is not installed.
        RunError: see `open_run`.
    """
    try:
        from waste_edge.training.evaluation.evaluate import answers_of_run, macs_of_run, timed_call_of_run
        from waste_edge.training.networks import count_parameters
        from waste_edge.training.runs import WEIGHTS_NAME, open_run
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{folder}: a training run needs {error.name}, not installed here; pip install 'waste-edge[train]'"
        ) from error
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
            input=_size_in_words(info.recipe.input),
        ),
        artifact=None,
        calibration=None,
        training=tuple(_read_epochs(folder / "metrics.jsonl")),
        ask=partial(answers_of_run, run),
        timed=partial(timed_call_of_run, run),
        parts_of=lambda dataset: _written_parts(folder / "split.csv"),
        run=run,
    )


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
            input=_size_in_words(manifest.input),
        ),
        artifact=chosen,
        calibration=manifest.calibration,
        scorer=classifier.scorer,
        training=(),
        ask=partial(_ask_classifier, classifier),
        timed=partial(_timed_classifier, classifier),
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
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                found[msgspec.convert(row["part"], Part)].add(row["file"])
    except (OSError, UnicodeDecodeError, KeyError, csv.Error, msgspec.ValidationError) as error:
        raise RunError(f"{path}: missing or damaged ({error!r}); it says which pictures the run has seen") from error
    return {part: frozenset(keys) for part, keys in found.items()}


def _read_epochs(path: Path) -> list[Epoch]:
    """The epochs of `metrics.jsonl`, whatever else its lines hold; none if a run keeps no such file."""
    if not path.is_file():
        return []
    try:
        lines = msgspec.json.Decoder().decode_lines(path.read_bytes())
        return [Epoch(epoch=line["epoch"], loss=line["loss"], val_accuracy=line.get("val_accuracy")) for line in lines]
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError) as error:
        raise RunError(f"{path}: damaged ({error!r}); the training's curves cannot be drawn") from error


def _size_in_words(spec: InputSpec | None) -> str:
    return f"{spec.width_px}x{spec.height_px}" if spec else "text"
