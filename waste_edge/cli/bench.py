"""`waste-edge bench`: how fast is a bundle on this machine?"""

from __future__ import annotations

import contextlib
from functools import partial
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
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="BUNDLE", help="Another bundle that takes turns with it; may be repeated."),
    ] = None,
    threads: ThreadsOption = 1,
    seconds: Annotated[
        float,
        typer.Option("--seconds", min=0.1, max=86_400, help="Time for all networks together, warm-up not counted."),
    ] = 6.0,
    cpu_time: Annotated[
        bool,
        typer.Option("--cpu-time", help="Count what one thread works, not what it waits: for a machine that is busy."),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report as JSON to this file too.")] = None,
    json: JsonOption = False,
) -> None:
    """Time FP32 against INT8 on ONNX Runtime and LiteRT, on this machine.

    The networks take turns on the same random pictures after a warm-up: p50,
    p90 and p95 of the bare engine call, the time to load, the file's size, and
    how much faster INT8 is. An engine that is not installed is named so. This
    is a quick run of seconds, for a first look; close other programs before you
    believe it.

    With --against the networks of all bundles take turns, each on pictures of its
    own size, and the table says how much faster each is than the first.

    Example: [bold]waste-edge bench --threads 4 --out pi5.json[/]
    """
    from waste_edge.benchmarks.compare import compare, print_comparison
    from waste_edge.benchmarks.report import benchmark, print_report
    from waste_edge.benchmarks.scenario import Scenario
    from waste_edge.errors import UserError
    from waste_edge.files import write_atomically
    from waste_edge.strict import to_json

    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UserError(f"--out {out}: expected a file in a folder that exists")
    scenario = Scenario(seconds=seconds, threads=threads, time="cpu" if cpu_time else "wall")
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(opened_bundle(given)) for given in (bundle, *(against or []))]
        progress = stack.enter_context(progress_bar("measuring"))
        if against:
            comparison = compare(opened, scenario, progress)
            text, show = to_json(comparison), partial(print_comparison, comparison)
        else:
            report = benchmark(opened[0], scenario, progress)
            text, show = to_json(report), partial(print_report, report)
    if json:
        typer.echo(text, nl=False)
    else:
        show(console())
    if out is not None:
        write_atomically(out, text)
