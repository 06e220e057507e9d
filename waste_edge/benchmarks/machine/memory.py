"""Memory of a process and its children, as the kernel counts it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Memory of a process, in millions of bytes.

    Attributes:
        pss_mb: all pages, each shared one divided by those who share it.
        anonymous_mb: pages that belong to no file: what a program that leaks has more and more of.
    """

    pss_mb: float
    anonymous_mb: float


def process_tree(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    pids = [pid]
    for task in (PROC / str(pid) / "task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            pids += process_tree(int(child))
    return pids


def memory_of(pids: list[int]) -> Memory:
    """The sum over some processes.

    Raises:
        OSError: one of them is gone, or belongs to somebody else.
    """
    texts = [(PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii") for pid in pids]
    return Memory(sum(_mb(text, "Pss") for text in texts), sum(_mb(text, "Anonymous") for text in texts))


def _mb(text: str, key: str) -> float:
    found = re.search(rf"^{key}: +(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise OSError(f"smaps_rollup has no line {key}; this kernel does not count it")
    return int(found[1]) * 1024 / 1e6
