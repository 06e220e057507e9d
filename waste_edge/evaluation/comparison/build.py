"""The whole report: models asked, measured, and held against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from waste_edge import __version__
from waste_edge.dataset import Dataset
from waste_edge.engines.engine import times_in_turn
from waste_edge.evaluation.comparison.held_out import Pictures
from waste_edge.evaluation.comparison.measure import measure, predict_all, with_latency
from waste_edge.evaluation.comparison.models import Model
from waste_edge.evaluation.comparison.pairwise import disputed_photos, folded_rows, pairs_of
from waste_edge.evaluation.evaluate import Progress
from waste_edge.evaluation.rendered_pictures import ShiftedPictures, Strange
from waste_edge.evaluation.report.content import SCHEMA, ComparisonReport

Asking = Callable[[str], Progress]  # from a model's name to who is told how far its answers are


class Leak(Protocol):
    """A way in which data give their labels away; `sentence` says it to people."""

    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True)
class ReportExtras:
    """Parts of a report beyond the scores of labelled pictures.

    Attributes:
        unknown: pictures that none of the labels fits.
        elsewhere: the scored items in strange places.
        leaks: what the data give away, said before any number.
        machine: where latencies are measured, in words; if empty they are not.
    """

    unknown: Strange | None = None
    elsewhere: ShiftedPictures | None = None
    leaks: Sequence[Leak] = ()
    machine: str = ""


_NOTHING = ReportExtras()


def build_report(
    models: Sequence[Model],
    dataset: Dataset,
    pictures: Pictures,
    asking: Asking,
    extras: ReportExtras = _NOTHING,
) -> ComparisonReport:
    """Measure models on the same pictures.

    Args:
        models: with the same labels; the first one's order is the report's.
        dataset: that the pictures are from.
        pictures: see `held_out`.
        asking: told how far each model is.
        extras: what is told beyond that.
    """
    labels = models[0].labels
    unknown, elsewhere, machine = extras.unknown, extras.elsewhere, extras.machine
    named = _with_teachers(models)
    strange, moved = (unknown.photos if unknown else ()), (elsewhere.photos if elsewhere else ())
    answered = [predict_all(model, labels, pictures, strange, moved, asking(model.name)) for model in named]
    reports = [measure(one, labels, dataset, pictures, moved) for one in answered]
    if machine:
        taken = times_in_turn({model.name: model.timed(pictures.scored[0]) for model in named}, rounds=30)
        reports = [with_latency(report, taken[report.name]) for report in reports]
    groups = len({photo.group for photo in pictures.scored})
    return ComparisonReport(
        schema=SCHEMA,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        waste_edge=__version__,
        data=dataset.name,
        protocol=pictures.protocol,
        pictures=len(pictures.scored),
        groups=groups,
        grouped=dataset.grouped or groups < len(pictures.scored),
        labels=list(labels),
        leaks=[leak.sentence for leak in extras.leaks],
        machine=machine,
        unknown=unknown.said if unknown else None,
        elsewhere=elsewhere.said if elsewhere else None,
        models=reports,
        pairs=pairs_of(answered, labels, pictures.scored),
        folded=folded_rows(answered, labels, dataset, pictures.scored),
        disputed=disputed_photos(answered, labels, pictures.scored),
    )


def _with_teachers(models: Sequence[Model]) -> list[Model]:
    """A run that taught another of the models is called its teacher."""
    taught_by = " ".join(model.teacher for model in models)
    return [replace(model, role="teacher") if f"sha256:{model.identity}" in taught_by else model for model in models]
