"""`waste-edge inspect`: what a bundle is, readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import JsonOption, console, opened_bundle, say_json

if TYPE_CHECKING:
    from rich.table import Table

    from waste_edge.bundle.manifest import Manifest, StationHead


def command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A folder, a .zip, or the name of a shipped bundle.")],
    graph: Annotated[
        bool, typer.Option("--graph", help="Count operators and bytes, and check them for a target.")
    ] = False,
    target: Annotated[
        str, typer.Option("--target", help="With --graph: a .toml file, or the name of one in export/targets/.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Describe a bundle.

    Prints labels, input, artifacts, thresholds, measured accuracy and provenance.

    Reads the manifest only and runs nothing; [bold]waste-edge verify[/] checks
    the content against it. With --json the manifest itself is printed.

    With --graph the files are read instead: the operators of each artifact, those
    that the target does not support, and the bytes by purpose. The default target
    is that of each artifact's format: xnnpack-arm64 for TFLite, ort-cpu for ONNX.
    Exit code 2 if an operator is not supported.

    Example: [bold]waste-edge inspect small --graph --target edgetpu-like[/]
    """
    from waste_edge.errors import UserError
    from waste_edge.files.strict import to_json

    if target and not graph:
        raise UserError("--target goes with --graph; add --graph, or leave --target out")
    try:
        if graph:
            raise typer.Exit(_inspect_graphs(bundle, target, json))
        with opened_bundle(bundle) as opened:
            manifest, source = opened.manifest, str(opened.source)
    except UserError as error:
        if json:
            say_json(to_json({"bundle": bundle, "error": str(error)}))
        raise
    if json:
        say_json(to_json(manifest))
        return
    screen = console()
    for title, rows in _sections(manifest, source).items():
        screen.print(_facts(title, rows))
    screen.print(_artifacts(manifest))
    screen.print(f"measured on {manifest.metrics.protocol}", markup=False, soft_wrap=True)
    screen.print(manifest.metrics.reference_in_words(), markup=False, soft_wrap=True)


def _inspect_graphs(bundle: str, target: str, json: bool) -> int:
    """Print what is in a bundle's files; returns the exit code."""
    from waste_edge.cli.output.graph import print_graphs
    from waste_edge.engines.graph.report import report_graphs
    from waste_edge.engines.graph.rules import read_target
    from waste_edge.files.strict import to_json

    with opened_bundle(bundle) as opened:
        reports = report_graphs(opened, read_target(target) if target else None)
    if json:
        say_json(to_json(reports))
    else:
        print_graphs(reports)
    return 2 if any(report.findings for report in reports) else 0


def _sections(manifest: Manifest, source: str) -> dict[str, dict[str, str]]:
    from waste_edge.rejection import IN_WORDS

    calibration, origin = manifest.calibration, manifest.provenance
    tree = ", ".join(f"{child} is {parent}" for child, parent in manifest.tree.items())
    return {
        "bundle": {
            "name": f"{manifest.name} {manifest.version}",
            "path": source,
            "created": manifest.created,
            "licence": manifest.licence,
            "labels": ", ".join(manifest.labels),
            **({"label tree": tree} if tree else {}),
            "input": _input_in_words(manifest),
            "network": f"{manifest.parameters:,} parameters, {manifest.features} pooled features",
            "other files": ", ".join(entry.file for entry in manifest.extra_files) or "none",
        },
        **({"head": _head_in_words(manifest.head)} if manifest.head else {}),
        "quantization": {name: artifact.scheme for name, artifact in manifest.artifacts.items()},
        "thresholds": {
            "temperature": f"{calibration.temperature:.3f}",
            "unknown below": f"confidence {calibration.min_confidence:.3f} or "
            f"{IN_WORDS[calibration.known_score]} {calibration.min_known_score:.3f}",
            "fitted on": calibration.fitted_on,
        },
        "provenance": {
            "recipe": origin.recipe,
            "data": f"{origin.data} (SHA-256 {origin.data_fingerprint[:12]}…)",
            "split": f"seed {origin.split.seed}, validation {origin.split.val_fraction:.0%}, "
            f"test {origin.split.test_fraction:.0%}",
            "rendered pictures": str(origin.rendered_pictures),
            "initial weights": origin.initial_weights,
            "teacher": origin.teacher or "none",
            "calibrated on": f"{origin.calibration_pictures} pictures",
            "libraries": ", ".join(f"{name} {version}" for name, version in origin.libraries.items()),
            "commit": origin.commit or "unknown",
        },
    }


def _head_in_words(head: StationHead) -> dict[str, str]:
    """The station that a head was learnt at, and what it was worth there."""
    found, shipped = head.assessment.accuracy, head.assessment.shipped
    return {
        "learnt at": f"{head.site}, {head.created}",
        "networks of": f"{head.parent} (SHA-256 of its manifest {head.parent_digest[:12]}…)",
        "items shown": ", ".join(f"{count} {label}" for label, count in head.items.items()) or "none",
        "none of the labels": f"{head.strangers} shots",
        **({"verify replays": f"its answers to {head.kept_items} of these items"} if head.kept_items else {}),
        "accuracy there": f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%}) on items left out, "
        f"the shipped head {shipped.value:.0%}",
    }


def _input_in_words(manifest: Manifest) -> str:
    spec = manifest.input
    words = f"{spec.width_px}x{spec.height_px} {spec.colour}, {spec.resize}"
    if spec.resize == "letterbox":
        words += f" on {spec.fill}"
    if spec.blur_sigma_px:
        words += f", blurred by {spec.blur_sigma_px:g} px"
    return words


def _facts(title: str, rows: dict[str, str]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _artifacts(manifest: Manifest) -> Table:
    from rich.table import Table

    table = Table(title="artifacts", title_justify="left", title_style="bold")
    table.add_column("artifact", no_wrap=True)
    for heading in ("KiB", "million MACs", "accuracy", "95 % interval", "like torch's"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, artifact in manifest.artifacts.items():
        measured = manifest.metrics.artifacts.get(name)
        cells = ["not measured", "", ""]
        if measured is not None:
            scores = measured.scores
            cells = [
                f"{scores.accuracy:.1%}",
                f"{scores.accuracy_low:.1%} to {scores.accuracy_high:.1%}",
                f"{measured.agreement:.1%}",
            ]
        table.add_row(name, f"{artifact.size_bytes / 1024:.0f}", f"{artifact.macs / 1e6:.1f}", *cells)
    return table
