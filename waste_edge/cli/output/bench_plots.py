"""`waste-edge bench --plots`: pictures of a report, on a machine that has matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.errors import MissingPackageError, UserError

if TYPE_CHECKING:
    from waste_edge.benchmarks.schema import BenchReport, SoakReport


def check_plots(folder: Path) -> None:
    """Say before anything is measured that the pictures cannot be made.

    Raises:
        MissingPackageError: matplotlib is not installed, as on a board.
        UserError: the folder is a file.
    """
    check_matplotlib(
        "--plots",
        "or write --out report.json and draw it on a workstation: waste-edge bench --recorded report.json --plots DIR",
    )
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--plots {folder}: expected a folder; it is a file")


def check_matplotlib(option: str, otherwise: str) -> None:
    """Raise MissingPackageError, saying what else can be done, where no picture can be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingPackageError(f"{option}: matplotlib is not installed here; pip install matplotlib, {otherwise}")


def draw(report: BenchReport | SoakReport, folder: Path) -> list[Path]:
    """Write the pictures into the folder, which is made if need be; returns the files."""
    from waste_edge.benchmarks.schema import BenchReport

    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(report, BenchReport):
        from waste_edge.plots.benchmark import draw_benchmark

        return draw_benchmark(report, folder)
    from waste_edge.plots.benchmark import draw_soak

    return draw_soak(report, folder)


def read_recorded(path: Path) -> BenchReport | SoakReport:
    """A report that `bench --out` wrote; raises ConfigError naming what is wrong in it."""
    import msgspec

    from waste_edge.benchmarks.schema import BenchReport, SoakReport
    from waste_edge.files.strict import read_json, read_text

    class Mode(msgspec.Struct):
        mode: str = ""

    try:
        soak = msgspec.json.decode(read_text(path), type=Mode).mode == "soak"
    except msgspec.DecodeError:
        soak = False  # not even JSON: the strict reader says so better
    return read_json(path, SoakReport) if soak else read_json(path, BenchReport)
