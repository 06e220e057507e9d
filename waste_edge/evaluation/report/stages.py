"""Two-stage results of a report: first the parent, then its label, by one network or by two."""

from __future__ import annotations

from waste_edge.files.strict import Strict
from waste_edge.metrics.significance import Interval


class Stages(Strict, frozen=True):
    """Result of one of the two models.

    Attributes:
        name: as the report calls it.
        recipe: its name.
        parameters: of all its networks.
        latency_ms: median of one picture in torch on one thread; a cascade's is the first stage's and that of the
            second one that it chose.
        leaf: share of pictures with the right label; all shares with their 95 % Wilson interval.
        parent: share with a label of the right parent.
        wrong_parent: pictures lost at the first stage: the label given is another parent's.
        wrong_leaf: pictures lost at the second: another label of the right parent.
        parents: rows are true parents, columns those of the labels given, in the comparison's order.
        right_below: of each parent, the share of right labels where the parent was right; None where it never was.
    """

    name: str
    recipe: str
    parameters: int
    latency_ms: float
    leaf: Interval
    parent: Interval
    wrong_parent: int
    wrong_leaf: int
    parents: list[list[int]]
    right_below: list[float | None]


class TwoStages(Strict, frozen=True):
    """A label tree in one network and two cascaded networks, on the same pictures.

    Attributes:
        protocol: which pictures, in words.
        tree: parent to its labels.
        one: the network with the label tree.
        cascade: the two cascaded ones; its label is the most probable one by both stages together.
        greedy: share of right labels of the cascade if only the second network that the first one chose is asked.
        cascade_gain_points: 100 * (cascade's share of right labels - the one network's), with its 95 % interval for
            paired answers.
    """

    protocol: str
    pictures: int
    tree: dict[str, list[str]]
    one: Stages
    cascade: Stages
    greedy: Interval
    cascade_gain_points: float
    cascade_gain_low_points: float
    cascade_gain_high_points: float
