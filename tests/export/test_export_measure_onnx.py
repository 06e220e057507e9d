"""The script behind the README's figures works, and what docs/decisions/009 decides by still holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.export.conftest import Chain
from tests.export.measure_onnx import VARIANTS, loading, profile, variants
from waste_edge.engines.graph.report import read_graph


def test_a_file_that_is_optimized_before_it_is_saved_breaks_our_rules(default_bundle: Path, tmp_path: Path) -> None:
    headings, *rows = loading(default_bundle / "model-int8.onnx", tmp_path, loads=2, rounds=10)
    found = {row[0]: dict(zip(headings, row, strict=True)) for row in rows}
    assert [row["against our rules"] for row in found.values()][:2] == [0, 0], "basic leaves the graph alone"
    for level in ("extended", "all"):
        saved = found[f"saved after {level}"]
        assert int(str(saved["against our rules"])) > 0
        assert int(str(saved["operators"])) < int(str(found["as exported"]["operators"])) / 2


def test_the_profile_knows_every_layer(default_bundle: Path, tmp_path: Path) -> None:
    _, *rows = profile(default_bundle, tmp_path, rounds=3)
    found = {(row[0], row[1]): row[2] for row in rows}
    layers = read_graph(default_bundle / "model-fp32.onnx", "onnx-fp32").counts()["Conv"]
    assert found["onnx-int8", "QLinearConv"] == layers
    # Conv or FusedConv, as the processor likes it.
    assert sum(count for (name, kind), count in found.items() if name == "onnx-fp32" and "Conv" in kind) == layers


@pytest.mark.long
def test_every_variant_is_exported_and_compared(chain: Chain, tmp_path: Path) -> None:
    few = {name: msgspec.structs.replace(recipe, calibration_pictures=24) for name, recipe in VARIANTS.items()}
    _, *rows = variants(chain.student, chain.data, few, tmp_path, rounds=10)
    assert [row[0] for row in rows] == ["FP32", *VARIANTS]
    assert all(float(str(row[2]).rstrip("%")) > 80 for row in rows[1:])
    assert {row[-1] for row in rows} == {"unmeasured"}, "what was measured here says nothing of a Pi"
