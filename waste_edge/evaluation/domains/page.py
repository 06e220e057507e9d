"""A `DomainsReport` as one HTML page that opens offline."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from waste_edge.evaluation import report as shared
from waste_edge.evaluation.domains.report import DomainsReport, ModelDomains
from waste_edge.evaluation.domains.tables import domains_tables, reading
from waste_edge.evaluation.report.charts import interval_chart


def domains_html(report: DomainsReport) -> str:
    """The page: a chart of every model's sources, and all tables."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folders = [Path(__file__).parent, Path(shared.__file__).parent]
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
    known = [*([model.home] if model.home else []), *model.sources]
    rows = [
        (one.source, one.accuracy.value, one.accuracy.low, one.accuracy.high, index) for index, one in enumerate(known)
    ]
    return interval_chart(f"accuracy of {model.name} by source, with intervals", rows)
