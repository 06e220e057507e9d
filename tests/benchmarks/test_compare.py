"""Several bundles in the same turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.test_measure import SCENARIO, Bench, bench, ignore
from waste_edge.benchmarks.compare import Comparison
from waste_edge.benchmarks.measure import measure_together
from waste_edge.bundle import Bundle
from waste_edge.resources import DEFAULT_BUNDLE
from waste_edge.strict import read_json

__all__ = ["bench"]

WasteEdge = Callable[..., Any]


def test_the_networks_of_all_bundles_take_turns(bench: Bench, opened_tiny: Bundle) -> None:
    other = Bundle(opened_tiny.folder, opened_tiny.manifest, opened_tiny.source)
    first, second = measure_together([opened_tiny, other], SCENARIO, ignore, bench.clock)
    names = [name for name, _ in bench.asked]
    assert names == ["onnx-fp32", "onnx-int8"] * 2 * (SCENARIO.warmup_rounds + 32), "1 s of rounds of 32 ms"
    for rows in (first, second):
        assert [row.latency.samples for row in rows if row.latency] == [32, 32]
        assert [row.status for row in rows] == ["measured", "measured", "not in bundle", "not in bundle"]


def test_a_comparison_of_two_bundles_of_different_sizes(
    waste_edge: WasteEdge, tiny_bundle: Path, default_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.json"
    outcome = waste_edge(
        "bench", "--bundle", tiny_bundle, "--against", default_bundle, "--seconds", 0.3, "--json", "--out", out
    )
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert out.read_text(encoding="utf-8") == outcome.stdout
    tiny, small = read_json(out, Comparison).contenders
    assert (tiny.bundle.name, small.bundle.name) == ("tiny", DEFAULT_BUNDLE)
    assert (tiny.input_px, small.input_px) == ((16, 16), (160, 160))
    assert tiny.first_over_this == {"onnx-fp32": 1.0, "onnx-int8": 1.0}
    assert set(small.first_over_this) == {"onnx-fp32", "onnx-int8"}
    for artifact, ratio in small.first_over_this.items():
        medians = [
            next(r.latency.p50_ms for r in c.rows if r.artifact == artifact and r.latency) for c in (tiny, small)
        ]
        assert ratio == pytest.approx(medians[0] / medians[1])


def test_people_get_one_table(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("bench", "-b", tiny_bundle, "--against", tiny_bundle, "--seconds", 0.2)
    assert outcome.exit_code == 0
    for words in ("16x16", "Medians, 1 thread, all networks taking turns", "a quick run", "tiny has no tflite-int8"):
        assert words in outcome.stdout
