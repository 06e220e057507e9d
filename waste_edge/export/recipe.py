"""An export recipe: how a run is quantized, how much accuracy that may cost, and how its thresholds are chosen."""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.errors import ConfigError
from waste_edge.files.resources import find
from waste_edge.files.strict import Strict, read_toml
from waste_edge.rejection import KNOWN_SCORES, KnownScore

RangeMethod = Literal["minmax", "percentile", "mse", "entropy"]
KnownChoice = KnownScore | Literal["best"]

# In the order `--best` tries them: the plainest first, so that it wins a tie.
SHIPPED = (
    "static_wi8_ai8",
    "static_wi8_ai8_percentile",
    "static_wi8_ai8_mse",
    "static_wi8_ai8_entropy",
    "static_wi8_ai8_equalized",
    "static_wi8_ai8_mse_equalized",
)


class OnnxOptions(Strict, frozen=True):
    """Options of the ONNX file alone.

    Attributes:
        activations: `uint8` (U8S8) or `int8` (S8S8); weights are INT8 either way.
        reduce_range: weights of 7 bits. x86 CPUs without VNNI add two 8-bit products in 16 bits, which overflow.
    """

    activations: Literal["uint8", "int8"] = "uint8"
    reduce_range: bool = False


class ExportRecipe(Strict, frozen=True):
    """Export recipe, one `export/*.toml`.

    Attributes:
        name: decodes to what is done; see `decoded_name`.
        ranges: how the activations' ranges are chosen from the calibration pictures; see `ranges.choose_range`.
        percentile: the share, in percent, of an activation's values that `ranges = "percentile"` keeps at each end.
        equalize: rescale channels before quantizing; see `equalize.equalize`.
        keep_fp32: layers that stay FP32, by their names in the network, e.g. `blocks.3.2.conv_dw`.
        onnx: what only the ONNX file has.
        max_drop_points: how many points of validation accuracy INT8 may lie below FP32.
        calibration_pictures: how many training pictures set the activations' ranges.
        calibration_seed: which ones.
        known_score: by what the bundle tells the known from the unknown; see `rejection` and, for `best`, `known`.
        known_items: `linear_unit` and `nearest_exposed` learn from items as a station shows them too, where it shows
            items; see decision 037 for what that gives and costs.
        min_confidence: written into the manifest; below it the answer is "unknown".
        known_share: the share of scenes of validation items, by the mean of their looks, whose known score must pass
            the threshold. Of a bundle that is shown whole pictures: of validation pictures; with other sources'
            pictures (--calibration-domains) of all these domains together, each of equal weight.
        sorted_wrong: with such, min_confidence is the least at which at most this share of what is sorted elsewhere
            is wrong; without, or at 1, `min_confidence` is written as it is.
        home_weight: with such, what the validation pictures together count beside another source when temperature (and
            the threshold, where pictures set it) are fitted; the larger, the less is given away at home.
    """

    name: str
    ranges: RangeMethod = "minmax"
    percentile: float = 99.99
    equalize: bool = False
    keep_fp32: list[str] = msgspec.field(default_factory=list)
    onnx: OnnxOptions = OnnxOptions()
    max_drop_points: float = 1.0
    calibration_pictures: int = 200
    calibration_seed: int = 0
    known_score: KnownChoice = "max_logit"
    known_items: bool = True
    min_confidence: float = 0.4
    known_share: float = 0.99
    sorted_wrong: float = 0.05
    home_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.name != (wanted := decoded_name(self)):
            raise ValueError(f"name must decode to what the recipe does: expected {wanted!r}, got {self.name!r}")
        if not 90.0 <= self.percentile < 100.0:
            raise ValueError(f"percentile must be 90 to 100, got {self.percentile}")
        if not 0.0 <= self.max_drop_points <= 100.0:
            raise ValueError(f"max_drop_points must be 0 to 100, got {self.max_drop_points}")
        if self.calibration_pictures < 1:
            raise ValueError(f"calibration_pictures must be at least 1, got {self.calibration_pictures}")
        if not 0.0 <= self.min_confidence < 1.0 or not 0.5 <= self.known_share <= 1.0:
            raise ValueError("min_confidence must be 0 to 1, known_share 0.5 to 1")
        if not 0.0 < self.sorted_wrong <= 1.0:
            raise ValueError(f"sorted_wrong must be above 0 and at most 1, got {self.sorted_wrong}")
        if not 0.0 < self.home_weight <= 1000.0:
            raise ValueError(f"home_weight must be above 0 and at most 1000, got {self.home_weight}")


def decoded_name(recipe: ExportRecipe) -> str:
    """The only name a recipe may have: static quantization to 8 bits, then whatever is not the default."""
    parts = {
        recipe.ranges: recipe.ranges != "minmax",
        "equalized": recipe.equalize,
        "mixed": bool(recipe.keep_fp32),
        "s8s8": recipe.onnx.activations == "int8",
        "w7": recipe.onnx.reduce_range,
    }
    return "_".join(["static_wi8_ai8", *(part for part, chosen in parts.items() if chosen)])


def read_export_recipe(given: str, known_score: str | None = None) -> ExportRecipe:
    """Read an export recipe by path or shipped name; raises ConfigError naming what is wrong.

    Args:
        given: path or name.
        known_score: what to take instead of its own.
    """
    recipe = read_toml(find(given, "export"), ExportRecipe)
    if known_score is None:
        return recipe
    try:
        return msgspec.structs.replace(recipe, known_score=msgspec.convert(known_score, KnownChoice))
    except msgspec.ValidationError as error:
        choices = ", ".join((*KNOWN_SCORES, "best"))
        raise ConfigError(f"--known-score {known_score}: expected one of {choices}") from error
