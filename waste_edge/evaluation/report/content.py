"""Values of the comparison report: the JSON is these, the page and the Markdown are made from them.

Pictures are named, not held: the thumbnails are the page's alone, so that the JSON carries nobody's photographs.

`TwoStages` are results where first the parent is told, then its label, by one network or by two.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.evaluation.unknowns import RejectionResult
from waste_edge.files.strict import Strict
from waste_edge.metrics.classification import Scores
from waste_edge.metrics.curves import LabelCurves, ReliabilityBin
from waste_edge.metrics.significance import GroupScores, Interval, Spread
from waste_edge.rejection import KnownScore

SCHEMA: Literal[1] = 1


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


class Facts(Strict, frozen=True):
    """Cost of a model: size, operations, latency.

    Attributes:
        size_bytes: of the file with its weights.
        macs: multiply-accumulates of one picture.
        latency_ms: median of one answer on this machine, one thread, all models taking turns; None if not measured.
        cpu_ms: what the thread worked of it; much less than `latency_ms` on a machine that was busy otherwise.
    """

    size_bytes: int
    parameters: int
    macs: int
    input: str
    latency_ms: float | None = None
    cpu_ms: float | None = None


class Epoch(Strict, frozen=True):
    """One line of a run's `metrics.jsonl`, the part of it that is drawn."""

    epoch: int
    loss: float
    val_accuracy: float | None


class CalibrationReport(Strict, frozen=True):
    """Calibration of one model: is 80 % confidence right four times in five?

    Attributes:
        temperature: what the model divides its logits by as it is: 1 for a run, the bundle's own for a bundle.
        fitted_temperature: the best one on the fitting pictures.
        fitted_on: which these were, in words.
        ece: as it is.
        fitted_ece: with the fitted one; cross-fitted where the scored pictures are the fitting ones.
        bins, fitted_bins: the reliability diagrams of both.
    """

    temperature: float
    fitted_temperature: float
    fitted_on: str
    ece: float
    fitted_ece: float
    bins: list[ReliabilityBin]
    fitted_bins: list[ReliabilityBin]


class Histogram(Strict, frozen=True):
    """Counts of known and unknown pictures, and of known items elsewhere, between `edges`; zeros if there are none."""

    edges: list[float]
    known: list[int]
    unknown: list[int]
    elsewhere: list[int] = msgspec.field(default_factory=list)


class RejectionReport(Strict, frozen=True):
    """Each score of the known, and how it lies.

    Attributes:
        fitted_on: where the thresholds come from, but those of a bundle.
        called_unknown: share of the unknown pictures that a bundle's two thresholds together call unknown.
    """

    fitted_on: str
    results: list[RejectionResult]
    histograms: dict[KnownScore, Histogram]
    called_unknown: float | None = None


class Shown(Strict, frozen=True):
    """One picture and one model's answer; `text` is what the data say of it beside its label."""

    picture: str
    truth: str
    answer: str
    probability: float
    text: str = ""


class Said(Strict, frozen=True):
    """One model's answer, where several are side by side."""

    answer: str
    probability: float


class Disputed(Strict, frozen=True):
    """One picture that the models do not agree about; `said` in the order of the models."""

    picture: str
    truth: str
    said: list[Said]
    text: str = ""


class ModelReport(Strict, frozen=True):
    """One model on the scored pictures.

    Attributes:
        role: teacher, student, INT8 and the like, in words.
        engine: what ran it.
        intervals: accuracy and F1 with intervals over groups drawn anew; where pictures are not grouped each is one.
        auc, average_precision: mean over the labels of `curves`; None where there is none.
        macro_roc: false and true positive rates of the labels' mean curve.
        mistakes: surest first.
        right: a sample of the rightly named, the same for the same pictures.
        elsewhere: scores on the items in strange places; None if that was not asked for. `elsewhere_intervals` are
            what `intervals` are for the items where they lay.
    """

    name: str
    role: str
    engine: str
    recipe: str
    teacher: str
    facts: Facts
    scores: Scores
    intervals: GroupScores
    training: list[Epoch]
    curves: list[LabelCurves]
    auc: float | None
    average_precision: float | None
    macro_roc: tuple[list[float], list[float]]
    calibration: CalibrationReport
    rejection: RejectionReport
    mistakes: list[Shown]
    right: list[Shown]
    elsewhere: Scores | None = None
    elsewhere_intervals: GroupScores | None = None


class Pair(Strict, frozen=True):
    """Two models on the same pictures; differences are first minus second, in points of accuracy.

    Attributes:
        newcombe: with an interval that takes pictures as independent.
        grouped: with an interval over groups drawn anew; Newcombe's where the two never differ in being right.
        p, p_holm: of McNemar's exact test, alone and adjusted for all pairs of the report.
    """

    first: str
    second: str
    newcombe: Interval
    grouped: Interval
    only_first_right: int
    only_second_right: int
    agreement: float
    p: float
    p_holm: float


class Folded(Strict, frozen=True):
    """Several runs of one recipe as one row."""

    recipe: str
    how: Literal["runs", "folds"]
    members: list[str]
    accuracy: Spread
    macro_f1: Spread
    weighted_f1: Spread


class Unknown(Strict, frozen=True):
    """The pictures of what no label fits: of a folder, or drawn by us."""

    folder: str
    pictures: int
    rendered: bool = False

    @property
    def in_words(self) -> str:
        """Description of the pictures. Rendered stand-ins are called so wherever their numbers are."""
        if not self.rendered:
            return f"{self.pictures} pictures of {self.folder}, given as unknown"
        return (
            f"{self.pictures} rendered stand-ins for the unknown (no photographs), of kinds that training never draws"
        )


class ShiftedBackgrounds(Strict, frozen=True):
    """Number of the scored photographs' items that were put on other backgrounds."""

    pictures: int
    of: int

    @property
    def in_words(self) -> str:
        """Description of the pictures."""
        return (
            f"{self.pictures} of the {self.of} items, cut out and put down on rendered surfaces that training never "
            "paints (stand-ins for photographs from elsewhere)"
        )


class ComparisonReport(Strict, frozen=True):
    """One or several models on the same pictures.

    Attributes:
        protocol: which pictures were scored, in words.
        groups: how many groups these fall into; `grouped` says whether any was named or found.
        labels: in the first model's order.
        leaks: a sentence for each way in which the data give their labels away.
        machine: where latencies were measured, in words; empty if they were not.
        stages: each label tree among the models against each cascade of the same tree.
        elsewhere: which of the pictures' items were also shown in strange places.
    """

    schema: Literal[1]
    created: str
    waste_edge: str
    data: str
    protocol: str
    pictures: int
    groups: int
    grouped: bool
    labels: list[str]
    leaks: list[str]
    machine: str
    unknown: Unknown | None
    models: list[ModelReport]
    pairs: list[Pair]
    folded: list[Folded]
    disputed: list[Disputed]
    stages: list[TwoStages] = msgspec.field(default_factory=list)
    elsewhere: ShiftedBackgrounds | None = None
