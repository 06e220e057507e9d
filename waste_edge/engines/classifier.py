"""A bundle ready to answer: preprocessing, engine, calibrated probabilities, rejection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Calibration, Manifest
from waste_edge.engines.engine import (
    ENGINE_NAMES,
    NOT_FINITE,
    Engine,
    EngineName,
    Output,
    Precision,
    artifact_of,
    installed_engines,
    is_finite,
    require_engine,
)
from waste_edge.engines.interface import as_kept, headed
from waste_edge.engines.names import AUTO, ENGINES
from waste_edge.engines.trial.trial import load_artifact
from waste_edge.errors import BundleError, EngineError
from waste_edge.heads import Head
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import WHOLE, InputSpec, Region, prepare
from waste_edge.metrics.classification import softmax
from waste_edge.rejection import Scorer
from waste_edge.taxonomy import UNKNOWN


@dataclass(frozen=True)
class ModelId:
    """Identity of a network, and of the bundle whose calibration judges what it answers.

    Attributes:
        bundle: hexadecimal SHA-256 of the bundle's manifest.
        title: name and version of the bundle.
        artifact: which of its networks.
        network: hexadecimal SHA-256 of that network's file.
        input: what the network is shown.
    """

    bundle: str
    title: str
    artifact: ArtifactName
    network: str
    input: InputSpec


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction for one picture.

    Attributes:
        label: the most probable label, or "unknown" if the bundle's thresholds reject it.
        best: the most probable label, whatever the thresholds say.
        confidence: its calibrated probability.
        probabilities: float64 (C,), calibrated, in label order.
        known_score: larger means more like the known classes; by the bundle's own score.
        features: float32 (F,), pooled, rounded to float16.
        latency_ms: preprocessing and inference, on this machine.
        logits: float32 (L,), as the network itself gave them, also where another head stands in the place of its own.
        model: what answered; None if that is not known, as of a network without a bundle.
    """

    label: str
    best: str
    confidence: float
    probabilities: NDArray[np.float64]
    known_score: float
    features: NDArray[np.float32]
    latency_ms: float
    logits: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    model: ModelId | None = None


def prediction_fields(prediction: Prediction, labels: Sequence[str]) -> dict[str, Any]:
    """A prediction's fields as `classify --json` and the page's `POST /classify` have them."""
    return {
        "label": prediction.label,
        "confidence": prediction.confidence,
        "probabilities": dict(zip(labels, prediction.probabilities.tolist(), strict=True)),
        "known_score": prediction.known_score,
        "latency_ms": prediction.latency_ms,
    }


@dataclass(frozen=True, eq=False)
class Predictor:
    """The step from a network's answer to a prediction: temperature, known score, thresholds. It needs no engine.

    Attributes:
        manifest: of the bundle.
        scorer: its known score.
        model: which bundle and network; goes into every prediction.
        head: the station's, if the bundle has one; loaded engines apply it themselves.
    """

    manifest: Manifest
    scorer: Scorer
    model: ModelId | None = None
    head: Head | None = None

    def predict(self, output: Output, latency_ms: float = 0.0) -> Prediction:
        """Turn a network's answer, all of it finite, into a prediction.

        The same answer gives the same prediction, bit for bit, now and when it is replayed from what a station kept.
        """
        features = as_kept(output.features)
        calibration = self.manifest.calibration
        probabilities = softmax(output.logits, calibration.temperature)
        best = int(probabilities.argmax())
        label, confidence = self.manifest.labels[best], float(probabilities[best])
        known_score = float(self.scorer(output.logits[None], features[None])[0])
        return Prediction(
            label=apply_thresholds(label, confidence, known_score, calibration),
            best=label,
            confidence=confidence,
            probabilities=probabilities,
            known_score=known_score,
            features=features,
            latency_ms=latency_ms,
            logits=output.logits if output.network_logits is None else output.network_logits,
            model=self.model,
        )

    def predict_kept(self, kept: Output) -> Prediction:
        """Turn what a station kept of an answer, the network's own logits and features, into a prediction.

        Raises:
            ValueError: they are of another number of labels or features than the bundle's.
        """
        labels, features = len(self.manifest.network_labels), self.manifest.features
        if kept.logits.shape != (labels,) or kept.features.shape != (features,):
            raise ValueError(
                f"{kept.logits.size} logits and {kept.features.size} features were kept, the bundle has {labels} and "
                f"{features}"
            )
        return self.predict(kept if self.head is None else headed(kept, self.head))


def predictor_of(bundle: Bundle, artifact: ArtifactName) -> Predictor:
    """Build what judges the answers of one of a bundle's networks; the network itself is not loaded.

    Raises:
        BundleError: what the known score learnt is damaged, or the bundle has no such artifact.
    """
    manifest = bundle.manifest
    if artifact not in manifest.artifacts:
        raise BundleError(f"{bundle.source}: has no artifact {artifact}; it has {', '.join(manifest.artifacts)}")
    title, network = f"{manifest.name} {manifest.version}", manifest.artifacts[artifact].sha256
    model = ModelId(bundle.digest, title, artifact, network, manifest.input)
    return Predictor(manifest, bundle.known_scorer(), model, bundle.head())


class Classifier:
    """A loaded bundle. Not thread-safe: one thread owns it."""

    def __init__(
        self,
        engine: Engine,
        manifest: Manifest,
        artifact: ArtifactName,
        scorer: Scorer,
        model: ModelId | None = None,
    ) -> None:
        self.engine = engine
        self.manifest = manifest
        self.artifact = artifact
        self.scorer = scorer
        self.labels: tuple[str, ...] = tuple(manifest.labels)
        self._predictor = Predictor(manifest, scorer, model)

    def classify(self, pixels: Pixels, region: Region = WHOLE) -> Prediction:
        """Classify a picture of any size, uint8 (H, W, 3) RGB."""
        started = time.perf_counter_ns()
        output = self.engine.infer(prepare(pixels, self.manifest.input, region))
        latency_ms = (time.perf_counter_ns() - started) / 1e6
        return self.predict(output, latency_ms)

    def predict(self, output: Output, latency_ms: float) -> Prediction:
        """Turn an engine's answer into a prediction.

        Raises:
            EngineError: a number of it is not finite, and would pass any threshold.
        """
        if not is_finite(output):
            raise EngineError(f"{self.engine.name}: {self.artifact} gave {NOT_FINITE}")
        return self._predictor.predict(output, latency_ms)


def apply_thresholds(best: str, confidence: float, known_score: float, calibration: Calibration) -> str:
    """`best`, or "unknown" where the thresholds reject it; `device/decision/policy.py` rejects items at a bin."""
    if confidence < calibration.min_confidence or known_score < calibration.min_known_score:
        return UNKNOWN
    return best


def load_classifier(
    bundle: Bundle,
    engine: EngineName = "auto",
    precision: Precision = "int8",
    threads: int = 1,
    artifact: ArtifactName | None = None,
) -> Classifier:
    """Load one of a bundle's artifacts.

    Args:
        engine: `auto` is the preferred installed engine that the bundle has an artifact for.
        precision: which of the engine's two artifacts.
        threads: of the engine.
        artifact: names the artifact outright; precision is then not looked at, nor is engine unless it is a plug-in.

    Raises:
        BundleError, MissingPackageError, EngineError, ConfigError: see `load_artifact`, `Bundle.known_scorer`.
    """
    if artifact is None:
        engine = _preferred(bundle, precision) if engine == AUTO else engine
        artifact = artifact_of(engine, precision)
    plugin = None if engine in (AUTO, *ENGINES) else engine
    loaded = load_artifact(bundle, artifact, threads, plugin)
    judge = predictor_of(bundle, artifact)
    return Classifier(loaded, bundle.manifest, artifact, judge.scorer, judge.model)


def _preferred(bundle: Bundle, precision: Precision) -> EngineName:
    present = installed_engines()
    for engine in present:
        if artifact_of(engine, precision) in bundle.manifest.artifacts:
            return engine
    if not present:
        require_engine(ENGINE_NAMES[0])
    raise BundleError(f"{bundle.source}: has no {precision} artifact for {' or '.join(present)}, installed here")
