"""Values of the robustness report: the JSON is these, tables and pictures are made from them alone."""

from __future__ import annotations

from typing import Literal

from waste_edge.files.strict import Strict
from waste_edge.metrics.significance import Interval

SCHEMA: Literal[1] = 1
ALL_CORRUPTIONS = "all corruptions"


class Cell(Strict, frozen=True):
    """One model under one condition.

    Attributes:
        condition: `clean`, a corruption, `cut out` (the item put back on a board of the same colour) or `background`
            (the item on a painted surface).
        strength: 1 to 3; 0 where the condition has none, and of a mean over all of them.
        pictures: how many can be shown so: an item that cannot be cut out gets no other background.
        accuracy: share of right labels; None without pictures.
        change_points: 100 * (accuracy - the same model's on the same pictures as they are); None for these.
    """

    condition: str
    strength: int
    pictures: int
    accuracy: Interval | None
    change_points: Interval | None


class Difference(Strict, frozen=True):
    """Two models on the same pictures under one condition: first minus second, in points; None without pictures."""

    condition: str
    strength: int
    pictures: int
    points: Interval | None


class ModelRobustness(Strict, frozen=True):
    """One model: every cell, and the mean over the strengths of each corruption, last over all corruptions.

    Attributes:
        role, engine: as in the report of `compare`.
    """

    name: str
    role: str
    engine: str
    cells: list[Cell]
    means: list[Cell]


class PairRobustness(Strict, frozen=True):
    """Two models under the same conditions; means as in `ModelRobustness`."""

    first: str
    second: str
    cells: list[Difference]
    means: list[Difference]


class RobustnessReport(Strict, frozen=True):
    """Models on the same pictures under the same conditions; all intervals are of 95 %.

    Attributes:
        protocol: which pictures, in words.
        groups: how many groups these fall into; `grouped` says whether any was named or found, and so whether
            intervals are over groups drawn anew.
        pairs: every pair of models, the earlier first.
    """

    schema: Literal[1]
    created: str
    waste_edge: str
    data: str
    protocol: str
    pictures: int
    groups: int
    grouped: bool
    models: list[ModelRobustness]
    pairs: list[PairRobustness]
