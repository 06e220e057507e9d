"""Modes of `waste-edge bench`: measure, run a station's loop, or show a recorded run again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from waste_edge.cli.common import console, opened_bundle, say
from waste_edge.cli.output.bench_plots import draw, read_recorded
from waste_edge.errors import BundleError, UserError

if TYPE_CHECKING:
    from waste_edge.benchmarks.candidates import Given
    from waste_edge.benchmarks.scenario import Scenario
    from waste_edge.benchmarks.schema import BenchReport, SoakReport
    from waste_edge.device.system.board import Board

INVALID = 3  # the exit code of a run that was disturbed
StepProgress = Callable[[str, int, int], None]
Form = Literal["table", "json", "markdown"]


@dataclass(frozen=True)
class Wish:
    """Options of `bench` besides the scenario."""

    compare: Path | None
    out: Path | None
    form: Form
    board: Board
    roofline: bool
    plots: Path | None


def measure(named: Sequence[str], scenario: Scenario, data: Path | None, wish: Wish) -> None:
    """Time what is named, against each other."""
    from waste_edge.benchmarks.report import benchmark, with_roofline

    earlier = _earlier(wish)
    with _opened(named) as given, _progress() as progress:
        report = benchmark(given, scenario, progress, wish.board, data)
        if wish.roofline:
            report = with_roofline(report, given, progress)
    _show(report, earlier, wish)
    _end(report, wish)


def _earlier(wish: Wish) -> BenchReport | None:
    """The report to compare with: read before anything is measured."""
    from waste_edge.benchmarks.schema import BenchReport
    from waste_edge.files.strict import read_json

    return read_json(wish.compare, BenchReport) if wish.compare else None


def _show(report: BenchReport, earlier: BenchReport | None, wish: Wish) -> None:
    """Print a report, but for its JSON, and what changed since an earlier one."""
    from waste_edge.benchmarks.compare import compare, print_comparison, sentences
    from waste_edge.benchmarks.show import markdown, print_report

    if wish.form == "table":
        print_report(report, console())
    elif wish.form == "markdown":
        say(markdown(report).removesuffix("\n"))
    if earlier is None:
        return
    comparison = compare(earlier, report)
    if wish.form == "table":
        print_comparison(comparison, console())
        return
    for sentence in sentences(comparison):
        say(sentence, err=True)


def soak(named: Sequence[str], minutes: float, superfluous: Sequence[str], wish: Wish) -> None:
    """Run the loop of a station with one bundle."""
    from waste_edge.benchmarks.endurance import endure, print_soak

    if superfluous or len(named) != 1 or named[0].endswith((".onnx", ".tflite")):
        what = ", ".join(superfluous) or " ".join(named)
        raise UserError(f"--soak runs one bundle's INT8 network in the station's loop; got {what}; leave that out")
    with opened_bundle(named[0]) as bundle, _progress() as progress:
        report = endure(bundle, minutes, progress, wish.board)
    if wish.form == "table":
        print_soak(report, console())
    _end(report, wish)
    raise typer.Exit(0 if report.steady else 1)


def replay(path: Path, superfluous: Sequence[str], wish: Wish) -> None:
    """Show a recorded run as if it had just been measured."""
    from waste_edge.benchmarks.endurance import print_soak
    from waste_edge.benchmarks.schema import SoakReport

    if superfluous:
        raise UserError(f"--recorded measures nothing; got {', '.join(superfluous)} as well; leave that out")
    report, earlier = read_recorded(path), _earlier(wish)
    if isinstance(report, SoakReport):
        if wish.form == "markdown" or earlier:
            raise UserError(f"{path}: is a soak, which has no tables; leave --markdown and --compare out")
        if wish.form == "table":
            print_soak(report, console())
    else:
        _show(report, earlier, wish)
    _end(report, wish)


def _end(report: BenchReport | SoakReport, wish: Wish) -> None:
    """Write the JSON and the pictures, and end with 3 if the run was disturbed."""
    from waste_edge.files.atomic import write_atomically
    from waste_edge.files.strict import to_json

    text = to_json(report)
    if wish.form == "json":
        say(text.removesuffix("\n"))
    if wish.out is not None:
        write_atomically(wish.out, text)
    if wish.plots is not None:
        for drawn in draw(report, wish.plots):
            say(f"drawn: {drawn}", err=True)
    if not report.valid:
        if wish.form != "table":
            reasons = "; ".join(f"{one.what}: {one.text}" for one in report.disturbances)
            say(f"waste-edge: this run is invalid ({reasons})", err=True)
        raise typer.Exit(INVALID)


@contextlib.contextmanager
def _opened(named: Sequence[str]) -> Iterator[list[Given]]:
    """Bundles and files, the bundles closed afterwards."""
    from waste_edge.benchmarks.baseline import SUFFIXES
    from waste_edge.bundle.opening import required_key_path
    from waste_edge.bundle.signing import REQUIRE_KEY_VARIABLE

    unsigned = [name for name in named if Path(name).suffix in SUFFIXES]
    if unsigned and required_key_path() is not None:
        raise UserError(f"{unsigned[0]}: a lone file is not signed, and {REQUIRE_KEY_VARIABLE} is set; give a bundle")
    with contextlib.ExitStack() as stack:
        given: list[Given] = []
        for name in named:
            path = Path(name)
            if path.suffix not in SUFFIXES:
                given.append(stack.enter_context(opened_bundle(name)))
                continue
            if not path.is_file():
                raise BundleError(f"{path}: no such file; check the path")
            given.append(path)
        yield given


@contextlib.contextmanager
def _progress() -> Iterator[StepProgress]:
    """A bar on stderr that says what is being done, if stderr is a terminal."""
    from rich.progress import Progress as Bar

    screen = console(stderr=True)
    with Bar(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("loading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
