"""Models asked about every source of a domains file, and what chance may have done to the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from waste_edge import __version__
from waste_edge.bundle.manifest import Calibration
from waste_edge.dataset import Domains, LabelMap, Photo, SplitSpec
from waste_edge.evaluation.domains.report import (
    HOME,
    SCHEMA,
    DomainsReport,
    Known,
    ModelDomains,
    PairDomains,
    Strange,
)
from waste_edge.evaluation.evaluate import Outputs, Progress, rejected_by, truth_of
from waste_edge.evaluation.unknowns import GroupedArea, drawn_means
from waste_edge.metrics.classification import expected_calibration_error, softmax
from waste_edge.metrics.significance import Interval
from waste_edge.rejection import IN_WORDS, Scorer

DANGEROUS = ("batter", "electronic", "e-waste", "e_waste", "accumulator", "aerosol", "gas_cartridge", "syringe")
WEB = "web"
Values = NDArray[np.float64]


class Subject(Protocol):
    """Model that predicts pictures; `comparison.models.Model` is one."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def label_map(self) -> LabelMap: ...
    @property
    def split(self) -> SplitSpec: ...
    @property
    def calibration(self) -> Calibration | None: ...
    @property
    def scorer(self) -> Scorer | None: ...
    @property
    def domains(self) -> Mapping[str, int]:
        """Pictures of each source that taught it."""

    @property
    def predict(self) -> Callable[[Sequence[Photo], Progress], Outputs]:
        """Logits and features for photographs, which are read and preprocessed as a device would."""


class Home(NamedTuple):
    """Pictures of the models' own data that none of them was taught with; `protocol` says which, in words."""

    data: str
    photos: Sequence[Photo]
    protocol: str


class _Scored(NamedTuple):
    """One model's answers to the pictures of one source, or of one kind of unknown thing.

    Attributes:
        right: (N,) of known items, whether named rightly; all False for unknown things.
        known: (N,) known scores.
        rejected: (N,) whether a bundle calls them unknown; None for a run.
    """

    source: str
    photos: Sequence[Photo]
    probabilities: Values
    right: NDArray[np.bool_]
    known: Values
    rejected: NDArray[np.bool_] | None
    truth: NDArray[np.int64]
    taught: bool

    @property
    def groups(self) -> list[str]:
        return [photo.group for photo in self.photos]


def measure_domains(
    subjects: Sequence[Subject], home: Home, domains: Domains, asking: Callable[[str], Progress]
) -> DomainsReport:
    """Score models on every source, home included.

    Args:
        subjects: with the same labels, in any order.
        home: may hold no photographs: then nothing is said of home.
        domains: known and unknown things of other sources.
        asking: told how far each model is.
    """
    asked = [_predict_all(subject, home, domains, asking(subject.name)) for subject in subjects]
    return DomainsReport(
        schema=SCHEMA,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        waste_edge=__version__,
        data=home.data,
        domains=domains.path.name,
        protocol=home.protocol,
        models=[_model(subject, *answers) for subject, answers in zip(subjects, asked, strict=True)],
        pairs=[
            pair
            for (first, (one, _)), (second, (other, _)) in combinations(zip(subjects, asked, strict=True), 2)
            if (pair := _pair(first.name, one, second.name, other))
        ],
    )


def _predict_all(
    subject: Subject, home: Home, domains: Domains, progress: Progress
) -> tuple[list[_Scored], list[tuple[str, list[str], _Scored]]]:
    """Answers to the known of home and of each source, then to each kind of unknown thing with its sources."""
    known, strange = (
        domains.named(subject.labels, subject.label_map),
        domains.strange(subject.labels, subject.label_map),
    )
    taught = set(subject.domains)
    parts: list[tuple[str, Sequence[Photo], bool]] = [(HOME, home.photos, False)] if home.photos else []
    for source in known.sources:
        rows = known.of([source])
        parts.append((source, (_held_out(rows, subject) if source in taught else rows).photos, source in taught))
    kinds: list[tuple[str, list[str], Sequence[Photo], bool]] = []
    for kind in sorted({row.photo.label for row in strange.rows}):
        rows = strange.of_label(kind)
        seen = bool(taught & set(rows.sources))
        kinds.append((kind, list(rows.sources), (_held_out(rows, subject) if seen else rows).photos, seen))
    total = sum(len(photos) for _, photos, _ in parts) + sum(len(photos) for _, _, photos, _ in kinds)
    done = 0

    def answered(source: str, photos: Sequence[Photo], is_taught: bool, is_known: bool) -> _Scored:
        nonlocal done
        before = done
        outputs = subject.predict(photos, lambda part, _: progress(before + part, total))
        done += len(photos)
        return _scored(subject, source, photos, outputs, is_taught, is_known)

    return (
        [answered(source, photos, is_taught, True) for source, photos, is_taught in parts if photos],
        [
            (kind, sources, answered(kind, photos, is_taught, False))
            for kind, sources, photos, is_taught in kinds
            if photos
        ],
    )


def _held_out(rows: Domains, subject: Subject) -> Domains:
    return rows.divided(subject.split)[1]


def _scored(
    subject: Subject, source: str, photos: Sequence[Photo], outputs: Outputs, taught: bool, known: bool
) -> _Scored:
    calibration, scorer = subject.calibration, subject.scorer
    probabilities = softmax(outputs.logits, calibration.temperature if calibration else 1.0)
    scores = scorer(*outputs) if scorer else probabilities.max(axis=1)
    rejected = rejected_by(calibration, outputs.logits, scores) if calibration else None
    truth = truth_of(photos, subject.labels) if known else np.full(len(photos), -1)
    right = probabilities.argmax(axis=1) == truth
    return _Scored(source, photos, probabilities, right, scores, rejected, truth, taught)


def _model(subject: Subject, scored: list[_Scored], unknown: list[tuple[str, list[str], _Scored]]) -> ModelDomains:
    own = next((one for one in scored if one.source == HOME), None)
    others = [one for one in scored if one.source != HOME]
    rows = sorted((_known(one) for one in others), key=lambda row: row.accuracy.value)
    judged = [row for row in rows if not row.taught]
    fresh = [one for one in others if not one.taught]
    strange = sorted((_strange(*one, own, others) for one in unknown if scored), key=lambda row: row.worst)
    return ModelDomains(
        name=subject.name,
        role=subject.role,
        engine=subject.engine,
        score=IN_WORDS[subject.scorer.name if subject.scorer else "max_probability"],
        home=_known(own) if own else None,
        sources=rows,
        mean=_mean([(one.right.astype(float), one.groups) for one in fresh]) if fresh else None,
        mean_ece=float(np.mean([row.ece for row in judged])) if judged else None,
        worst=judged[0].source if judged else "",
        unknown=strange,
        mean_unknown=_mean_unknown([row for row in strange if not row.taught] or strange),
    )


def _known(one: _Scored) -> Known:
    left = None if one.rejected is None else ~one.rejected
    return Known(
        source=one.source,
        pictures=len(one.photos),
        groups=len(set(one.groups)),
        taught=one.taught,
        accuracy=_mean([(one.right.astype(float), one.groups)]),
        ece=expected_calibration_error(one.probabilities, one.truth),
        kept_out=None if one.rejected is None else float(one.rejected.mean()),
        wrong=None if left is None or not left.any() else float((~one.right)[left].mean()),
    )


def _strange(
    kind: str, sources: list[str], unknown: _Scored, home: _Scored | None, others: Sequence[_Scored]
) -> Strange:
    areas = {one.source: GroupedArea(one.known, one.groups, unknown.known, unknown.groups) for one in others}
    web = [area for source, area in areas.items() if source.casefold().startswith(WEB)]
    rest = [area for source, area in areas.items() if not source.casefold().startswith(WEB)]
    at_home = GroupedArea(home.known, home.groups, unknown.known, unknown.groups) if home else None
    return Strange(
        kind=kind,
        sources=sources,
        pictures=len(unknown.photos),
        taught=unknown.taught,
        dangerous=kind.casefold().startswith(DANGEROUS),
        home=_area([at_home] if at_home else []),
        web=_area(web),
        elsewhere=_area(rest),
        by_source={source: area.value for source, area in areas.items()},
        kept_out=None if unknown.rejected is None else float(unknown.rejected.mean()),
    )


def _area(areas: Sequence[GroupedArea]) -> Interval | None:
    if not areas:
        return None
    draws = np.mean([area.draws(seed) for seed, area in enumerate(areas)], axis=0)
    return _interval(float(np.mean([area.value for area in areas])), draws)


def _mean(parts: Sequence[tuple[Values, Sequence[str]]]) -> Interval:
    """Mean over sources of each one's mean, groups drawn anew within every source."""
    draws = np.mean([drawn_means(values, groups, seed) for seed, (values, groups) in enumerate(parts)], axis=0)
    return _interval(float(np.mean([values.mean() for values, _ in parts])), draws)


def _pair(first: str, one: Sequence[_Scored], second: str, other: Sequence[_Scored]) -> PairDomains | None:
    """The difference on the sources that taught neither; None if there is none."""
    others = {scored.source: scored for scored in other}
    parts = [
        (100 * (scored.right.astype(float) - others[scored.source].right), scored.groups)
        for scored in one
        if scored.source != HOME and not scored.taught and not others[scored.source].taught
    ]
    return PairDomains(first=first, second=second, points=_mean(parts)) if parts else None


def _mean_unknown(rows: Sequence[Strange]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("home", "web", "elsewhere"):
        areas = [area.value for row in rows if (area := getattr(row, name)) is not None]
        if areas:
            found[name] = float(np.mean(areas))
    return found


def _interval(value: float, draws: Values) -> Interval:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(value=value, low=float(low), high=float(high))
