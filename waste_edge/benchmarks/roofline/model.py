"""Roofline model of a network on this machine, and lower bounds of its latency on known boards.

A layer needs at least the longer of two times: its multiply-accumulates at the engine's peak, and its bytes at the
memory's. The peaks are measured here (`probe.py`); for known boards they are computed from what is published, and such
figures are called computed wherever they are shown.

Such a `Board` is one whose makers publish enough to compute how fast a network could be on it at best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from waste_edge.benchmarks.roofline.probe import memory_gb_per_s, peak_gmacs_per_s
from waste_edge.bundle.files import NetworkFile
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.engine import engine_of
from waste_edge.engines.graph.costs import Costs, Layer, count_costs
from waste_edge.engines.graph.report import read_graph
from waste_edge.engines.names import EngineName, Precision
from waste_edge.errors import MissingPackageError
from waste_edge.files.resources import shipped
from waste_edge.files.strict import Strict, read_toml

BOARDS_ROOM = "benchmarks/boards"
Bound = Literal["compute", "memory"]
NetworkProgress = Callable[[int, int], None]  # called with networks done and in all
FLOAT_INSTRUCTION = "FMLA"


class Int8Kernel(Strict, frozen=True):
    """An instruction that multiplies bytes, and how many multiply-accumulates a core does with it in a cycle."""

    instruction: str
    macs_per_cycle: int


class Board(Strict, frozen=True):
    """One board, as published: one `benchmarks/boards/*.toml`.

    Attributes:
        name, title: for machines and for people.
        core: the processor's core.
        cores: how many.
        clock_mhz: at most, as sold.
        fp32_macs_per_cycle: multiply-accumulates of a core, at most.
        memory_gb_per_s: of its memory, at most; billions of bytes.
        int8: ways to multiply bytes, the fastest that the core has first.
        based_on: where the figures are from.
    """

    name: str
    title: str
    core: str
    cores: int
    clock_mhz: float
    fp32_macs_per_cycle: int
    memory_gb_per_s: float
    int8: list[Int8Kernel]
    based_on: list[str]

    def __post_init__(self) -> None:
        kernels = [kernel.macs_per_cycle for kernel in self.int8]
        if min(self.cores, self.clock_mhz, self.fp32_macs_per_cycle, self.memory_gb_per_s, *kernels) <= 0:
            raise ValueError(f"{self.name}: cores, clock, cycles and bandwidth must be above 0")
        if not self.int8 or not self.based_on:
            raise ValueError(f"{self.name}: a board needs a way to multiply bytes (int8), and sources (based_on)")


def read_boards() -> list[Board]:
    """The shipped boards, the slowest first; raises ConfigError naming what is wrong in a file."""
    boards = [read_toml(path, Board) for path in sorted(shipped(BOARDS_ROOM).glob("*.toml"))]
    return sorted(boards, key=lambda board: (board.clock_mhz * board.fp32_macs_per_cycle, board.name))


class Measured(NamedTuple):
    """A network that was timed: its row's key, its file, and the median."""

    key: str
    network: Path | NetworkFile
    artifact: ArtifactName
    threads: int
    p50_ms: float

    @property
    def engine(self) -> EngineName:
        return engine_of(self.artifact)

    @property
    def precision(self) -> Precision:
        return "int8" if self.artifact.endswith("int8") else "fp32"


class LayerRoof(Strict, frozen=True):
    """Roof of one layer.

    Attributes:
        place: what it computes, as the file names it.
        kind: the operator.
        macs: multiply-accumulates of one picture.
        moved_bytes: weights, inputs and outputs, each once.
        bound: which of the two peaks it meets first.
        memory_gb_per_s: measured with copies of about as many bytes: a small layer's stay in a cache.
        least_ms: at the peak it meets first.
    """

    place: str
    kind: str
    macs: int
    moved_bytes: int
    bound: Bound
    memory_gb_per_s: float
    least_ms: float


class Roof(Strict, frozen=True):
    """One row's network under this machine's roof.

    Attributes:
        key: of the row.
        macs, moved_bytes: of one picture, in all layers.
        peak_gmacs_per_s: measured with the same engine, precision and threads: billions a second.
        memory_gb_per_s: that its layers' bytes would flow at, on the whole.
        least_ms: the sum of its layers'.
        measured_ms: the row's median.
        peak_share: multiply-accumulates a second that it reached, over the peak.
        roof_share: `least_ms` over `measured_ms`.
        memory_bound_share: of `least_ms`, what layers take that wait for memory.
        layers: in the order they run.
        uncounted: kinds of operators that are not in here, since the file says too little of them.
        skipped: why there are no figures; empty if there are.
    """

    key: str
    macs: int
    moved_bytes: int
    peak_gmacs_per_s: float
    memory_gb_per_s: float
    least_ms: float
    measured_ms: float
    peak_share: float
    roof_share: float
    memory_bound_share: float
    layers: list[LayerRoof]
    uncounted: list[str]
    skipped: str = ""


class Floor(Strict, frozen=True):
    """Lower bound of a network's latency on a board, computed from published figures, never measured.

    Attributes:
        key: of the row whose network it is.
        board, title: which board.
        precision: of the network.
        instruction: that multiplies.
        threads: cores at work.
        compute_ms: all multiply-accumulates at the cores' peak and nothing else: nobody is faster.
        uncached_ms: where every layer's bytes come from memory and go there: what caches can save lies between.
    """

    key: str
    board: str
    title: str
    precision: Precision
    instruction: str
    threads: int
    compute_ms: float
    uncached_ms: float


class Roofline(Strict, frozen=True):
    """Roofs measured on this machine, and floors computed for known boards."""

    roofs: list[Roof]
    floors: list[Floor]


def roofline(networks: Sequence[Measured], progress: NetworkProgress = lambda done, total: None) -> Roofline:
    """Hold timed networks against this machine's peaks, and compute what known boards could do with them.

    Raises:
        BundleError: a file is damaged.
        ConfigError: a board's file is wrong.
    """
    roofs: list[Roof] = []
    counted: dict[tuple[str, Precision], tuple[Measured, Costs]] = {}
    for done, network in enumerate(networks):
        progress(done, len(networks))
        try:
            costs = count_costs(read_graph(network.network, network.artifact))
            roofs.append(_roof(network, costs))
        except MissingPackageError as error:
            roofs.append(_skipped(network, str(error)))
            continue
        # FP32 and INT8 make different floors, engines and threads do not: one of each network is enough.
        counted.setdefault((network.key.partition("/")[0], network.precision), (network, costs))
    progress(len(networks), len(networks))
    floors = [
        floor
        for board in read_boards()
        for network, costs in counted.values()
        for floor in floors_of(network, costs, board)
    ]
    return Roofline(roofs=roofs, floors=floors)


def _roof(network: Measured, costs: Costs) -> Roof:
    peak = peak_gmacs_per_s(network.engine, network.precision, network.threads)
    layers = [_under(layer, peak, memory_gb_per_s(layer.moved_bytes, network.threads)) for layer in costs.layers]
    flowing_ms = sum(layer.moved_bytes / layer.memory_gb_per_s / 1e6 for layer in layers)
    least_ms = sum(layer.least_ms for layer in layers)
    waiting_ms = sum(layer.least_ms for layer in layers if layer.bound == "memory")
    return Roof(
        key=network.key,
        macs=costs.macs,
        moved_bytes=costs.moved_bytes,
        peak_gmacs_per_s=peak,
        memory_gb_per_s=costs.moved_bytes / flowing_ms / 1e6 if flowing_ms else 0.0,
        least_ms=least_ms,
        measured_ms=network.p50_ms,
        peak_share=costs.macs / (network.p50_ms * 1e6) / peak,
        roof_share=least_ms / network.p50_ms,
        memory_bound_share=waiting_ms / least_ms if least_ms else 0.0,
        layers=layers,
        uncounted=list(costs.uncounted),
    )


def _skipped(network: Measured, why: str) -> Roof:
    nothing = dict.fromkeys(("macs", "moved_bytes"), 0)
    return Roof(
        **nothing,
        key=network.key,
        peak_gmacs_per_s=0.0,
        memory_gb_per_s=0.0,
        least_ms=0.0,
        measured_ms=network.p50_ms,
        peak_share=0.0,
        roof_share=0.0,
        memory_bound_share=0.0,
        layers=[],
        uncounted=[],
        skipped=why,
    )


def _under(layer: Layer, gmacs_per_s: float, gb_per_s: float) -> LayerRoof:
    compute_ms, memory_ms = layer.macs / gmacs_per_s / 1e6, layer.moved_bytes / gb_per_s / 1e6
    return LayerRoof(
        place=layer.place,
        kind=layer.kind,
        macs=layer.macs,
        moved_bytes=layer.moved_bytes,
        bound="compute" if compute_ms >= memory_ms else "memory",
        memory_gb_per_s=gb_per_s,
        least_ms=max(compute_ms, memory_ms),
    )


def floors_of(network: Measured, costs: Costs, board: Board) -> list[Floor]:
    """Computed for one core and for all of them, with each way the board multiplies at the network's precision."""
    kernels = [(kernel.instruction, kernel.macs_per_cycle) for kernel in board.int8]
    if network.precision == "fp32":
        kernels = [(FLOAT_INSTRUCTION, board.fp32_macs_per_cycle)]
    floors = []
    for instruction, macs_per_cycle in kernels:
        for threads in sorted({1, board.cores}):
            gmacs_per_s = threads * macs_per_cycle * board.clock_mhz / 1e3
            layers = [_under(layer, gmacs_per_s, board.memory_gb_per_s) for layer in costs.layers]
            floors.append(
                Floor(
                    key=network.key,
                    board=board.name,
                    title=board.title,
                    precision=network.precision,
                    instruction=instruction,
                    threads=threads,
                    compute_ms=costs.macs / gmacs_per_s / 1e6,
                    uncached_ms=sum(layer.least_ms for layer in layers),
                )
            )
    return floors
