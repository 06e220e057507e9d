"""An export recipe: how a run is quantized, and how its thresholds are chosen."""

from __future__ import annotations

from typing import Literal

from waste_edge.resources import find
from waste_edge.strict import Strict, read_toml


class ExportRecipe(Strict, frozen=True):
    """One `export/*.toml`.

    Attributes:
        name: decodes to what is done: static quantization, weights and activations of 8 bits.
        calibration_pictures: how many training pictures set the activations' ranges.
        calibration_seed: which ones.
        min_confidence: written into the manifest; below it the answer is "unknown".
        known_share: the share of validation pictures whose known score must pass the threshold.
    """

    name: Literal["static_wi8_ai8"]
    calibration_pictures: int = 200
    calibration_seed: int = 0
    min_confidence: float = 0.4
    known_share: float = 0.99

    def __post_init__(self) -> None:
        if self.calibration_pictures < 1:
            raise ValueError(f"calibration_pictures must be at least 1, got {self.calibration_pictures}")
        if not 0.0 <= self.min_confidence < 1.0 or not 0.5 <= self.known_share <= 1.0:
            raise ValueError("min_confidence must be 0 to 1, known_share 0.5 to 1")


def read_export_recipe(given: str) -> ExportRecipe:
    """Read an export recipe by path or shipped name; raises ConfigError naming what is wrong."""
    return read_toml(find(given, "export"), ExportRecipe)
