"""Inputs that nobody means well: mutations of good files, and the promise that each ends in an answer or one line.

`make test-fuzz` tries 10,000 (WASTE_EDGE_FUZZ says how many), the suite a few hundred. An input that once broke
something lies in `seeds/`, named after its parser, and is tried in every run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, settings
from hypothesis import strategies as st

from waste_edge.errors import UserError
from waste_edge.files.text import visible

SEEDS = Path(__file__).parent / "seeds"
INPUTS = int(os.environ.get("WASTE_EDGE_FUZZ", "400"))
LONGEST_S = 20.0
MOST_MB = 300.0  # above what the process took before this input
_WORDS = (
    *(b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\x1b[2J", b"\r", b"\xe2\x80\xae", b"\xc3\x28"),
    *(b"nan", b"inf", b"-1", b"1e999", b"9" * 400, b"[" * 400, b"{" * 400, b"." * 60, b"a." * 60, b"../" * 8),
    *(b"\xef\xbb\xbf", b'"', b",", b"\n"),
)


@dataclass
class Tally:
    """All that was tried."""

    inputs: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    slowest: str = ""
    most_mb: float = 0.0

    def in_words(self) -> str:
        return (
            f"{self.inputs:,} inputs, {self.refused:,} refused in one line; slowest {self.slowest_s:.2f} s "
            f"({self.slowest}); at most {self.most_mb:.0f} MB for one"
        )


TALLY = Tally()


def fuzzed(parser: str, share: float, **strategies: st.SearchStrategy[Any]) -> Callable[..., Any]:
    """Like hypothesis's `given`, with this parser's share of all inputs, and its seeds first."""
    from hypothesis import given

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        wrapped = given(**strategies)(test)
        for path in sorted(SEEDS.glob(f"{parser}-*")):
            wrapped = example(**{name: path.read_bytes() for name in strategies})(wrapped)
        checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
        chosen = settings(
            max_examples=max(5, round(INPUTS * share)),
            deadline=timedelta(seconds=LONGEST_S),
            derandomize="WASTE_EDGE_FUZZ" not in os.environ,
            database=None,
            print_blob=True,
            suppress_health_check=checks,
        )
        return chosen(wrapped)

    return decorate


def survive(parser: str, use: Callable[[], object], allowed: tuple[type[Exception], ...] = (UserError,)) -> object:
    """What `use` gives; None where it refuses, in one line without control characters. Anything else fails the test."""
    idle_mb = _begin_peak()
    started = time.monotonic()
    answer = None
    try:
        answer = use()
    except allowed as error:
        TALLY.refused += 1
        if isinstance(error, UserError):
            said = str(error)
            assert said, f"{parser}: an error without words"
            assert len(visible(said)) < 4000, f"{parser}: {len(said)} letters in one line"
    passed_s = time.monotonic() - started
    TALLY.inputs += 1
    if passed_s > TALLY.slowest_s:
        TALLY.slowest_s, TALLY.slowest = passed_s, parser
    took_mb = _memory_mb("VmHWM") - idle_mb
    TALLY.most_mb = max(TALLY.most_mb, took_mb)
    assert passed_s < LONGEST_S, f"{parser}: {passed_s:.1f} s"
    assert took_mb < MOST_MB, f"{parser}: {took_mb:.0f} MB"
    return answer


def mutated(goods: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of `goods`, with some bytes changed, cut, doubled or put in; or just bytes."""
    edits = st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1), st.floats(0, 1), st.integers(0, 255)), max_size=6)
    whole = st.builds(_edited, st.sampled_from(list(goods)), edits)
    return st.one_of(whole, whole, whole, whole, st.binary(max_size=300))


def _edited(good: bytes, edits: list[tuple[int, float, float, int]]) -> bytes:
    content = bytearray(good)
    for kind, at, long, value in edits:
        start = int(at * len(content))
        end = min(len(content), start + 1 + int(long**4 * len(content)))
        if kind == 0 and content:
            content[min(start, len(content) - 1)] = value
        elif kind == 1:
            content[start:start] = _WORDS[value % len(_WORDS)]
        elif kind == 2:
            del content[start:end]
        elif kind == 3:
            content[start:start] = content[start:end]
        elif kind == 4:
            del content[start:]
        else:
            word = _WORDS[value % len(_WORDS)]
            content[start : start + len(word)] = word
    return bytes(content)


def _begin_peak() -> float:
    """Have Linux forget this process's peak of memory, which other tests left high; what it takes now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024
