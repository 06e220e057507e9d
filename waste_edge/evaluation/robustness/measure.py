"""Models asked about the same pictures under every condition, and what chance may have done to the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from waste_edge import __version__
from waste_edge.dataset import Dataset, Photo
from waste_edge.evaluation.evaluate import Outputs, Progress, truth_of, without_progress
from waste_edge.evaluation.robustness.conditions import CONDITIONS, Original, shown
from waste_edge.evaluation.robustness.report import (
    ALL_CORRUPTIONS,
    SCHEMA,
    Cell,
    Difference,
    ModelRobustness,
    PairRobustness,
    RobustnessReport,
)
from waste_edge.imaging.corruptions import CORRUPTIONS
from waste_edge.metrics.classification import paired_interval, wilson_interval
from waste_edge.metrics.significance import Interval, group_bootstrap_mean

Values = NDArray[np.float64]
_MOST_BYTES = 64_000_000  # of photographs held at once; a board has little memory
_MOST_PICTURES = 32


class Subject(Protocol):
    """Model that predicts pictures."""

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def predict(self) -> Callable[[Sequence[Photo], Progress], Outputs]:
        """Logits and features for photographs, which are read and preprocessed as a device would."""


class _Row(NamedTuple):
    """Conditions that are one line of a table: their columns in `CONDITIONS`, and what the line is called."""

    condition: str
    strength: int
    columns: list[int]


def measure_robustness(
    subjects: Sequence[Subject],
    dataset: Dataset,
    photos: Sequence[Photo],
    protocol: str,
    progress: Progress = without_progress,
) -> RobustnessReport:
    """Score models on the same photographs under every condition.

    Args:
        subjects: with the same labels, in any order.
        dataset: that the photographs are from.
        photos: at least one.
        protocol: which these are, in words.
        progress: called with pictures shown and to be shown, each condition counted.

    Raises:
        DataError: a photograph has a label that the models do not know, or is text only.
        PictureError: one of them cannot be read.
    """
    right = _right(subjects, photos, progress)
    groups = [photo.group for photo in photos]
    distinct = len(set(groups))
    judge = _Judge(groups, dataset.grouped or distinct < len(photos))
    return RobustnessReport(
        schema=SCHEMA,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        waste_edge=__version__,
        data=dataset.name,
        protocol=protocol,
        pictures=len(photos),
        groups=distinct,
        grouped=judge.grouped,
        models=[
            ModelRobustness(
                name=subject.name,
                role=subject.role,
                engine=subject.engine,
                cells=[judge.cell(row, own) for row in _cells()],
                means=[judge.cell(row, own) for row in _means()],
            )
            for subject, own in zip(subjects, right, strict=True)
        ],
        pairs=[
            PairRobustness(
                first=subjects[one].name,
                second=subjects[two].name,
                cells=[judge.difference(row, right[one], right[two]) for row in _cells()],
                means=[judge.difference(row, right[one], right[two]) for row in _means()],
            )
            for one, two in combinations(range(len(subjects)), 2)
        ],
    )


def _right(subjects: Sequence[Subject], photos: Sequence[Photo], progress: Progress) -> Values:
    """(models, N, columns): 1 where one is right, 0 where it is wrong, nan where a photograph cannot be shown so."""
    labels = subjects[0].labels
    truth = truth_of(photos, labels)
    # Models name the same labels in orders of their own.
    meaning = [np.array([labels.index(label) for label in subject.labels]) for subject in subjects]
    right = np.full((len(subjects), len(photos), len(CONDITIONS)), np.nan)
    done, total = 0, len(photos) * len(CONDITIONS)
    for first, originals in _held(photos):
        for column, condition in enumerate(CONDITIONS):
            pictures = [shown(original, condition) for original in originals]
            rows = [first + index for index, picture in enumerate(pictures) if picture is not None]
            asked = [picture for picture in pictures if picture is not None]
            for index, subject in enumerate(subjects):
                if asked:
                    said = meaning[index][subject.predict(asked, without_progress).logits.argmax(axis=1)]
                    right[index, rows, column] = said == truth[rows]
            done += len(originals)
            progress(done, total)
    return right


def _held(photos: Sequence[Photo]) -> Iterator[tuple[int, list[Original]]]:
    """The photographs, read a few at a time: the number of the first, and these."""
    first, held, size = 0, list[Original](), 0
    for number, photo in enumerate(photos):
        original = Original(photo)
        if held and (len(held) == _MOST_PICTURES or size + original.pixels.nbytes > _MOST_BYTES):
            yield first, held
            first, held, size = number, [], 0
        held.append(original)
        size += original.pixels.nbytes
    if held:
        yield first, held


def _cells() -> list[_Row]:
    return [_Row(condition.name, condition.strength, [column]) for column, condition in enumerate(CONDITIONS)]


def _means() -> list[_Row]:
    columns = {
        name: [column for column, condition in enumerate(CONDITIONS) if condition.name == name] for name in CORRUPTIONS
    }
    each = [_Row(name, 0, its) for name, its in columns.items()]
    return [*each, _Row(ALL_CORRUPTIONS, 0, [column for its in columns.values() for column in its])]


class _Judge:
    """Turns right and wrong into shares with their intervals: over groups drawn anew where pictures are grouped."""

    def __init__(self, groups: Sequence[str], grouped: bool) -> None:
        self._groups = np.array(groups)
        self.grouped = grouped

    def cell(self, row: _Row, right: Values) -> Cell:
        """A line of one model, from its right answers (N, columns)."""
        values, there = _mean_of(row, right)
        clean = right[there, 0]
        return Cell(
            condition=row.condition,
            strength=row.strength,
            pictures=len(values),
            accuracy=self._share(values, there) if len(values) else None,
            change_points=self._points(values, clean, there) if len(values) and row.columns != [0] else None,
        )

    def difference(self, row: _Row, first: Values, second: Values) -> Difference:
        """Compute a line of differences between two models."""
        (ours, there), (theirs, _) = _mean_of(row, first), _mean_of(row, second)
        points = self._points(ours, theirs, there) if len(ours) else None
        return Difference(condition=row.condition, strength=row.strength, pictures=len(ours), points=points)

    def _share(self, values: Values, there: NDArray[np.bool_]) -> Interval:
        """Wilson's interval where pictures stand alone, and where drawing anew would give one without width."""
        whole = bool(np.isin(values, (0, 1)).all())
        if whole and (not self.grouped or values.min() == values.max()):
            low, high = wilson_interval(int(values.sum()), len(values))
            return Interval(value=float(values.mean()), low=low, high=high)
        return group_bootstrap_mean(values, self._groups[there].tolist())

    def _points(self, first: Values, second: Values, there: NDArray[np.bool_]) -> Interval:
        """First minus second; Newcombe's interval where pictures stand alone, or the two never differ."""
        whole = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
        if (first == second).all() or (whole and not self.grouped):
            low, high = paired_interval(first > 0.5, second > 0.5)
            found = Interval(value=float((first - second).mean()), low=low, high=high)
        else:
            found = group_bootstrap_mean(first - second, self._groups[there].tolist())
        return Interval(value=_points(found.value), low=_points(found.low), high=_points(found.high))


def _points(share: float) -> float:
    """Without the dust of binary fractions, which would write nothing as -0.0."""
    return round(100 * share, 9) + 0.0


def _mean_of(row: _Row, right: Values) -> tuple[Values, NDArray[np.bool_]]:
    """Each picture's share of right answers in a line's columns, and which pictures could be shown so."""
    chosen = right[:, row.columns]
    there = np.asarray(~np.isnan(chosen).any(axis=1))
    return chosen[there].mean(axis=1), there
