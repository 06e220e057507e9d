"""Predictions of a run for a picture, a text, or both: its own, and those of its member models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from waste_edge.imaging.frames import Pixels
from waste_edge.metrics.classification import softmax
from waste_edge.training.input_pipeline.inputs import Inputs, run_network
from waste_edge.training.runs import Run


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction of one model.

    Attributes:
        labels: as many as logits; a member of a cascade has others than the whole.
        logits: float32 (C,).
        probabilities: float64 (C,).
    """

    labels: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]

    @property
    def label(self) -> str:
        """Most probable label."""
        return self.labels[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Probability of the most probable label."""
        return float(self.probabilities.max())


class RunPredictor:
    """A run to be asked: its networks in evaluation mode, and what they read."""

    def __init__(self, run: Run) -> None:
        self._labels = tuple(run.info.labels)
        self._network = run.as_trained()
        self._members = {name: (tuple(member.info.labels), member.as_trained()) for name, member in run.members.items()}
        self._reader = run.reader()
        reads = getattr(self._network, "reads", ("pixels",))
        self.looks = "pixels" in reads
        self.reads_text = "tokens" in reads

    def predict(self, pixels: Pixels | None, text: str) -> tuple[Prediction, dict[str, Prediction]]:
        """The model's answer, and each member's by name.

        Args:
            pixels: uint8 (H, W, 3) RGB; None for a model of text alone.
            text: not looked at by a model of pictures alone.
        """
        inputs = self._reader.inputs([] if pixels is None else [pixels], [text])
        members = {name: _prediction(network, labels, inputs) for name, (labels, network) in self._members.items()}
        return _prediction(self._network, self._labels, inputs), members


def _prediction(network: nn.Module, labels: tuple[str, ...], inputs: Inputs) -> Prediction:
    with torch.inference_mode():
        logits = run_network(network, inputs)[0][0].float().numpy()
    return Prediction(labels, logits, softmax(logits[None])[0])
