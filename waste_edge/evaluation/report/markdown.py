"""The report's tables as Markdown, without pictures: what is committed beside code."""

from __future__ import annotations

from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.evaluation.report.tables import (
    Table,
    confusion_table,
    f1_table,
    folded_table,
    labels_table,
    models_table,
    pairs_table,
    stages_tables,
)
from waste_edge.evaluation.report.unknown_tables import elsewhere_table, rejection_table, unknown_table
from waste_edge.files.text import in_markdown


def to_markdown(report: ComparisonReport) -> str:
    """Every table, under what the pictures were; leaks before any number."""
    names = ", ".join(model.name for model in report.models)
    lines = [f"# {in_markdown(f'{names} on {report.data}')}", ""]
    for leak in report.leaks:
        lines += [f"> **Leak:** {in_markdown(leak)}", ""]
    unknown = f" Unknown: {report.unknown.in_words}." if report.unknown else ""
    lines += [f"Scored on {report.protocol}.{unknown}", ""]
    tables = [models_table(report)]
    if report.folded:
        tables.append(folded_table(report))
    if report.pairs:
        tables += [pairs_table(report), f1_table(report)]
    else:
        tables.append(labels_table(report.models[0]))
    tables += [table for stages in report.stages for table in stages_tables(stages)]
    tables += [confusion_table(model) for model in report.models]
    if len(report.models) == 1:
        tables.append(rejection_table(report.models[0]))
    elif report.unknown:
        tables.append(unknown_table(report))
    if report.elsewhere:
        tables.append(elsewhere_table(report))
    for table in tables:
        lines += table_lines(table)
    return "\n".join(lines)


def table_lines(table: Table) -> list[str]:
    """One table under its title, and its note."""
    note = [table.note, ""] if table.note else []
    return [f"## {table.title}", "", rows_of(table), "", *note]


def rows_of(table: Table) -> str:
    """Render a table alone."""
    rule = ("---", *("---:" for _ in table.headings[1:]))
    return "\n".join(f"| {' | '.join(map(in_markdown, row))} |" for row in (table.headings, rule, *table.rows))
