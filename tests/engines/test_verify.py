from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.engines.names import ENGINES
from waste_edge.engines.verify import read_golden, verify_bundle
from waste_edge.errors import BundleError, MissingPackageError

Edit = Callable[[Path, str, Any], None]
Replace = Callable[[Path, str, bytes], None]
Arrays = dict[str, Any]


def golden_arrays(folder: Path) -> Arrays:
    with np.load(folder / "golden.npz") as archive:
        return {key: archive[key] for key in archive.files}


def npz(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def test_a_whole_bundle_replays(opened_tiny: Bundle) -> None:
    result = verify_bundle(opened_tiny)
    assert result.ok
    assert [replay.artifact for replay in result.artifacts] == ["onnx-fp32", "onnx-int8"]
    for replay in result.artifacts:
        assert (replay.status, replay.reason, replay.pictures, replay.labels_agreeing) == ("ok", "", 3, 3)
        assert replay.logits_difference == pytest.approx(0, abs=1e-4)
        assert replay.engine.startswith("ONNX Runtime")


def test_a_damaged_file_is_an_error(bundle_copy: Path) -> None:
    path = bundle_copy / "card.md"
    path.write_bytes(path.read_bytes().replace(b"colour", b"coloUr"))
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=r"card\.md is damaged"):
        verify_bundle(bundle)


@pytest.mark.parametrize(
    ("kind", "off", "status"),
    [
        ("logits", 0.04, "ok"),
        ("logits", 0.06, "failed"),
        ("features", 0.01, "ok"),
        ("features", -0.03, "failed"),
        ("logits", np.nan, "failed"),
    ],
)
def test_the_tolerance_decides(bundle_copy: Path, replace_file: Replace, kind: str, off: float, status: str) -> None:
    arrays = golden_arrays(bundle_copy)
    arrays[f"onnx-int8.{kind}"][1, 1] += off
    replace_file(bundle_copy, "golden", npz(arrays))
    with open_bundle(bundle_copy) as bundle:
        result = verify_bundle(bundle)
    floating, quantized = result.artifacts
    assert (floating.status, quantized.status) == ("ok", status)
    assert result.ok == (status == "ok")
    assert (kind in quantized.reason) == (status == "failed")


def test_changed_labels_are_counted(bundle_copy: Path, replace_file: Replace) -> None:
    arrays = golden_arrays(bundle_copy)
    arrays["onnx-fp32.logits"] = arrays["onnx-fp32.logits"][::-1].copy()
    replace_file(bundle_copy, "golden", npz(arrays))
    with open_bundle(bundle_copy) as bundle:
        replay = verify_bundle(bundle).artifacts[0]
    assert (replay.status, replay.labels_agreeing) == ("failed", 1)


def without(key: str) -> Callable[[Arrays], bytes]:
    return lambda arrays: npz({name: array for name, array in arrays.items() if name != key})


def with_array(key: str, value: Any) -> Callable[[Arrays], bytes]:
    return lambda arrays: npz({**arrays, key: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda arrays: b"", "not a readable .npz"),
        (lambda arrays: npz(arrays)[:-30], "not a readable .npz"),
        (lambda arrays: pickle.dumps(arrays), "not a readable .npz"),
        (with_array("pixels", np.array([{}, []], object)), "not a readable .npz .*something else than numbers"),
        (without("pixels"), "lacks the array pixels"),
        (without("onnx-int8.features"), "lacks the array onnx-int8.features"),
        (with_array("pixels", np.zeros((3, 8, 8, 3), np.uint8)), r"pixels is uint8 \(3, 8, 8, 3\), expected uint8"),
        (with_array("pixels", np.zeros((3, 16, 16, 3))), "pixels is float64"),
        (with_array("onnx-fp32.logits", np.zeros((3, 4), np.float32)), r"expected float32 \(3, 3\)"),
        (with_array("onnx-fp32.logits", np.zeros((2, 3), np.float32)), r"expected float32 \(3, 3\)"),
    ],
)
def test_a_golden_file_that_is_none(
    bundle_copy: Path, replace_file: Replace, make: Callable[[Arrays], bytes], message: str
) -> None:
    replace_file(bundle_copy, "golden", make(golden_arrays(bundle_copy)))
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=message) as caught:
        read_golden(bundle)
    assert "golden.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_any_damage_to_the_golden_file_is_a_bundle_error(bundle_copy: Path, replace_file: Replace) -> None:
    generator, whole, refused = np.random.default_rng(0), (bundle_copy / "golden.npz").read_bytes(), 0
    for _ in range(150):
        content = bytearray(whole)
        for position in generator.integers(0, len(content), 6):
            content[position] = generator.integers(256)
        replace_file(bundle_copy, "golden", bytes(content))
        with open_bundle(bundle_copy) as bundle:
            try:
                read_golden(bundle)
            except BundleError:
                refused += 1
    assert refused > 75


def test_a_network_that_does_not_load_fails_and_the_others_go_on(bundle_copy: Path, replace_file: Replace) -> None:
    replace_file(bundle_copy, "artifacts.onnx-fp32", b"no network")
    with open_bundle(bundle_copy) as bundle:
        broken, whole = verify_bundle(bundle).artifacts
    assert (broken.status, broken.labels_agreeing, whole.status) == ("failed", None, "ok")
    assert "cannot load" in broken.reason


def test_an_engine_that_is_not_installed_is_skipped(default_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "litert", replace(ENGINES["litert"], modules=("no_such_package",)))
    with open_bundle(default_bundle) as bundle:
        result = verify_bundle(bundle)
    statuses = {replay.artifact: replay.status for replay in result.artifacts}
    assert statuses == {"onnx-fp32": "ok", "onnx-int8": "ok", "tflite-fp32": "skipped", "tflite-int8": "skipped"}
    assert result.ok
    assert "pip install ai-edge-litert" in result.artifacts[-1].reason


def test_nothing_replayed_is_not_ok(opened_tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waste_edge.engines.engine.installed_engines", lambda: ["litert"])
    result = verify_bundle(opened_tiny)
    assert {replay.status for replay in result.artifacts} == {"skipped"}
    assert not result.ok
    monkeypatch.setattr("waste_edge.engines.engine.installed_engines", list)
    monkeypatch.setattr("waste_edge.engines.verify.installed_engines", list)
    with pytest.raises(MissingPackageError, match="pip install"):
        verify_bundle(opened_tiny)


def test_the_default_bundle_replays_on_both_engines(default_bundle: Path) -> None:
    with open_bundle(default_bundle) as bundle:
        result = verify_bundle(bundle)
    assert result.ok
    assert [replay.status for replay in result.artifacts] == ["ok"] * 4
    assert all(replay.labels_agreeing == replay.pictures for replay in result.artifacts)
