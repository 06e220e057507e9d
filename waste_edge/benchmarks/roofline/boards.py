"""Boards whose makers publish enough to compute how fast a network could be on them at best."""

from __future__ import annotations

from waste_edge.files.resources import shipped
from waste_edge.files.strict import Strict, read_toml

BOARDS_ROOM = "benchmarks/boards"


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
