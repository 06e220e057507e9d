"""`waste-edge bench`: how fast is a bundle on this machine?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from waste_edge.cli.common import (
    DEFAULT_BUNDLE,
    BundleOption,
    JsonOption,
    ThreadsOption,
    console,
    opened_bundle,
    progress_bar,
)


def command(
    bundle: BundleOption = DEFAULT_BUNDLE,
    threads: ThreadsOption = 1,
    seconds: Annotated[
        float,
        typer.Option("--seconds", min=0.1, max=86_400, help="Time for all networks together, warm-up not counted."),
    ] = 6.0,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report as JSON to this file too.")] = None,
    json: JsonOption = False,
) -> None:
    """Time FP32 against INT8 on ONNX Runtime and LiteRT, on this machine.

    The networks take turns on the same random pictures after a warm-up: p50,
    p90 and p95 of the bare engine call, the time to load, the file's size, and
    how much faster INT8 is. An engine that is not installed is named so. This
    is a quick run of seconds, for a first look; close other programs before you
    believe it.

    Example: [bold]waste-edge bench --threads 4 --out pi5.json[/]
    """
    from waste_edge.benchmarks.report import benchmark, print_report
    from waste_edge.benchmarks.scenario import Scenario
    from waste_edge.files import write_atomically
    from waste_edge.strict import to_json

    with opened_bundle(bundle) as opened, progress_bar("measuring") as progress:
        report = benchmark(opened, Scenario(seconds=seconds, threads=threads), progress)
    if json:
        typer.echo(to_json(report), nl=False)
    else:
        print_report(report, console())
    if out is not None:
        write_atomically(out, to_json(report))
