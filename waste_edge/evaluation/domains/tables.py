"""A `DomainsReport` as tables (screen, Markdown, model cards, README) and as an HTML page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.evaluation.domains.report import DomainsReport, Known, ModelDomains, Strange
from waste_edge.evaluation.report.markdown import table_lines
from waste_edge.evaluation.report.tables import Table, number, points_in, share, share_in
from waste_edge.metrics.significance import Interval

if TYPE_CHECKING:
    from markupsafe import Markup  # with Jinja2, on a workstation

MEAN, WORST = "mean over sources", "worst source"


def domains_tables(report: DomainsReport) -> list[Table]:
    """Every table: each model's sources and unknown things, then the models' differences."""
    tables = [table for model in report.models for table in (sources_table(model), unknown_table(model))]
    tables = [table for table in tables if table.rows]
    return [*tables, pairs_table(report)] if report.pairs else tables


def screen_tables(report: DomainsReport) -> list[Table]:
    """Make the tables for a screen of 80 characters."""
    known = [sources_table(one).columns("source", "accuracy", "ECE", "called", "wrong") for one in report.models]
    tables = [table for one, two in zip(known, report.models, strict=True) for table in (one, unknown_table(two, True))]
    tables = [table for table in tables if table.rows]
    return [*tables, pairs_table(report)] if report.pairs else tables


def domains_markdown(report: DomainsReport) -> str:
    """Every number with its interval."""
    names = ", ".join(model.name for model in report.models)
    lines = [f"# {names} by source, {report.domains}", "", reading(report), ""]
    for copy in report.copies:
        lines += [f"> **Near-copy:** {copy}", ""]
    for table in domains_tables(report):
        lines += table_lines(table)
    return "\n".join(lines)


def reading(report: DomainsReport) -> str:
    """Explain the tables to their readers."""
    home = f"Home: {report.protocol}. " if report.protocol else ""
    return (
        f"{home}Intervals of 95 %: the groups within each source drawn anew 2,000 times. Mean and worst are over "
        "sources that did not teach the model; of a source that did, only groups held out of its training are scored. "
        "Unknown: the chance (AUROC) that a known picture has a higher known score than an unknown one, against the "
        "known ones of home, of sources called web, and of all others (their mean)."
    )


def sources_table(model: ModelDomains) -> Table:
    """Accuracy and confidence of one model, source by source, the least accurate first."""
    bundle = any(row.kept_out is not None for row in model.sources)
    rows = [_known_row(row, bundle) for row in ([model.home] if model.home else [])]
    rows += [_known_row(row, bundle) for row in model.sources]
    blank = ("", "") if bundle else ()
    if model.mean is not None and model.mean_ece is not None:
        judged = [row for row in model.sources if not row.taught]
        means = (share(_mean(judged, "kept_out")), share(_mean(judged, "wrong"))) if bundle else ()
        rows.append((MEAN, str(len(judged)), share_in(model.mean), f"{model.mean_ece:.1%}", *means))
        worst = judged[0]
        cells = (str(worst.pictures), share_in(worst.accuracy), f"{worst.ece:.1%}")
        rows.append((f"{WORST}: {worst.source}", *cells, *blank))
    thresholds = ("called unknown", "wrong of the rest") if bundle else ()
    return Table(f"{model.name}: by source", ("source", "pictures", "accuracy (95 %)", "ECE", *thresholds), rows)


def unknown_table(model: ModelDomains, brief: bool = False) -> Table:
    """Tabulate a model's AUROC for each kind of unknown thing, the worst first; without intervals if `brief`."""
    bundle = any(row.kept_out is not None for row in model.unknown)
    rows: list[tuple[str, ...]] = [
        (
            _kind(row),
            str(row.pictures),
            *(_area(area, brief) for area in (row.home, row.web, row.elsewhere)),
            *((share(row.kept_out),) if bundle else ()),
        )
        for row in model.unknown
    ]
    if rows:
        means = tuple(number(model.mean_unknown.get(name)) for name in ("home", "web", "elsewhere"))
        rows.append(("mean of what never taught", "", *means, *(("",) if bundle else ())))
    headings = ("unknown", "pictures", "AUROC, home", "AUROC, web", "AUROC, other")
    thresholds = ("called unknown",) if bundle else ()
    danger = " !: dangerous in any stream." if any(row.dangerous for row in model.unknown) else ""
    title = f"{model.name}: what is unknown, by {model.score}"
    return Table(title, (*headings, *thresholds), rows, f"The worst told first.{danger}")


def pairs_table(report: DomainsReport) -> Table:
    """Each pair's difference of the mean over sources, in points of accuracy."""
    rows: list[tuple[str, ...]] = [(f"{one.first} − {one.second}", points_in(one.points)) for one in report.pairs]
    note = "On the same pictures. An interval that holds 0 is no difference."
    return Table("Differences of the mean over sources", ("pair", "points (95 %)"), rows, note)


def _known_row(row: Known, bundle: bool) -> tuple[str, ...]:
    name = f"{row.source} (taught; held-out groups)" if row.taught else row.source
    thresholds = (share(row.kept_out), share(row.wrong)) if bundle else ()
    return (name, str(row.pictures), share_in(row.accuracy), f"{row.ece:.1%}", *thresholds)


def _kind(row: Strange) -> str:
    return f"{row.kind}{' !' if row.dangerous else ''}{' (taught; held-out groups)' if row.taught else ''}"


def _area(interval: Interval | None, brief: bool) -> str:
    if interval is None or brief:
        return number(interval.value if interval else None)
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _mean(rows: Sequence[Known], name: str) -> float | None:
    found = [value for row in rows if (value := getattr(row, name)) is not None]
    return sum(found) / len(found) if found else None


def domains_html(report: DomainsReport) -> str:
    """The page: a chart of every model's sources, and all tables."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folders = [Path(__file__).parent, Path(__file__).parent.parent / "report"]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("domains.html.jinja")
    charts = [(model.name, _chart(model)) for model in report.models if model.sources]
    words = {"tables": domains_tables(report), "charts": charts, "reading": reading(report)}
    return template.render(report=report, **words).lstrip()


def _chart(model: ModelDomains) -> Markup:
    from waste_edge.evaluation.report.charts import interval_chart

    known = [*([model.home] if model.home else []), *model.sources]
    rows = [
        (one.source, one.accuracy.value, one.accuracy.low, one.accuracy.high, index) for index, one in enumerate(known)
    ]
    return interval_chart(f"accuracy of {model.name} by source, with intervals", rows)
