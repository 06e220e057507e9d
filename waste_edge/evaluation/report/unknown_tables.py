"""The report's tables of the unknown, and of the known elsewhere, as words."""

from __future__ import annotations

from collections.abc import Sequence

from waste_edge.evaluation.report.content import ComparisonReport, ModelReport
from waste_edge.evaluation.report.tables import Table, elsewhere_of, number, share, share_in
from waste_edge.evaluation.unknowns import RejectionResult
from waste_edge.rejection import IN_WORDS, KNOWN_SCORES


def rejection_table(model: ModelReport) -> Table:
    """Every score of the known, under one model."""
    return scores_table(model.rejection.results, _rejection_note(model))


def scores_table(results: Sequence[RejectionResult], note: str = "") -> Table:
    """Build the table of how well each score tells known from unknown."""
    strange = any(one.auroc is not None for one in results)
    moved = any(one.kept_elsewhere is not None for one in results)
    rows = [
        (
            one.in_words,
            *((number(one.auroc), share(one.fpr_at_95), share(one.rejected)) if strange else ()),
            *((number(one.auroc_elsewhere),) if strange and moved else ()),
            *((share(one.kept_elsewhere),) if moved else ()),
            number(one.auroc_wrong),
            f"{one.threshold:.3f}",
            f"{one.kept:.1%}",
        )
        for one in results
    ]
    unknown = ("AUROC, unknown", "unknown let through at 95 %", "unknown rejected") if strange else ()
    places = (*(("AUROC, unknown against elsewhere",) if strange else ()), "kept elsewhere") if moved else ()
    headings = ("score", *unknown, *places, "AUROC, wrong", "threshold", "known kept")
    return Table("None of these", headings, rows, note)


def _rejection_note(model: ModelReport) -> str:
    fitted, called = model.rejection.results[-1], model.rejection.called_unknown
    words = [
        f"Thresholds keep {fitted.keep:.0%} of the fitting pictures ({model.rejection.fitted_on})"
        + (
            ", but for the one that is shipped"
            if len(model.rejection.results) > len(model.rejection.histograms)
            else ""
        )
        + ". AUROC, wrong: rightly against wrongly named."
    ]
    if called is not None:
        words.append(f"By both thresholds of the bundle {called:.1%} of the unknown pictures are called unknown.")
    return " ".join(words)


def unknown_table(report: ComparisonReport) -> Table:
    """AUROC of every model's every score against the unknown pictures."""

    def cell(results: list[RejectionResult], name: str) -> str:
        return next((number(one.auroc) for one in results if one.score == name), "")

    judged = {one.score for model in report.models for one in model.rejection.results}
    names = [name for name in KNOWN_SCORES if name in judged]
    rows = [(m.name, *(cell(m.rejection.results, name) for name in names)) for m in report.models]
    headings = ("model", *(IN_WORDS[name] for name in names))
    return Table("AUROC against unknown pictures", headings, rows)


def elsewhere_table(report: ComparisonReport) -> Table:
    """Every model on the known items in strange places."""
    rows: list[tuple[str, ...]] = []
    for model in report.models:
        if (scores := model.elsewhere) is None:
            continue
        accuracy = elsewhere_of(report, model)
        own = model.rejection.results[0]
        rejected = share(scores.rejected) if own.keep is None else ""
        cells = (f"{scores.macro_f1:.3f}", rejected, number(own.auroc_elsewhere))
        rows.append((model.name, share_in(accuracy), *cells))
    which = report.elsewhere.in_words if report.elsewhere else ""
    headings = ("model", "accuracy (95 %)", "macro F1", "called unknown", "AUROC, unknown")
    note = (
        f"Of {which}. AUROC, unknown: of these items against the unknown pictures, by a bundle's own score, by a run's "
        "largest probability."
    )
    return Table("Elsewhere", headings, rows, note)
