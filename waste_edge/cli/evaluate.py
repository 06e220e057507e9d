"""`waste-edge evaluate`: how right is a bundle, or a training run, on labelled pictures?"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from waste_edge.cli.common import DataOption, JsonOption, console, opened_bundle, progress_bar, say_json
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
    is_run,
    opened_models,
    report_on,
    write_page,
)
from waste_edge.cli.output.robustness import PlotOption, RobustnessOption, check_robustness, measured, tell
from waste_edge.errors import MissingPackageError, UserError

if TYPE_CHECKING:
    from rich.table import Table

    from waste_edge.evaluation.domains.report import DomainsReport
    from waste_edge.evaluation.evaluate import Evaluation
    from waste_edge.evaluation.robustness.report import RobustnessReport
    from waste_edge.metrics.classification import Scores

# The manifest's own names, written again because importing it would bring OpenCV into --help; a test compares.
ArtifactChoice = Literal["onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8"]
SplitChoice = Literal["auto", "train", "val", "test", "all"]


def command(
    model: Annotated[
        str, typer.Argument(metavar="BUNDLE|RUN", help="A bundle (folder, .zip or shipped name) or a training run.")
    ],
    data: DataOption,
    artifact: Annotated[
        ArtifactChoice | None,
        typer.Option("--artifact", help="Network of the bundle; default: INT8 on the preferred engine."),
    ] = None,
    split: Annotated[
        SplitChoice,
        typer.Option("--split", help="Pictures to score; auto: the validation part of the model's own data, else all."),
    ] = "auto",
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write the report as an HTML page, and as JSON beside it."),
    ] = None,
    unknown: UnknownOption = None,
    elsewhere: ElsewhereOption = False,
    robustness: RobustnessOption = False,
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown", metavar="FILE", help="With --robustness or --domains: write the tables as Markdown."
        ),
    ] = None,
    plot: PlotOption = None,
    through_the_station: Annotated[
        bool,
        typer.Option(
            "--through-the-station",
            help="Place the pictures' items on backgrounds, and score the view that a station would crop.",
        ),
    ] = False,
    grounds: Annotated[
        Path | None,
        typer.Option(
            "--grounds",
            metavar="DIR",
            help="With --through-the-station: pictures of bare surfaces; rendered ones that training never shows if "
            "not given.",
        ),
    ] = None,
    domains: DomainsOption = None,
    allow_leak: AllowLeakOption = False,
    json: JsonOption = False,
) -> None:
    """Score a model on labelled pictures.

    Prints accuracy with a 95 % interval, the per-class table and the confusion
    matrix.

    Of the data that the model was trained on, only the validation part is scored,
    by the split that the model records. Any other data are scored whole. The
    output says which it was. A run and --report need the training packages; a
    bundle only the runtime.

    With --unknown the output has the rejection of unknown things: AUROC of the
    bundle's own known score and of several others, and the rates at the bundle's
    threshold. With --elsewhere it has the accuracy on the pictures' items on
    other backgrounds, and how well unknown things are told from these. Rendered
    pictures stand in for photographs and are no substitute for them.

    With --robustness the pictures are blurred, darkened, rotated, covered and
    more, at three strengths each, and their items put on other backgrounds; the
    output has the loss of accuracy by each. compare --robustness does so with
    several models.

    With --through-the-station the pictures' items are cut out and placed at
    random on a background, under a camera whose exposure may have changed; the
    bundle gets the same input as in a station's loop: the item's crop, or the
    whole view if it was trained on whole pictures. rehearse does so with videos
    and decisions.

    With --domains the report is by source: accuracy and confidence for each,
    their mean and the worst, and the rejection of each kind of unknown thing,
    beside the model's own held-out pictures.

    Example: [bold]waste-edge evaluate small --data photos --split all[/]
    Example: [bold]waste-edge evaluate small --data photos --through-the-station[/]
    Example: [bold]waste-edge evaluate small --data photos --unknown rendered --elsewhere[/]
    """
    from waste_edge.files.strict import to_json

    run = Path(model)
    if is_run(model) and artifact is not None:
        raise UserError(f"{run}: is a training run, which has no artifacts; leave out --artifact {artifact}")
    check_robustness(robustness, {"--report": report, "--unknown": unknown, "--elsewhere": elsewhere}, markdown, plot)
    others = {"--robustness": robustness, "--unknown": unknown, "--elsewhere": elsewhere}
    check_domains(domains, others, allow_leak, report, markdown)
    if markdown is not None and not robustness and domains is None:
        raise UserError(
            f"--markdown {markdown}: is of --robustness and --domains; add one, or write a page with --report"
        )
    if through_the_station:
        if given := [name for name, value in {**others, "--report": report, "--domains": domains}.items() if value]:
            raise UserError(f"--through-the-station: goes without {', '.join(given)}; leave one of them out")
    elif grounds is not None:
        raise UserError(f"--grounds {grounds}: is of --through-the-station; add that")
    if robustness:
        tell(_robustness(f"{model}:{artifact}" if artifact else model, data, split), markdown, plot, json)
        return
    if domains is not None:
        found = _domains(f"{model}:{artifact}" if artifact else model, data, split, domains, allow_leak)
        tell_domains(found, report, markdown, json)
        return
    if through_the_station:
        result = _through_the_station(model, data, split, artifact, grounds)
    elif report is not None or unknown is not None or elsewhere:
        result = _with_report(f"{model}:{artifact}" if artifact else model, data, split, report, unknown, elsewhere)
    elif is_run(model):
        result = _of_run(run, data, split)
    else:
        result = _of_bundle(model, data, artifact, split)
    if json:
        say_json(to_json(result))
    else:
        _print(result)


def _of_run(run: Path, data: Path, split: SplitChoice) -> Evaluation:
    if importlib.util.find_spec("torch") is None:
        raise MissingPackageError(
            f"{run}: a training run needs torch, not installed here; pip install 'waste-edge[train]'"
        )
    from waste_edge.evaluation.evaluate import Evaluation
    from waste_edge.training.evaluation.evaluate import evaluate_run

    with progress_bar("scoring") as progress:
        scores, protocol = evaluate_run(run, data, split, progress)
    return Evaluation(model=str(run), artifact=None, engine="torch", protocol=protocol, scores=scores)


def _through_the_station(
    given: str, data: Path, split: SplitChoice, artifact: ArtifactChoice | None, grounds: Path | None
) -> Evaluation:
    if is_run(given):
        raise UserError(f"{given}: is a training run, and a station runs bundles; export it first")
    from waste_edge.evaluation.station_view import evaluate_through_the_station, grounds_of

    with opened_bundle(given) as bundle, progress_bar("scoring") as progress:
        return evaluate_through_the_station(bundle, data, grounds_of(grounds), artifact, split, progress)


def _of_bundle(given: str, data: Path, artifact: ArtifactChoice | None, split: SplitChoice) -> Evaluation:
    from waste_edge.evaluation.evaluate import evaluate_bundle

    with opened_bundle(given) as bundle, progress_bar("scoring") as progress:
        return evaluate_bundle(bundle, data, artifact, split, progress)


def _with_report(
    model: str, data: Path, split: SplitChoice, page: Path | None, unknown: str | None, elsewhere: bool
) -> Evaluation:
    """The same numbers by way of a report, which is written if there is a place for it."""
    from waste_edge.evaluation.comparison.held_out import pictures_for_one
    from waste_edge.evaluation.evaluate import Evaluation

    check_outputs(page)
    with opened_models([model]) as found:
        if len(found) > 1:
            raise UserError(f"{model}: means {len(found)} networks; name one, or use waste-edge compare")
        opened = found[0]
        dataset = grouped_dataset(data, opened)
        pictures = pictures_for_one(opened, dataset, split)
        report = report_on([opened], dataset, pictures, unknown, elsewhere, full=page is not None)
        if page is not None:
            write_page(report, pictures.scored, page)
        return Evaluation(
            model=model,
            artifact=opened.artifact,
            engine=opened.engine,
            protocol=report.protocol,
            scores=(measured := report.models[0]).scores,
            rejection=measured.rejection.results,
            unknown=report.unknown.in_words if report.unknown else "",
            called_unknown=measured.rejection.called_unknown,
            elsewhere=measured.elsewhere,
            place=report.elsewhere.in_words if report.elsewhere else "",
        )


def _domains(model: str, data: Path, split: SplitChoice, domains: Path, allow_leak: bool) -> DomainsReport:
    from waste_edge.evaluation.comparison.held_out import pictures_for_one

    with opened_models([model]) as opened:
        dataset = grouped_dataset(data, opened[0])
        pictures = pictures_for_one(opened[0], dataset, split)
        return measured_domains(opened, dataset, pictures.scored, pictures.protocol, domains, allow_leak)


def _robustness(model: str, data: Path, split: SplitChoice) -> RobustnessReport:
    from waste_edge.evaluation.comparison.held_out import pictures_for_one

    with opened_models([model]) as opened:
        dataset = grouped_dataset(data, opened[0])
        pictures = pictures_for_one(opened[0], dataset, split)
        return measured(opened, dataset, pictures.scored, pictures.protocol)


def _print(result: Evaluation) -> None:
    screen, scores = console(), result.scores
    network = f"{result.artifact} on {result.engine}" if result.artifact else result.engine
    # A run has no thresholds yet; export fits them.
    rejected = f"; the thresholds would call {scores.rejected:.1%} unknown" if result.artifact else ""
    for line in (
        f"{result.model}: {network}",
        f"scored on {result.protocol}",
        f"accuracy {scores.accuracy:.1%}, 95 % interval {scores.accuracy_low:.1%} to {scores.accuracy_high:.1%}; "
        f"macro F1 {scores.macro_f1:.3f}, weighted F1 {scores.weighted_f1 or 0:.3f}, "
        f"calibration error {scores.ece:.3f}{rejected}",
    ):
        screen.print(line, markup=False, soft_wrap=True)
    screen.print(_per_class(scores))
    screen.print(_confusion(scores))
    for line in _of_stand_ins(result):
        screen.print(line, markup=False, soft_wrap=True)
    if result.rejection:
        from waste_edge.cli.output.report import print_table
        from waste_edge.evaluation.report.unknown_tables import scores_table

        table = scores_table(result.rejection)
        print_table(screen, table.without("elsewhere"))
        if any("elsewhere" in heading for heading in table.headings):
            print_table(screen, table.columns("score", "AUROC, unknown against", "kept elsewhere"))


def _of_stand_ins(result: Evaluation) -> Iterator[str]:
    """Say in words which pictures the tables of unknowns are about."""
    if result.unknown:
        called = "" if result.called_unknown is None else f"; both thresholds call {result.called_unknown:.1%} unknown"
        yield f"unknown: {result.unknown}{called}"
    if (scores := result.elsewhere) is not None:
        rejected = f"; the thresholds would call {scores.rejected:.1%} unknown" if result.artifact else ""
        yield f"elsewhere: {result.place}"
        yield (
            f"accuracy there {scores.accuracy:.1%}, 95 % interval {scores.accuracy_low:.1%} to "
            f"{scores.accuracy_high:.1%}; macro F1 {scores.macro_f1:.3f}{rejected}"
        )


def _per_class(scores: Scores) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="per class", title_justify="left", title_style="bold")
    table.add_column("label")
    for heading in ("precision", "recall", "F1", "pictures"):
        table.add_column(heading, justify="right")
    for row in scores.labels:
        shares = (row.precision, row.recall, row.f1) if row.support else ()
        cells = [f"{share:.3f}" for share in shares] or ["", "", ""]
        table.add_row(escape(row.label), *cells, str(row.support))
    return table


def _confusion(scores: Scores) -> Table:
    from rich.markup import escape
    from rich.table import Table

    labels = [escape(row.label) for row in scores.labels]
    table = Table(
        title="confusion: rows are true labels, columns what was said", title_justify="left", title_style="bold"
    )
    table.add_column("")
    for label in labels:
        table.add_column(label, justify="right")
    for row, (label, counts) in enumerate(zip(labels, scores.confusion, strict=True)):
        cells = [f"[bold]{count}[/]" if column == row else str(count or "·") for column, count in enumerate(counts)]
        table.add_row(label, *cells)
    return table
