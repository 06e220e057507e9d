"""The report's tables as words, once for the page, the Markdown and the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waste_edge.evaluation.report.content import ComparisonReport, ModelReport, Stages, TwoStages
from waste_edge.metrics.significance import Interval, Spread


@dataclass(frozen=True)
class Table:
    """A heading, columns of which the first holds names, rows, and what a reader must know to read them."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""

    def columns(self, *starts: str) -> Table:
        """The columns whose headings begin with these words: what fits on a screen of 80 characters."""
        return self._with([index for index, heading in enumerate(self.headings) if heading.startswith(starts)])

    def without(self, word: str) -> Table:
        """The columns whose headings do not have this word."""
        return self._with([index for index, heading in enumerate(self.headings) if word not in heading])

    def _with(self, chosen: Sequence[int]) -> Table:
        rows = [tuple(row[index] for index in chosen) for row in self.rows]
        return Table(self.title, tuple(self.headings[index] for index in chosen), rows, self.note)


def accuracy_of(report: ComparisonReport, model: ModelReport) -> Interval:
    """Accuracy with the interval that fits the data: over groups where pictures share objects, else Wilson's."""
    scores = model.scores
    if report.grouped:
        return model.intervals.accuracy
    return Interval(value=scores.accuracy, low=scores.accuracy_low, high=scores.accuracy_high)


def elsewhere_of(report: ComparisonReport, model: ModelReport) -> Interval:
    """The same of the items in strange places; the model has been asked about such."""
    scores, grouped = model.elsewhere, model.elsewhere_intervals
    assert scores is not None
    if report.grouped and grouped is not None:
        return grouped.accuracy
    return Interval(value=scores.accuracy, low=scores.accuracy_low, high=scores.accuracy_high)


def interval_note(report: ComparisonReport) -> str:
    """Describe how the intervals were made."""
    if report.grouped:
        return (
            f"Intervals of 95 %: the {report.groups} groups of pictures drawn anew 2,000 times, "
            "since pictures of one object are right or wrong together."
        )
    return "Intervals of 95 %: Wilson's for accuracy, pictures drawn anew 2,000 times for F1."


def models_table(report: ComparisonReport) -> Table:
    """Size, cost, accuracy and latency of every model."""
    timed = any(model.facts.latency_ms is not None for model in report.models)
    headings = (
        *("model", "what", "accuracy (95 %)", "macro F1", "weighted F1", "AUC", "ECE", "ECE, T fitted"),
        *("input", "size", "parameters", "MACs"),
        *(("ms",) if timed else ()),
    )
    rows: list[tuple[str, ...]] = []
    for model in report.models:
        facts, calibration = model.facts, model.calibration
        rows.append(
            (
                *(model.name, model.role, share_in(accuracy_of(report, model)), f"{model.scores.macro_f1:.3f}"),
                *(number(model.scores.weighted_f1), number(model.auc)),
                *(f"{calibration.ece:.3f}", f"{calibration.fitted_ece:.3f}"),
                *(facts.input, size(facts.size_bytes), count(facts.parameters), count(facts.macs)),
                *((f"{facts.latency_ms:.2f}" if facts.latency_ms is not None else "",) if timed else ()),
            )
        )
    time = (
        f" ms: median of one answer without preprocessing, one thread, in turn, on {report.machine}." if timed else ""
    )
    if busiest := _interrupted(report):
        time += (
            f" The machine was busy: by the clock an answer took up to {busiest:.1f} times as long as its thread "
            "worked. Do not compare these times; measure again on an idle machine."
        )
    note = f"{interval_note(report)} ECE: calibration error as the model is, and with a temperature fitted.{time}"
    return Table("Models", headings, rows, note)


def _interrupted(report: ComparisonReport) -> float | None:
    """The largest ratio of clock to work among the models, if that is more than an idle machine's."""
    facts = [model.facts for model in report.models]
    ratios = [one.latency_ms / one.cpu_ms for one in facts if one.latency_ms and one.cpu_ms]
    return max(ratios) if ratios and max(ratios) > 1.5 else None


def folded_table(report: ComparisonReport) -> Table:
    """Several seeds or folds of one recipe as one row."""
    rows: list[tuple[str, ...]] = [
        (
            row.recipe,
            f"{row.accuracy.runs} {row.how}",
            spread_in_words(row.accuracy, percent=True),
            spread_in_words(row.macro_f1),
            spread_in_words(row.weighted_f1),
        )
        for row in report.folded
    ]
    headings = ("recipe", "over", "accuracy", "macro F1", "weighted F1")
    return Table(
        "Runs of one recipe", headings, rows, "Mean ± deviation of a run (Student's 95 % interval of the mean)."
    )


def pairs_table(report: ComparisonReport) -> Table:
    """Each pair's difference in points, and whether chance explains it."""
    rows: list[tuple[str, ...]] = [
        (
            f"{pair.first} − {pair.second}",
            points_in(pair.grouped if report.grouped else pair.newcombe),
            *((points_in(pair.newcombe),) if report.grouped else ()),
            f"{pair.only_first_right} / {pair.only_second_right}",
            f"{pair.agreement:.1%}",
            p_value(pair.p),
            p_value(pair.p_holm),
        )
        for pair in report.pairs
    ]
    by_group = ("points, by group (95 %)",) if report.grouped else ()
    headings = ("pair", *by_group, "points, by picture (95 %)", "right alone", "agree", "p", "p, Holm")
    note = (
        "Difference of accuracy on the same pictures; by picture: Newcombe's interval. p: McNemar's exact test, which "
        "takes pictures as independent; Holm's p allows for all pairs."
    )
    return Table("Differences", headings, rows, note)


def labels_table(model: ModelReport) -> Table:
    """One model's per-class table."""
    areas = {one.label: (one.auc, one.average_precision) for one in model.curves}
    rows = [
        (
            row.label,
            *((f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}") if row.support else ("", "", "")),
            *(number(area) for area in areas.get(row.label, (None, None))),
            str(row.support),
        )
        for row in model.scores.labels
    ]
    headings = ("label", "precision", "recall", "F1", "AUC", "average precision", "pictures")
    return Table("By label", headings, rows)


def f1_table(report: ComparisonReport) -> Table:
    """F1 of every label under every model."""
    rows = [
        (
            label,
            *(f"{model.scores.labels[index].f1:.3f}" for model in report.models),
            str(report.models[0].scores.labels[index].support),
        )
        for index, label in enumerate(report.labels)
    ]
    headings = ("label", *(model.name for model in report.models), "pictures")
    return Table("F1 by label", headings, rows)


def confusion_table(model: ModelReport) -> Table:
    """Counts: rows are true labels."""
    labels = [row.label for row in model.scores.labels]
    rows = [(label, *map(str, counts)) for label, counts in zip(labels, model.scores.confusion, strict=True)]
    return Table(f"Confusion of {model.name}", ("true label", *labels), rows)


def size(size_bytes: int) -> str:
    """Bytes as people say them, by powers of ten."""
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:.0f} kB"


def count(value: int) -> str:
    """A large number, in millions from a million on."""
    return f"{value / 1e6:.2f} M" if value >= 1_000_000 else f"{value:,}"


def number(value: float | None) -> str:
    """Three digits, or nothing for what could not be counted."""
    return "" if value is None else f"{value:.3f}"


def share(value: float | None) -> str:
    """Percents, or nothing for what could not be counted."""
    return "" if value is None else f"{value:.1%}"


def share_in(interval: Interval) -> str:
    """A share and its interval in percents."""
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def points_in(interval: Interval) -> str:
    """Points and their interval, signed."""
    return f"{interval.value:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"


def spread_in_words(spread: Spread, percent: bool = False) -> str:
    """Mean, deviation and interval; nothing but the value for one run."""
    factor, digits = (100, 1) if percent else (1, 3)
    mean, std, low, high = (f"{factor * x:.{digits}f}" for x in (spread.mean, spread.std, spread.low, spread.high))
    unit = " %" if percent else ""
    return f"{mean} ± {std}{unit} ({low} to {high})" if spread.runs > 1 else f"{mean}{unit}"


def p_value(p: float) -> str:
    """Three digits, and no zero that it is not."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def stages_tables(result: TwoStages) -> list[Table]:
    """Tabulate the results of one network with a label tree and of two cascaded ones, with their losses by stage."""
    both = (result.one, result.cascade)
    rows: list[tuple[str, ...]] = [
        (
            *(one.name, share_in(one.leaf), share_in(one.parent), str(one.wrong_parent), str(one.wrong_leaf)),
            *(f"{one.latency_ms:.2f}", f"{one.parameters:,}"),
        )
        for one in both
    ]
    lost = ("lost at the first stage", "lost at the second")
    headings = ("model", "right label", "right parent", *lost, "ms", "parameters")
    low, high = result.cascade_gain_low_points, result.cascade_gain_high_points
    note = (
        f"The cascade's share of right labels is {result.cascade_gain_points:+.1f} points from the one network's "
        f"({low:+.1f} to {high:+.1f}, Newcombe). If only the second network that the first one chose is asked, it is "
        f"{share_in(result.greedy)}; its ms are of that. "
        "Milliseconds are medians in torch on one thread, taken in turns."
    )
    return [Table("Two stages", headings, rows, note), *(_parents_table(result, one) for one in both)]


def _parents_table(result: TwoStages, one: Stages) -> Table:
    rows = [
        (name, *(str(count) for count in counts), "none" if below is None else f"{below:.1%}")
        for name, counts, below in zip(result.tree, one.parents, one.right_below, strict=True)
    ]
    return Table(f"Parents, {one.name}", ("true parent", *result.tree, "right label below it"), rows)
