"""A bundle without its FP32 networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from waste_edge.bundle.bundle import open_bundle
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import UserError
from waste_edge.export.build import without_fp32
from waste_edge.files.resources import BUNDLES
from waste_edge.files.strict import to_json


@pytest.fixture
def slim(tmp_path: Path) -> Path:
    folder = tmp_path / "slim"
    shutil.copytree(BUNDLES / "small", folder)
    with open_bundle(folder) as bundle:
        manifest = bundle.manifest
    (folder / "manifest.json").write_text(to_json(without_fp32(folder, manifest)), encoding="utf-8")
    return folder


def test_it_verifies_and_keeps_what_fp32_scored(slim: Path) -> None:
    assert sorted(path.name for path in slim.glob("model-*")) == ["model-int8.onnx", "model-int8.tflite"]
    with open_bundle(slim) as bundle:
        assert {replay.artifact: replay.status for replay in verify_bundle(bundle).artifacts} == {
            "onnx-int8": "ok",
            "tflite-int8": "ok",
        }
        assert bundle.manifest.metrics.artifacts["tflite-fp32"].scores.accuracy > 0.8


def test_a_network_that_was_left_out_is_named(slim: Path) -> None:
    with open_bundle(slim) as bundle, pytest.raises(UserError, match="onnx-fp32"):
        load_classifier(bundle, artifact="onnx-fp32")
