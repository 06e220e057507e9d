"""`waste-edge bench`: how fast, how right and how steady is a bundle on this machine?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waste_edge.cli.bench_modes import Form, Wish, measure, replay
from waste_edge.cli.bench_modes import soak as run_soak
from waste_edge.cli.common import DEFAULT_BUNDLE, JsonOption, check_engine
from waste_edge.cli.output.bench_plots import check_plots
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from waste_edge.benchmarks.scenario import Scenario

MAX_THREADS = 64


def command(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BUNDLE|FILE.onnx|FILE.tflite]...", help="Bundles and network files to measure, taking turns."
        ),
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option("--bundle", "-b", help=f"Bundle to list first; default: {DEFAULT_BUNDLE}."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="BUNDLE", help="Bundle to compare with; repeatable."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Labelled pictures, as for evaluate: measure each row's accuracy too."),
    ] = None,
    rigorous: Annotated[
        bool, typer.Option("--rigorous", help="Measure at least 1,024 samples a row and 60 s; needs an idle machine.")
    ] = False,
    threads: Annotated[
        str, typer.Option("--threads", help="Threads of the engines: 4, or several: 1,2,4 or 1..4.")
    ] = "1",
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            min=0.1,
            max=86_400,
            help="Seconds of timed calls, all rows together; default 6, or 60 if rigorous.",
        ),
    ] = None,
    engines: Annotated[
        list[str] | None,
        typer.Option(
            "--engine", metavar="PLUG-IN", help="Plug-in engine to time beside the package's own; may be repeated."
        ),
    ] = None,
    cpu_time: Annotated[
        bool,
        typer.Option("--cpu-time", help="Measure CPU time of one thread instead of wall time: for a busy machine."),
    ] = False,
    engine_only: Annotated[
        bool,
        typer.Option("--engine-only", help="Measure the engine's calls only: no stages, process starts or energy."),
    ] = False,
    camera: Annotated[
        str | None,
        typer.Option("--camera", metavar="ID", help="Camera to time from capture to decision; default: synthetic:30."),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="OLD.json", help="Compare with a recorded run.")
    ] = None,
    soak: Annotated[
        float | None,
        typer.Option(
            "--soak",
            metavar="MINUTES",
            min=0.05,
            max=10_080,
            help="Run the station's loop for so many minutes instead.",
        ),
    ] = None,
    roofline: Annotated[
        bool, typer.Option("--roofline", help="Add this machine's peak rates, and computed bounds for known boards.")
    ] = False,
    plots: Annotated[
        Path | None, typer.Option("--plots", metavar="DIR", help="Write plots as PNG into a folder; needs matplotlib.")
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--recorded", metavar="REPORT.json", help="Measure nothing: print or plot a report of --out again."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report as JSON to this file too.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    json: JsonOption = False,
    fake_board: Annotated[
        Path | None, typer.Option("--fake-board", hidden=True, help="A folder in place of / for /proc, /sys, vcgencmd.")
    ] = None,
) -> None:
    """Measure latency, memory and accuracy of FP32 and INT8 on each engine.

    The networks take turns on the same rendered pictures once they are warm:
    percentiles of the engine's call through our interface and in a plain loop
    ("bare"), the stages from frame to decision, a camera's frames from capture to
    decision, the time from process start to the first decision, memory, energy
    where the board measures it, and each network's accuracy. Engines that are not
    installed are listed.

    Without --rigorous this is a quick run of seconds, for a first look. The board
    is monitored; if it throttles, swaps, changes its clock or does other work,
    the run is marked invalid with the reason and exits with 3.

    With --recorded a report that --out wrote is printed, plotted or compared
    again.

    With --soak the station's loop runs for some minutes, and a trend test checks
    for slowdown and memory growth.

    Example: [bold]waste-edge bench --rigorous --threads 1..4 --data photos --out pi5.json[/]
    """
    from waste_edge.device.system.board import Board

    _check(out, plots, fake_board, json and markdown)
    form: Form = "json" if json else "markdown" if markdown else "table"
    wish = Wish(compare, out, form, Board(fake_board or Path("/")), roofline, plots)
    first = [bundle] if bundle is not None else [] if subjects else [DEFAULT_BUNDLE]
    named = [*first, *(subjects or []), *(against or [])]
    of_measuring = {
        "--data": data, "--rigorous": rigorous, "--seconds": seconds, "--cpu-time": cpu_time,
        "--engine": engines, "--engine-only": engine_only, "--threads": threads != "1", "--roofline": roofline,
        "--camera": camera,
    }  # fmt: skip
    if recorded is not None:
        others = {"bundles or files": subjects or bundle or against, **of_measuring, "--soak": soak, "--out": out}
        replay(recorded, [name for name, value in others.items() if value], wish)
    elif soak is not None:
        others = {**of_measuring, "--compare": compare, "--markdown": markdown}
        run_soak(named, soak, [name for name, value in others.items() if value], wish)
    else:
        if camera is not None and (engine_only or cpu_time):
            raise UserError("--camera: is timed neither with --engine-only nor with --cpu-time")
        for name in engines or ():
            check_engine(name)
        changes = {"threads": _counts(threads), "time": "cpu" if cpu_time else "wall", "engines": engines or []}
        measure(named, _with_camera(_scenario(rigorous, seconds, engine_only, changes), camera), data, wish)


def _check(out: Path | None, plots: Path | None, fake_board: Path | None, two_forms: bool) -> None:
    """Say before anything is measured what cannot be written or read."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise UserError(f"--out {out}: expected a file in a folder that exists")
    if two_forms:
        raise UserError("--json and --markdown: expected one of them; --out writes JSON beside either")
    if fake_board is not None and not fake_board.is_dir():
        raise UserError(f"--fake-board {fake_board}: expected a folder")
    if plots is not None:
        check_plots(plots)


def _with_camera(scenario: Scenario, camera: str | None) -> Scenario:
    import msgspec

    from waste_edge.device.cameras import camera_source
    from waste_edge.device.clock import SystemClock

    if camera is None:
        return scenario
    camera_source(camera, SystemClock())  # a wrong ID is said now, and not after minutes
    return msgspec.structs.replace(scenario, camera=camera)


def _scenario(rigorous: bool, seconds: float | None, engine_only: bool, changes: dict[str, Any]) -> Scenario:
    from waste_edge.benchmarks import scenario

    if engine_only:
        changes |= {"starts": 0, "frames": 0, "energy_seconds": 0.0, "live_seconds": 0.0}
    if rigorous:
        return scenario.rigorous(seconds or scenario.RIGOROUS_SECONDS, **changes)
    return scenario.quick(seconds or 6.0, **changes)


def _counts(given: str) -> list[int]:
    """`4`, `1,2,4` or `1..4` as numbers."""
    if ends := re.fullmatch(r"(\d{1,2})\.\.(\d{1,2})", given, re.ASCII):
        counts = list(range(int(ends[1]), int(ends[2]) + 1))
    else:
        counts = (
            [int(word) for word in given.split(",")] if re.fullmatch(r"\d{1,2}(,\d{1,2})*", given, re.ASCII) else []
        )
    if not counts or min(counts) < 1 or max(counts) > MAX_THREADS or len(set(counts)) < len(counts):
        raise UserError(f"--threads {given}: expected numbers from 1 to {MAX_THREADS}, such as 4, 1,2,4 or 1..4")
    return counts
