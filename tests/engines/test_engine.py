"""Loading: what is installed, and whether a file is the network that the manifest describes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.manifest import ARTIFACT_NAMES, ArtifactName
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.engine import ENGINE_NAMES, artifact_of, engine_of, installed_engines, load_engine
from waste_edge.engines.names import ENGINES
from waste_edge.errors import BundleError, EngineError, MissingPackageError

Edit = Callable[[Path, str, Any], None]
Replace = Callable[[Path, str, bytes], None]


@pytest.fixture
def no_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "litert", replace(ENGINES["litert"], modules=("no_such_package",)))


def test_every_artifact_has_one_engine_and_precision() -> None:
    pairs = [(engine, precision) for engine in ENGINE_NAMES for precision in ("fp32", "int8")]
    assert sorted(artifact_of(engine, precision) for engine, precision in pairs) == sorted(ARTIFACT_NAMES)
    assert all(engine_of(artifact_of(engine, precision)) == engine for engine, precision in pairs)


def test_installed_engines_in_order_of_preference(no_litert: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_engines() == ["onnx"]
    monkeypatch.setitem(ENGINES, "litert", replace(ENGINES["litert"], modules=("no_such_package", "json")))
    assert installed_engines() == ["litert", "onnx"]


def test_an_engine_that_is_missing_says_what_to_install(no_litert: None, opened_tiny: Bundle) -> None:
    with pytest.raises(MissingPackageError, match="pip install ai-edge-litert"):
        load_engine(Path("any"), "tflite-int8", opened_tiny.manifest)


def test_auto_takes_what_bundle_and_machine_share(opened_tiny: Bundle) -> None:
    assert load_classifier(opened_tiny).artifact == "onnx-int8"
    assert load_classifier(opened_tiny, precision="fp32").artifact == "onnx-fp32"
    assert load_classifier(opened_tiny, engine="litert", artifact="onnx-fp32").artifact == "onnx-fp32"


def test_auto_without_a_match_is_an_error(opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waste_edge.engines.classifier.installed_engines", lambda: ["litert"])
    with pytest.raises(BundleError, match="no int8 artifact for litert"):
        load_classifier(opened_tiny)
    monkeypatch.setattr("waste_edge.engines.classifier.installed_engines", list)
    monkeypatch.setattr("waste_edge.engines.engine.installed_engines", list)
    with pytest.raises(MissingPackageError, match="pip install"):
        load_classifier(opened_tiny)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("labels", ["blue", "green", "red", "white"], "3 logits, the manifest has 4 labels"),
        ("features", 7, "3 features, the manifest says 7"),
    ],
)
def test_a_network_must_fit_its_manifest(
    bundle_copy: Path, edit_manifest: Edit, key: str, value: Any, message: str
) -> None:
    edit_manifest(bundle_copy, key, value)
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=message):
        load_classifier(bundle)


def test_an_input_size_that_is_not_the_networks(bundle_copy: Path, edit_manifest: Edit) -> None:
    edit_manifest(bundle_copy, "input.width_px", 32)
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match="32x16 pixels"):
        load_classifier(bundle)


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
@pytest.mark.parametrize("content", [b"", b"no network at all", b"\x08\x09" * 40], ids=["empty", "text", "bytes"])
def test_a_file_that_is_no_network(
    opened_tiny: Bundle,
    tmp_path: Path,
    artifact: ArtifactName,
    content: bytes,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "network"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="cannot load it") as caught:
        load_engine(path, artifact, opened_tiny.manifest)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == "", "a library's own words are kept off stderr"


@pytest.mark.parametrize("rename", [(b"logits", b"answer"), (b"features", b"feetures")])
def test_outputs_must_have_the_agreed_names(
    bundle_copy: Path, replace_file: Replace, rename: tuple[bytes, bytes]
) -> None:
    network = (bundle_copy / "onnx-int8.onnx").read_bytes().replace(*rename)
    replace_file(bundle_copy, "artifacts.onnx-int8", network)
    with (
        open_bundle(bundle_copy) as bundle,
        pytest.raises(BundleError, match="expected the outputs logits and features"),
    ):
        load_classifier(bundle)


@pytest.mark.parametrize("artifact", ["onnx-fp32", "onnx-int8"])
def test_the_tiny_network_computes_what_it_says(opened_tiny: Bundle, artifact: ArtifactName) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    output = load_classifier(opened_tiny, artifact=artifact).engine.infer(pixels)
    mean = (pixels.astype(np.float64).mean(axis=(0, 1)) - 128) / 128
    assert output.features == pytest.approx(mean, abs=1e-5 if artifact == "onnx-fp32" else 1 / 256)
    assert output.logits == pytest.approx(6 * output.features[[2, 1, 0]], abs=1e-5)
    assert (output.logits.dtype, output.features.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("artifact", ARTIFACT_NAMES)
def test_the_default_bundles_networks_take_only_their_size(default_bundle: Path, artifact: ArtifactName) -> None:
    with open_bundle(default_bundle) as bundle:
        engine = load_classifier(bundle, artifact=artifact).engine
        with pytest.raises(EngineError):
            engine.infer(np.zeros((8, 8, 3), np.uint8))


def test_the_default_bundles_four_networks_agree(default_bundle: Path) -> None:
    with open_bundle(default_bundle) as bundle:
        spec, generator = bundle.manifest.input, np.random.default_rng(0)
        pixels = generator.integers(0, 256, (spec.height_px, spec.width_px, 3), dtype=np.uint8)
        outputs = {a: load_classifier(bundle, artifact=a).engine.infer(pixels) for a in ARTIFACT_NAMES}
        tolerances = bundle.manifest.golden.tolerance
    assert outputs["onnx-fp32"].logits == pytest.approx(outputs["tflite-fp32"].logits, abs=1e-3)
    assert outputs["onnx-fp32"].features == pytest.approx(outputs["tflite-fp32"].features, abs=1e-3)
    assert set(outputs) == set(tolerances)
