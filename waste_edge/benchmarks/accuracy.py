"""Accuracy of the networks that were timed, so that a fast wrong model cannot look good.

With labelled pictures: accuracy with its interval, and INT8 against FP32 on the same pictures. Without: whether the
golden inputs get the label that FP32 gave them where the bundle was exported. That is agreement, not accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.schema import Accuracy, Agreement, Difference
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.dataset import open_dataset
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.names import EngineName, format_of
from waste_edge.engines.trial.trial import load_artifact
from waste_edge.engines.verify import GoldenSet, read_golden
from waste_edge.evaluation.evaluate import choose_photos, predict_photos, truth_of
from waste_edge.metrics.classification import paired_interval, wilson_interval

Network = tuple[ArtifactName, EngineName]  # an artifact on an engine


@dataclass
class AccuracyTest:
    """Labelled pictures that a bundle's networks are asked about, each network once however many rows it has."""

    bundle: Bundle
    data: Path
    right: dict[Network, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        manifest = self.bundle.manifest
        dataset = open_dataset(self.data, manifest.labels)
        source = manifest.provenance
        self._photos, self.protocol = choose_photos(dataset, "auto", source.split, source.data_fingerprint)
        self._truth = truth_of(self._photos, manifest.labels)

    def take(self, network: Network, progress: Callable[[int, int], None]) -> Accuracy:
        """Ask a network about all pictures; errors as in `predict_photos`."""
        artifact, engine = network
        classifier = load_classifier(self.bundle, engine, artifact=artifact)
        right = predict_photos(classifier, self._photos, progress).logits.argmax(axis=1) == self._truth
        self.right[network] = right
        low, high = wilson_interval(int(right.sum()), len(right))
        return Accuracy(pictures=len(right), accuracy=float(right.mean()), low=low, high=high)

    def difference(self, int8: Network, fp32: Network, keys: tuple[str, str]) -> Difference:
        """INT8 minus FP32, both examined already; `keys` are their rows'."""
        after, before = self.right[int8], self.right[fp32]
        low, high = paired_interval(after, before)
        return Difference(
            int8=keys[0],
            fp32=keys[1],
            pictures=len(after),
            points=100 * (int(after.sum()) - int(before.sum())) / len(after),
            low_points=100 * low,
            high_points=100 * high,
        )


def agreement(bundle: Bundle, network: Network) -> Agreement | None:
    """A network's labels on the golden inputs against the recorded ones of FP32; None for a bundle without FP32."""
    artifact, name = network
    golden = read_golden(bundle)
    reference = _reference(golden, artifact)
    if reference is None:
        return None
    engine = load_artifact(bundle, artifact, engine=name)
    given = np.array([int(engine.infer(picture).logits.argmax()) for picture in golden.pixels])
    same = int((given == golden.outputs[reference].logits.argmax(axis=1)).sum())
    low, high = wilson_interval(same, len(given))
    return Agreement(pictures=len(given), agreement=same / len(given), low=low, high=high, reference=reference)


def _reference(golden: GoldenSet, artifact: ArtifactName) -> ArtifactName | None:
    """FP32 of the same format, else of another."""
    names = [name for name in ARTIFACT_NAMES if name.endswith("fp32") and name in golden.outputs]
    return min(names, key=lambda name: format_of(name) != format_of(artifact), default=None)
