"""The report as one HTML page: nothing is loaded from anywhere, so it opens offline and can be sent.

The thumbnails in it are small enough to be carried inside.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from waste_edge.dataset import Photo
from waste_edge.evaluation.report import tables, unknown_tables
from waste_edge.evaluation.report.charts import (
    Axis,
    Line,
    bar_chart,
    fitting_axis,
    interval_chart,
    line_chart,
    reliability_chart,
    share_axis,
)
from waste_edge.evaluation.report.content import CalibrationReport, ComparisonReport, Histogram, ModelReport
from waste_edge.files.text import visible
from waste_edge.metrics.curves import LabelCurves
from waste_edge.rejection import IN_WORDS

_SIDE_PX = 176  # drawn at half of it or a little more, so that it is sharp on fine screens


def thumbnail(photo: Photo) -> str:
    """A photo as a JPEG data URI, its whole frame, the longer side at most 176 px."""
    image = Image.fromarray(photo.pixels())
    image.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"


def _shown(value: object) -> object:
    """Text from outside without controls and bidi characters; our own markup as it is."""
    return visible(value, lines=True) if type(value) is str else value


def to_html(report: ComparisonReport, thumbnails: Mapping[str, str]) -> str:
    """Render the page.

    Args:
        report: what it says.
        thumbnails: a data URI for each picture that it shows; see `thumbnails_for`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=tables.size, count=tables.count, number=tables.number, share=tables.share)
    template = environment.get_template("page.html.jinja")
    words = {"tables": tables, "unknown_tables": unknown_tables, "charts": _Charts(report), "words": IN_WORDS}
    return template.render(report=report, thumbnails=thumbnails, **words).lstrip()


def thumbnails_for(report: ComparisonReport, photos: Sequence[Photo]) -> dict[str, str]:
    """A data URI for every picture that the report shows; rows of text alone have none."""
    shown = {one.picture for model in report.models for one in (*model.mistakes, *model.right)}
    shown |= {one.picture for one in report.disputed}
    return {photo.key: thumbnail(photo) for photo in photos if photo.key in shown and photo.path}


class _Charts:
    """The page's charts by name, so that the template holds words and order alone."""

    def __init__(self, report: ComparisonReport) -> None:
        self._report = report
        self._binary = len(report.labels) == 2

    def accuracies(self) -> Markup:
        rows = []
        for index, model in enumerate(self._report.models):
            accuracy = tables.accuracy_of(self._report, model)
            rows.append((model.name, accuracy.value, accuracy.low, accuracy.high, index))
        return interval_chart("accuracy of each model with its interval", rows)

    def losses(self, model: ModelReport) -> Markup:
        x = [epoch.epoch for epoch in model.training]
        y = [epoch.loss for epoch in model.training]
        axes = _epochs(x), fitting_axis("training loss", y, from_zero=True)
        return line_chart("training loss by epoch", *axes, [Line("training loss", x, y, 1)])

    def accuracies_by_epoch(self, model: ModelReport) -> Markup:
        seen = [(one.epoch, 100 * one.val_accuracy) for one in model.training if one.val_accuracy is not None]
        x, y = [epoch for epoch, _ in seen], [accuracy for _, accuracy in seen]
        axes = _epochs(x), fitting_axis("validation accuracy, %", y)
        return line_chart("validation accuracy by epoch", *axes, [Line("validation accuracy", x, y, 0)])

    def roc(self, model: ModelReport) -> Markup:
        lines = [
            Line(f"{one.label}: {one.auc:.3f}", one.false_positive_rate, one.true_positive_rate, colour)
            for colour, one in self.drawn(model)
        ]
        axes = share_axis("false positive rate"), share_axis("true positive rate")
        return line_chart("ROC, each label against the rest", *axes, lines, diagonal=True)

    def precision_recall(self, model: ModelReport) -> Markup:
        lines = [
            Line(f"{one.label}: {one.average_precision:.3f}", one.recall, one.precision, colour)
            for colour, one in self.drawn(model)
        ]
        return line_chart("precision and recall", share_axis("recall"), share_axis("precision"), lines)

    def drawn(self, model: ModelReport) -> list[tuple[int, LabelCurves]]:
        """The curves with their colours; of two labels the second's alone, since the first's is its mirror."""
        curves = model.curves[1:] if self._binary else model.curves
        return [(self._report.labels.index(one.label), one) for one in curves]

    def roc_of_all(self) -> Markup:
        lines = []
        for colour, model in enumerate(self._report.models):
            name = f"{model.name}: {tables.number(model.auc)}"
            if self._binary and model.curves:
                positive = model.curves[-1]
                lines.append(Line(name, positive.false_positive_rate, positive.true_positive_rate, colour))
            else:
                lines.append(Line(name, *model.macro_roc, colour))
        axes = share_axis("false positive rate"), share_axis("true positive rate")
        return line_chart("ROC of all models", *axes, lines, diagonal=True)

    def reliability(self, calibration: CalibrationReport, fitted: bool) -> Markup:
        bins = calibration.fitted_bins if fitted else calibration.bins
        filled = [(b.low, b.high, b.confidence, b.accuracy, b.pictures) for b in bins if b.pictures]
        return reliability_chart("reliability diagram", filled)

    def histogram(self, name: str, histogram: Histogram) -> Markup:
        """Shares, not counts, since there may be ten times as many known pictures as unknown ones."""
        heights = [
            [count / max(1, sum(counts)) for count in counts]
            for counts in (histogram.known, histogram.unknown, histogram.elsewhere)
            if sum(counts)
        ]
        tallest = max(max(row) for row in heights)
        x = fitting_axis(name, [histogram.edges[0], histogram.edges[-1]])
        y = fitting_axis("share of pictures, %", [100 * tallest], from_zero=True)
        return bar_chart(name, x, y, histogram.edges, [[100 * value for value in row] for row in heights])


def _epochs(x: Sequence[int]) -> Axis:
    if len(x) < 2:
        return Axis("epoch", 0, 2, [float(one) for one in x])
    axis = fitting_axis("epoch", [float(one) for one in x])
    ticks = [tick for tick in axis.ticks if x[0] <= tick <= x[-1] and tick == int(tick)]
    return Axis("epoch", x[0], x[-1], ticks)
