from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waste_edge.bundle.manifest import MANIFEST_NAME, Manifest
from waste_edge.files.strict import read_json

WasteEdge = Callable[..., Any]
Edit = Callable[[Path, str, Any], None]


def test_people_read_what_it_is(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("inspect", tiny_bundle)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    for words in (
        "tiny 1.0",
        "Apache-2.0",
        "blue, green, red",
        "red is warm",
        "16x16 RGB, crop",
        "card.md",
        "confidence 0.500 or largest logit 1.000",
        "seed 0, validation 20%, test 0%",
        "onnx-int8",
        "static_wi8_ai8",
        "100.0%",
        "measured on three made-up answers",
    ):
        assert words in outcome.stdout


def test_words_in_brackets_are_not_taken_for_colours(
    waste_edge: WasteEdge, bundle_copy: Path, edit_manifest: Edit
) -> None:
    edit_manifest(bundle_copy, "name", "[red]tiny[/]")
    edit_manifest(bundle_copy, "metrics.protocol", "nothing [at all]")
    edit_manifest(bundle_copy, "input.resize", "letterbox")
    outcome = waste_edge("inspect", bundle_copy)
    assert "[red]tiny[/] 1.0" in outcome.stdout
    assert "nothing [at all]" in outcome.stdout
    assert "letterbox on (128, 128, 128)" in outcome.stdout


def test_json_is_the_manifest(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(waste_edge("inspect", tiny_bundle, "--json").stdout, encoding="utf-8")
    assert read_json(tmp_path / "a.json", Manifest) == read_json(tiny_bundle / MANIFEST_NAME, Manifest)


def test_not_a_bundle(waste_edge: WasteEdge, tmp_path: Path) -> None:
    outcome = waste_edge("inspect", tmp_path)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"waste-edge: {tmp_path}: no manifest.json; this is not a bundle (waste-edge export makes one)\n"
    )


def test_the_default_bundle(waste_edge: WasteEdge, default_bundle: Path) -> None:
    outcome = waste_edge("inspect", default_bundle)
    assert outcome.exit_code == 0
    assert "tflite-int8" in outcome.stdout


def test_graph_counts_operators_and_bytes_and_names_what_is_wrong(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("inspect", tiny_bundle, "--graph")
    assert (outcome.exit_code, outcome.stderr) == (2, "")
    for words in ("ort-cpu", "bytes a parameter", "zero points"):
        assert words in outcome.stdout
    assert "onnx-int8: MatMul at logits (float): computes in float within an INT8 graph; quantize" in outcome.stdout
    assert "onnx-int8: Cast at levels (outside): ort-cpu has no Cast in its list for onnx-int8" in outcome.stdout


def test_a_graph_made_for_its_target_is_well(waste_edge: WasteEdge, default_bundle: Path) -> None:
    outcome = waste_edge("inspect", default_bundle, "--graph", "--target", "edgetpu-like", "--json")
    assert outcome.exit_code == 0, outcome.stdout
    reports = {report["artifact"]: report for report in json.loads(outcome.stdout)}
    assert reports["onnx-int8"]["skipped"] == "not for edgetpu-like"
    checked = reports["tflite-int8"]
    assert (checked["target"], checked["findings"], checked["skipped"]) == ("edgetpu-like", [], "")
    assert checked["operators"]["DEPTHWISE_CONV_2D"] > 0
    assert sum(checked["size"].values()) == (default_bundle / "model-int8.tflite").stat().st_size


def test_target_without_graph_is_not_ignored(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("inspect", tiny_bundle, "--target", "ort-cpu")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == "waste-edge: --target goes with --graph; add --graph, or leave --target out\n"


def test_an_unknown_target(waste_edge: WasteEdge, tiny_bundle: Path) -> None:
    outcome = waste_edge("inspect", tiny_bundle, "--graph", "--target", "abacus")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "abacus: no such file" in outcome.stderr
