"""The accuracy gate: INT8 against the same engine's FP32, on validation pictures, before anything is packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import Photo
from waste_edge.evaluation.evaluate import truth_of
from waste_edge.export.recipe import ExportRecipe
from waste_edge.metrics.classification import Comparison, compare

_REFERENCES: dict[ArtifactName, ArtifactName] = {"onnx-int8": "onnx-fp32", "tflite-int8": "tflite-fp32"}


def compare_quantized(
    logits: Mapping[ArtifactName, NDArray[Any]], photos: Sequence[Photo], labels: Sequence[str]
) -> dict[ArtifactName, Comparison]:
    """Each INT8 artifact held against its engine's FP32 one.

    Args:
        logits: (N, C) by artifact, all four.
        photos: the N validation pictures.
        labels: in output order.
    """
    truth, keys = truth_of(photos, labels), [photo.key for photo in photos]
    return {
        name: compare(logits[reference], logits[name], truth, labels, keys) for name, reference in _REFERENCES.items()
    }


def complaint(comparisons: Mapping[ArtifactName, Comparison], recipe: ExportRecipe) -> str:
    """Explain why the accuracy gate refuses, with the numbers; empty if it accepts.

    The measured drop decides, not its interval: a bundle that may only be worse by chance is still worse on all
    that is known of it. The interval says how much that is worth.
    """
    failing = [
        f"{name} {one.accuracy:.1%} against {one.reference_accuracy:.1%} in FP32, {describe_drop(one)}, "
        f"same label in {one.agreement:.1%}{_worst(one)}"
        for name, one in comparisons.items()
        if not one.drop_points <= recipe.max_drop_points
    ]
    if not failing:
        return ""
    return f"{recipe.name}: more than {recipe.max_drop_points:g} points lost on validation: " + "; ".join(failing)


def describe_drop(comparison: Comparison) -> str:
    """The drop with its interval, e.g. `1.2 points lower (95 %: 0.1 to 2.4)`; or the gain."""
    if comparison.drop_points <= 0:
        return f"{abs(comparison.drop_points):.1f} points higher ({comparison.pictures} pictures)"
    return (
        f"{comparison.drop_points:.1f} points lower "
        f"(95 %: {comparison.drop_low_points:.1f} to {comparison.drop_high_points:.1f}, "
        f"{comparison.pictures} pictures)"
    )


def remedy(recipes: Sequence[ExportRecipe]) -> str:
    """Suggest the next step, given what was tried."""
    found = []
    if len(recipes) == 1:
        found.append("--best for the other recipes")
    found.append("--debug DIR to see which layer loses it, then keep_fp32 in the recipe for that layer")
    found.append("more calibration_pictures, or a higher max_drop_points if the loss is acceptable")
    return "try " + "; ".join(found)


def preference(comparisons: Mapping[ArtifactName, Comparison]) -> tuple[float, float]:
    """Larger is better: accuracy, then agreement with FP32, each the mean of both INT8 artifacts."""
    accuracy = float(np.mean([one.accuracy for one in comparisons.values()]))
    return round(accuracy, 6), round(float(np.mean([one.agreement for one in comparisons.values()])), 6)


def _worst(comparison: Comparison) -> str:
    if not comparison.worst:
        return ""
    first = comparison.worst[0]
    return (
        f", worst {first.picture} ({first.reference} {first.reference_probability:.0%} in FP32, "
        f"{first.answer} {first.answer_probability:.0%} in INT8)"
    )
