"""`waste-edge data check`: is a folder of photographs fit to train on?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, host_only, progress_bars, say_json

if TYPE_CHECKING:
    from rich.table import Table

    from waste_edge.training.data.check.findings import DataReport

_WHOLE = {"classes", "leak"}  # what is true of all pictures: naming three says nothing
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Photographs: one folder a label.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="REPORT_DIR", help="Folder for check.json and one contact sheet for each finding."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights of a MobileNetV1 (.safetensors), to find wrong labels by its features instead of "
            "colours and edges.",
        ),
    ] = None,
    unknown_ok: Annotated[
        bool, typer.Option("--unknown-ok", help="Accept a folder named unknown, with pictures of none of the labels.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check every file of a data folder before training.

    \b
      error    unreadable files; empty classes; the same picture under two labels
               or on two sides of a split; a label that is not trained
      warning  stray and hidden files; copies; look-alikes under two labels; rare
               labels; small, narrow, dark, blurred pictures; likely wrong labels;
               file names that give the label away
      note     how many pictures a label has, groups of look-alikes, extremes

    All cores look at the pictures, and what they learn is kept in
    ~/.cache/waste-edge/pictures: a check that was stopped goes on where it was,
    and data split and train do not read unchanged pictures again.

    Nothing is changed. With --out each finding has a contact sheet: look at it
    before you act on a warning.

    \b
    Examples:
      waste-edge data check photos --out report
      waste-edge data check photos --json | jq .fit

    Exit code 0: fit to train on, warnings or not. 2: it is not.
    """
    from waste_edge.files.strict import to_json

    with host_only("train"), progress_bars() as watch:
        from waste_edge.training.data.check.check import check_folder, refuse_out, write_report

        if out:
            refuse_out(folder, out)
        checked = check_folder(folder, weights, unknown_ok, watch)
        report = write_report(checked, out, watch) if out else checked.report
    if json:
        say_json(to_json(report))
    else:
        _print(report, out)
    raise typer.Exit(0 if report.fit else 2)


def _print(report: DataReport, out: Path | None) -> None:
    from rich.markup import escape

    screen = console()
    screen.print(f"{report.folder}: {report.pictures:,} pictures", markup=False, soft_wrap=True)
    if report.labels:
        screen.print(_labels_table(report), _spreads_table(report))
    for finding in report.findings:
        colour = _COLOURS[finding.severity]
        line = f"[{colour}]{finding.severity:7}[/] {finding.kind}: {escape(finding.text)}"
        screen.print(f"{line}; {escape(finding.remedy)}" if finding.remedy != "nothing to do" else line, soft_wrap=True)
        if finding.severity != "note" and finding.kind not in _WHOLE:
            for suspect in finding.suspects[:3]:
                screen.print(f"          {suspect.file}: {suspect.says}", markup=False, soft_wrap=True)
            if len(finding.suspects) > 3:
                screen.print(f"          and {len(finding.suspects) - 3:,} more", markup=False)
    screen.print(f"wrong labels were judged by: {report.mislabels_by}", markup=False, soft_wrap=True)
    if out:
        screen.print(f"contact sheets and check.json: {out}", markup=False, soft_wrap=True)
    errors, warnings = (sum(one.severity == level for one in report.findings) for level in ("error", "warning"))
    colour, verdict = ("green", "fit to train on") if report.fit else ("red", "not fit to train on; mend the errors")
    screen.print(f"[{colour}]{verdict}[/] (kinds of error: {errors}, of warning: {warnings})", soft_wrap=True)


def _labels_table(report: DataReport) -> Table:
    from rich.markup import escape
    from rich.table import Table

    parts = list(next(iter(report.labels.values())))
    table = Table(title="readable pictures", title_justify="left", title_style="bold")
    table.add_column("label")
    for part in parts:
        table.add_column("pictures" if part == "all" else part, justify="right")
    for label, counts in report.labels.items():
        table.add_row(escape(label), *(f"{counts[part]:,}" for part in parts))
    return table


def _spreads_table(report: DataReport) -> Table:
    from rich.table import Table

    table = Table(title="measures", title_justify="left", title_style="bold")
    table.add_column("")
    for heading in ("least", "5 %", "median", "95 %", "most"):
        table.add_column(heading, justify="right")
    for name, spread in report.spreads.items():
        values = (spread.least, spread.low, spread.median, spread.high, spread.most)
        table.add_row(name, *(f"{value:,.2f}" if name == "aspect" else f"{value:,.0f}" for value in values))
    return table
