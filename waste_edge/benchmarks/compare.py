"""Several bundles timed in the same turns: which network is how much faster, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from waste_edge import __version__
from waste_edge.benchmarks.machine import Machine, read_machine
from waste_edge.benchmarks.measure import Progress, Row, measure_together
from waste_edge.benchmarks.report import (
    QUICK,
    BundleIdentity,
    Speedup,
    describe_machine,
    describe_scenario,
    identity_of,
    speedups_of,
)
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.bundle import Bundle
from waste_edge.engines.engine import artifact_of
from waste_edge.strict import Strict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Contender(Strict, frozen=True):
    """One bundle of a comparison.

    Attributes:
        bundle: which one.
        recipe: that its network was trained by.
        input_px: width and height of what the network takes.
        parameters: trainable numbers.
        macs: multiply-accumulates of one picture.
        rows: its networks, as in a report of one bundle.
        speedups: FP32 against INT8 on each engine.
        first_over_this: for each network that was measured in the first bundle too, the first's median latency
            divided by this one's; above 1, this one is the faster.
    """

    bundle: BundleIdentity
    recipe: str
    input_px: tuple[int, int]
    parameters: int
    macs: int
    rows: list[Row]
    speedups: list[Speedup]
    first_over_this: dict[str, float]


class Comparison(Strict, frozen=True):
    """One benchmark of several bundles on one machine, all networks taking turns."""

    schema: Literal[1]
    mode: Literal["quick"]
    note: str
    created: str
    waste_edge: str
    machine: Machine
    scenario: Scenario
    contenders: list[Contender]


def compare(bundles: Sequence[Bundle], scenario: Scenario, progress: Progress) -> Comparison:
    """Measure bundles together here; errors as in `measure_together`."""
    rows = measure_together(bundles, scenario, progress)
    return Comparison(
        schema=1,
        mode="quick",
        note=QUICK,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        waste_edge=__version__,
        machine=read_machine(),
        scenario=scenario,
        contenders=[_contender(bundle, own, rows[0]) for bundle, own in zip(bundles, rows, strict=True)],
    )


def _contender(bundle: Bundle, rows: list[Row], first: list[Row]) -> Contender:
    manifest = bundle.manifest
    return Contender(
        bundle=identity_of(bundle),
        recipe=manifest.provenance.recipe,
        input_px=(manifest.input.width_px, manifest.input.height_px),
        parameters=manifest.parameters,
        macs=max(artifact.macs for artifact in manifest.artifacts.values()),
        rows=rows,
        speedups=speedups_of(rows),
        first_over_this={
            row.artifact: other.latency.p50_ms / row.latency.p50_ms
            for row, other in zip(rows, first, strict=True)
            if row.latency is not None and other.latency is not None
        },
    )


def print_comparison(comparison: Comparison, screen: Console) -> None:
    """Write the table for people."""
    screen.print(f"on {describe_machine(comparison.machine)}", markup=False, soft_wrap=True)
    screen.print(_table(comparison))
    reasons = {row.reason for contender in comparison.contenders for row in contender.rows if row.reason}
    for reason in sorted(reasons):
        screen.print(reason, markup=False, soft_wrap=True)
    screen.print(
        f"Medians, {describe_scenario(comparison.scenario)}, all networks taking turns; {comparison.note}.",
        soft_wrap=True,
    )


def _table(comparison: Comparison) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for heading in ("bundle", "network"):
        table.add_column(heading)
    first = escape(comparison.contenders[0].bundle.name)
    for heading in ("px", "parameters", "million MACs", "KiB", "p50 ms", "FP32 / INT8", f"{first} / this"):
        table.add_column(heading, justify="right")
    for contender in comparison.contenders:
        for row in contender.rows:
            table.add_row(escape(contender.bundle.name), row.artifact, *_cells(contender, row))
    return table


def _cells(contender: Contender, row: Row) -> list[str]:
    """What follows the bundle's and the network's name in a line of the table."""
    ratio = next((one.fp32_over_int8 for one in contender.speedups if _is_int8_of(row, one)), None)
    size_px = f"{contender.input_px[0]}x{contender.input_px[1]}"
    return [
        size_px,
        f"{contender.parameters:,}",
        f"{contender.macs / 1e6:.1f}",
        "" if row.size_bytes is None else f"{row.size_bytes / 1024:.0f}",
        row.status if row.latency is None else f"{row.latency.p50_ms:.2f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{contender.first_over_this[row.artifact]:.2f}" if row.artifact in contender.first_over_this else "",
    ]


def _is_int8_of(row: Row, speedup: Speedup) -> bool:
    return row.artifact == artifact_of(speedup.engine, "int8")
