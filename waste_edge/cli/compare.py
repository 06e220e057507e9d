"""`waste-edge compare`: several runs and bundles on the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import DataOption, JsonOption, console, say_json
from waste_edge.cli.output.domains import (
    AllowLeakOption,
    DomainsOption,
    check_domains,
    measured_domains,
    tell_domains,
)
from waste_edge.cli.output.report import (
    ElsewhereOption,
    UnknownOption,
    check_outputs,
    grouped_dataset,
    opened_models,
    print_table,
    report_on,
    write_page,
)
from waste_edge.cli.output.robustness import PlotOption, RobustnessOption, check_robustness, measured, tell
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from waste_edge.evaluation.report.content import ComparisonReport


def command(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Runs and bundles: a folder, .zip or shipped name, also BUNDLE:ARTIFACT, BUNDLE:all.",
        ),
    ],
    data: DataOption,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="REPORT.html", help="Write the report as an HTML page, and as JSON beside it."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the tables as Markdown, without pictures.")
    ] = None,
    unknown: UnknownOption = None,
    elsewhere: ElsewhereOption = False,
    robustness: RobustnessOption = False,
    plot: PlotOption = None,
    domains: DomainsOption = None,
    allow_leak: AllowLeakOption = False,
    json: JsonOption = False,
) -> None:
    """Compare models on the same pictures, which none of them was trained on.

    Reports size, parameters, multiply-accumulates, accuracy and F1 with
    intervals, calibration and latency of each; all pairwise differences with
    interval and p-value; seeds and folds of one recipe as one row; a label tree
    beside a cascade of the same tree. Models trained on these data are compared
    on their common test part, else on what all of them held out. A bundle without
    an artifact means its INT8 network.

    --unknown adds the rejection of unknown things, --elsewhere the accuracy on
    other backgrounds. With --robustness the report is on corruptions (blur,
    noise, darkness and more) instead; with --domains on other sources, one row
    each, and on unknown things.

    Example: [bold]waste-edge compare runs/teacher runs/student small:tflite-int8 --data photos --out report.html[/]
    """
    from waste_edge.evaluation.comparison.held_out import check_labels_agree, pictures_for_all
    from waste_edge.evaluation.comparison.models import gather_folds
    from waste_edge.evaluation.report.markdown import to_markdown
    from waste_edge.files.atomic import write_atomically
    from waste_edge.files.strict import to_json

    if len(models) < 2 and not models[0].endswith(":all"):
        raise UserError(f"{models[0]}: one model alone cannot be compared; name another, or use waste-edge evaluate")
    check_robustness(robustness, {"--out": out, "--unknown": unknown, "--elsewhere": elsewhere}, markdown, plot)
    others = {"--robustness": robustness, "--unknown": unknown, "--elsewhere": elsewhere}
    check_domains(domains, others, allow_leak, out, markdown)
    check_outputs(out, markdown)
    with opened_models(models) as opened:
        check_labels_agree(opened)
        dataset = grouped_dataset(data, opened[0])
        gathered = gather_folds(opened, dataset)
        pictures = pictures_for_all(gathered, dataset)
        if robustness:
            tell(measured(gathered, dataset, pictures.scored, pictures.protocol), markdown, plot, json)
            return
        if domains is not None:
            found = measured_domains(gathered, dataset, pictures.scored, pictures.protocol, domains, allow_leak)
            tell_domains(found, out, markdown, json)
            return
        report = report_on(gathered, dataset, pictures, unknown, elsewhere, full=True)
    if out is not None:
        write_page(report, pictures.scored, out)
    if markdown is not None:
        write_atomically(markdown, to_markdown(report))
    if json:
        say_json(to_json(report))
    else:
        _print(report, out)


def _print(report: ComparisonReport, out: Path | None) -> None:
    from waste_edge.evaluation.report import tables, unknown_tables

    screen = console()
    for leak in report.leaks:
        screen.print(f"leak: {leak}", markup=False, soft_wrap=True, style="bold")
    screen.print(f"scored on {report.protocol}", markup=False, soft_wrap=True)
    print_table(screen, tables.models_table(report).columns("model", "size", "accuracy", "macro", "ms"))
    if report.folded:
        print_table(screen, tables.folded_table(report))
    if report.pairs:
        by = "points, by group" if report.grouped else "points"
        print_table(screen, tables.pairs_table(report).columns("pair", by, "p, Holm"))
    for stages in report.stages:
        print_table(screen, tables.stages_tables(stages)[0].columns("model", "right", "lost", "ms"))
    if report.unknown:
        screen.print(f"unknown: {report.unknown.in_words}", markup=False, soft_wrap=True)
        print_table(screen, unknown_tables.unknown_table(report))
    if report.elsewhere:
        print_table(screen, unknown_tables.elsewhere_table(report))
    if out is not None:
        screen.print(f"the page: {out}", markup=False, soft_wrap=True)
