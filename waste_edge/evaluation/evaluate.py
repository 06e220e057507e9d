"""Scoring a loaded bundle on labelled photographs: for `evaluate`, and for export's parity check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Calibration
from waste_edge.dataset import Dataset, Part, Photo, SplitSpec, group_near_duplicates, open_dataset, split
from waste_edge.engines.classifier import Classifier, apply_thresholds, load_classifier
from waste_edge.engines.interface import Output, as_kept
from waste_edge.errors import DataError
from waste_edge.evaluation.unknowns import RejectionResult
from waste_edge.files.strict import Strict
from waste_edge.imaging.preprocess import prepare
from waste_edge.metrics.classification import Scores, score, softmax
from waste_edge.taxonomy import UNKNOWN

Progress = Callable[[int, int], None]  # called with pictures done and pictures in all
PartChoice = Literal["auto", "train", "val", "test", "all"]
_OTHER_DATA = "data that are not exactly those the model was made from"
_PART_IN_WORDS: dict[Part, str] = {"train": "training", "val": "validation", "test": "test"}


def without_progress(done: int, total: int) -> None:
    """A progress callback that tells nobody."""


class Outputs(NamedTuple):
    """Outputs of a network for N pictures, in order: `logits` float32 (N, C), pooled `features` float32 (N, F)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]

    @classmethod
    def stacked(cls, rows: Sequence[Output]) -> Outputs:
        """One picture's outputs after the other, in order."""
        return cls(np.stack([row.logits for row in rows]), np.stack([row.features for row in rows]))


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions of a classifier for N pictures, in their order.

    Attributes:
        logits: float32 (N, C), as the network gave them.
        features: float32 (N, F), pooled.
        probabilities: float64 (N, C), calibrated by the bundle's temperature.
        latency_ms: float64 (N,), preprocessing and inference without reading the file.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    latency_ms: NDArray[np.float64]


class Evaluation(Strict, frozen=True):
    """Accuracy of a model, and the data and protocol it was measured on.

    Attributes:
        model: the bundle or the run, as it was given.
        artifact: which network of a bundle; None for a run.
        engine: what ran it, with its version.
        protocol: which pictures were scored, in words.
        scores: the numbers.
        rejection: how well known and unknown pictures can be told apart, if that was asked for.
        unknown: which pictures were held to be unknown, in words; empty if there were none.
        called_unknown: share of these that the bundle's two thresholds together call unknown; None for a run.
        elsewhere: the scores on the same items in strange places, if that was asked for; `place` says which.
    """

    model: str
    artifact: ArtifactName | None
    engine: str
    protocol: str
    scores: Scores
    rejection: list[RejectionResult] = msgspec.field(default_factory=list)
    unknown: str = ""
    called_unknown: float | None = None
    elsewhere: Scores | None = None
    place: str = ""


def evaluate_bundle(
    bundle: Bundle,
    data: Path,
    artifact: ArtifactName | None = None,
    part: PartChoice = "auto",
    progress: Progress = without_progress,
) -> Evaluation:
    """Score one of a bundle's networks on labelled pictures.

    Args:
        data: labelled pictures; see `open_dataset`.
        artifact: which network; INT8 on the preferred engine if None.
        part: which pictures; see `choose_photos`.

    Raises:
        BundleError, MissingPackageError, EngineError: see `load_classifier`.
        DataError, PictureError: the pictures cannot be used.
    """
    manifest = bundle.manifest
    classifier = load_classifier(bundle, artifact=artifact)
    dataset = open_dataset(data, manifest.labels, manifest.provenance.label_map)
    photos, protocol = choose_photos(dataset, part, manifest.provenance.split, manifest.provenance.data_fingerprint)
    return evaluate_photos(bundle, classifier, photos, protocol, progress)


def evaluate_photos(
    bundle: Bundle, classifier: Classifier, photos: Sequence[Photo], protocol: str, progress: Progress
) -> Evaluation:
    """Score a loaded bundle on these photographs; `protocol` says in words which they are."""
    manifest = classifier.manifest
    answers = predict_photos(classifier, photos, progress)
    truth, known = truth_of(photos, manifest.labels), classifier.scorer(answers.logits, answers.features)
    scores = score_logits(answers.logits, known, truth, manifest.labels, manifest.calibration)
    return Evaluation(
        model=str(bundle.source),
        artifact=classifier.artifact,
        engine=classifier.engine.name,
        protocol=protocol,
        scores=scores,
    )


def predict_photos(classifier: Classifier, photos: Sequence[Photo], progress: Progress = without_progress) -> Answers:
    """Ask a classifier about photographs, one at a time as a device would.

    Raises:
        DataError: there are no photographs.
        PictureError: one of them cannot be read.
    """
    if not photos:
        raise DataError("no pictures to score; give --data with pictures in it")
    logits, features, latency_ms = [], [], []
    for index, photo in enumerate(photos):
        pixels = photo.pixels()
        started = time.perf_counter_ns()
        output = classifier.engine.infer(prepare(pixels, classifier.manifest.input))
        latency_ms.append((time.perf_counter_ns() - started) / 1e6)
        logits.append(output.logits)
        features.append(as_kept(output.features))  # as every prediction is judged
        progress(index + 1, len(photos))
    stacked = np.stack(logits)
    probabilities = softmax(stacked, classifier.manifest.calibration.temperature)
    return Answers(stacked, np.stack(features), probabilities, np.array(latency_ms))


def truth_of(photos: Sequence[Photo], labels: Sequence[str]) -> NDArray[np.int64]:
    """The photographs' labels as indices into `labels`, int64 (N,).

    Raises:
        DataError: a photograph has a label that is not among `labels`.
    """
    index_of = {label: index for index, label in enumerate(labels)}
    for photo in photos:
        if photo.label not in index_of:
            raise DataError(f"{photo.key}: label {photo.label} is unknown to the model, which has {', '.join(labels)}")
    return np.array([index_of[photo.label] for photo in photos], np.int64)


def score_logits(
    logits: NDArray[np.float32],
    known: NDArray[np.float64],
    truth: NDArray[np.int64],
    labels: Sequence[str],
    calibration: Calibration,
) -> Scores:
    """All scores of (N, C) logits and (N,) known scores under a calibration, with the share that it rejects.

    Takes logits, not probabilities, since export scores the same answers again once it has fitted a temperature.
    """
    rejected = rejected_by(calibration, logits, known)
    return score(softmax(logits, calibration.temperature), truth, list(labels), rejected)


def rejected_by(calibration: Calibration, logits: NDArray[np.float32], known: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask the N pictures that are called unknown by either threshold, given logits (N, C) and known scores (N,)."""
    confidences = softmax(logits, calibration.temperature).max(axis=1)
    return np.array(
        [
            apply_thresholds("", float(confidence), float(one), calibration) == UNKNOWN
            for confidence, one in zip(confidences, known, strict=True)
        ]
    )


def choose_photos(dataset: Dataset, part: PartChoice, spec: SplitSpec, fingerprint: str) -> tuple[list[Photo], str]:
    """The photographs to score, and a sentence that says which they are.

    Args:
        dataset: what --data holds.
        part: `auto` is the validation part of the data that the model was trained on, all of any other data.
        spec: how the model's own data were split.
        fingerprint: of the data that the model was trained on.

    Raises:
        DataError: the wanted part is empty.
    """
    own = dataset.fingerprint() == fingerprint
    if part == "all" or (part == "auto" and not own):
        whose = "the model's own data, training pictures among them" if own else _OTHER_DATA
        return list(dataset.photos), f"all {len(dataset.photos)} pictures of {whose}"
    wanted: Part = "val" if part == "auto" else part
    photos = split(group_near_duplicates(dataset), spec)[wanted]
    words = _PART_IN_WORDS[wanted]
    if not photos:
        raise DataError(
            f"{dataset.root}: the {words} part is empty (val_fraction {spec.val_fraction}, test_fraction "
            f"{spec.test_fraction}, {len(dataset.photos)} pictures); use --split all or more pictures"
        )
    how = _in_words(dataset, spec, wanted)
    whose = "the model's own data" if own else _OTHER_DATA
    return photos, f"the {words} part, {len(photos)} of {len(dataset.photos)} pictures of {whose} ({how})"


def _in_words(dataset: Dataset, spec: SplitSpec, part: Part) -> str:
    if any(photo.part == part for photo in dataset.photos):
        return "divided by the data themselves"
    by = "group" if dataset.grouped else "picture, near-duplicates together,"
    fold = f", fold {spec.fold} of 0 to {spec.folds - 1}" if spec.folds else ""
    return f"split by {by} and label, seed {spec.seed}{fold}"
