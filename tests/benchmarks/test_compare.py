"""A verdict that respects noise, between made-up reports."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.benchmarks.reports import made_up_report
from waste_edge.benchmarks.compare import compare, sentences
from waste_edge.benchmarks.schema import BenchReport, Block, Row

KEY = "small/tflite-int8/litert/1/ours"


def slower(report: BenchReport, factor: float, unrest: float = 0.0) -> BenchReport:
    """The report with every row so much slower, its blocks scattered."""
    generator = np.random.default_rng(5)

    def change(row: Row) -> Row:
        assert row.latency is not None
        p50_ms = row.latency.p50_ms * factor
        blocks = [
            Block(at_s=block.at_s, samples=block.samples, p50_ms=p50_ms * float(generator.lognormal(0, unrest)))
            for block in row.latency.blocks[:12]
        ]
        latency = msgspec.structs.replace(row.latency, p50_ms=p50_ms, blocks=blocks)
        return msgspec.structs.replace(row, latency=latency)

    return msgspec.structs.replace(report, rows=[change(row) for row in report.rows])


@pytest.mark.parametrize(
    ("factor", "unrest", "verdict"),
    [
        (1.0, 0.01, "same"),
        (1.04, 0.0, "same"),
        (1.2, 0.01, "slower"),
        (0.8, 0.01, "faster"),
        (1.2, 1.5, "too noisy to say"),
    ],
)
def test_a_verdict_bears_noise(factor: float, unrest: float, verdict: str) -> None:
    then = made_up_report()
    comparison = compare(then, slower(then, factor, unrest))
    change = next(change for change in comparison.changes if change.key == KEY)
    assert change.verdict == verdict
    assert change.ratio == pytest.approx(factor)
    assert change.low <= change.high


def test_two_runs_that_differ_by_more_than_five_percent_say_so() -> None:
    then = made_up_report()
    assert sentences(compare(then, then)) == ["the two runs are within 5 % of each other in all 8 rows"]
    said = sentences(compare(then, slower(then, 1.06)))
    assert "8 of 8 rows differ by more than 5 % between the two runs" in said
    assert any(line.startswith(f"{KEY}: 1.4") and line.endswith("slower") for line in said)


def test_runs_that_should_not_be_compared_say_why() -> None:
    then = made_up_report()
    machine = msgspec.structs.replace(then.machine, cpu="Another CPU", governor="performance")
    subject = msgspec.structs.replace(then.subjects[0], digest="1" * 64)
    now = msgspec.structs.replace(
        then, valid=False, mode="quick", machine=machine, subjects=[subject], rows=then.rows[1:]
    )
    comparison = compare(then, now)
    assert comparison.only_then == [then.rows[0].key]
    assert comparison.reservations == [
        "this run is invalid: ",
        "this run is a quick one",
        "cpu: Made-up CPU then, Another CPU now",
        "governor: not told then, performance now",
        "small is another file now",
    ]
    assert sentences(compare(then, msgspec.structs.replace(then, rows=[])))[0] == "no row was measured in both runs"
