"""Output of `waste-edge inspect --graph`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from waste_edge.cli.common import console

if TYPE_CHECKING:
    from rich.table import Table

    from waste_edge.engines.graph.report import GraphReport


def print_graphs(reports: Sequence[GraphReport]) -> None:
    """Operators, bytes, and one line for every finding."""
    screen = console()
    screen.print(_operators(reports))
    screen.print(_bytes(reports))
    for report in reports:
        if report.skipped:
            screen.print(f"{report.artifact}: not checked: {report.skipped}", markup=False, soft_wrap=True)
        for finding in report.findings:
            screen.print(
                f"{report.artifact}: {finding.operator} at {finding.place} ({finding.rule}): {finding.message}",
                markup=False,
                soft_wrap=True,
            )


def _operators(reports: Sequence[GraphReport]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="operators", title_justify="left", title_style="bold")
    table.add_column("artifact", no_wrap=True)
    table.add_column("target", no_wrap=True)
    table.add_column("operators", overflow="fold")
    table.add_column("status", no_wrap=True)
    for report in reports:
        words = ", ".join(f"{count} {kind}" for kind, count in report.operators.items())
        table.add_row(report.artifact, report.target or "none", escape(words), _status(report))
    return table


def _status(report: GraphReport) -> str:
    if report.skipped:
        return "[yellow]skipped[/]"
    return f"[red]{len(report.findings)} wrong[/]" if report.findings else "[green]ok[/]"


def _bytes(reports: Sequence[GraphReport]) -> Table:
    from rich.table import Table

    from waste_edge.engines.graph.graph import ByteCount

    kinds = ByteCount.__struct_fields__
    table = Table(title="bytes", title_justify="left", title_style="bold")
    table.add_column("artifact", no_wrap=True)
    for report in reports:
        if report.size is not None:
            table.add_column(report.artifact, justify="right", no_wrap=True)
    sizes = [report.size for report in reports if report.size is not None]
    for kind in kinds:
        table.add_row(kind.replace("_", " "), *(f"{getattr(size, kind):,}" for size in sizes))
    table.add_section()
    table.add_row("in all", *(f"{sum(getattr(size, kind) for kind in kinds):,}" for size in sizes))
    ratios = [report.bytes_per_parameter for report in reports if report.bytes_per_parameter is not None]
    table.add_row("bytes a parameter", *(f"{ratio:.3f}" for ratio in ratios))
    return table
