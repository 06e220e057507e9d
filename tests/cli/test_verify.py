from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from waste_edge.bundle.bundle import pack
from waste_edge.engines.verify import Verification
from waste_edge.files.resources import DEFAULT_BUNDLE
from waste_edge.files.strict import read_json

WasteEdge = Callable[..., Any]
Replace = Callable[[Path, str, bytes], None]


def shift_golden_logits(folder: Path, replace_file: Replace) -> None:
    with np.load(folder / "golden.npz") as archive:
        arrays: dict[str, Any] = {key: archive[key] for key in archive.files}
    arrays["onnx-int8.logits"] = arrays["onnx-int8.logits"] + 1
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    replace_file(folder, "golden", stream.getvalue())


def test_a_whole_bundle(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    pack(tiny_bundle, tmp_path / "tiny.zip")
    for path in (tiny_bundle, tmp_path / "tiny.zip"):
        outcome = waste_edge("verify", path)
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert "tiny 1.0: 4 files, checksums right" in outcome.stdout
        assert outcome.stdout.count("3/3") == 2
        assert "answers as the exporting one did" in outcome.stdout


def test_json_has_a_schema(waste_edge: WasteEdge, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(waste_edge("verify", tiny_bundle, "--json").stdout, encoding="utf-8")
    result = read_json(tmp_path / "a.json", Verification)
    assert result.ok
    assert result.bundle == str(tiny_bundle)
    assert result.artifacts[0].tolerance.logits == 0.05


def test_a_bundle_that_differs(waste_edge: WasteEdge, bundle_copy: Path, replace_file: Replace) -> None:
    shift_golden_logits(bundle_copy, replace_file)
    outcome = waste_edge("verify", bundle_copy)
    assert outcome.exit_code == 2
    assert "onnx-int8: logits differ by 1, more than 0.05" in outcome.stdout
    assert "do not rely on this bundle here" in outcome.stdout
    as_json = waste_edge("verify", bundle_copy, "--json")
    assert as_json.exit_code == 2
    assert [row["status"] for row in json.loads(as_json.stdout)["artifacts"]] == ["ok", "failed"]


def test_a_damaged_bundle(waste_edge: WasteEdge, bundle_copy: Path) -> None:
    path = bundle_copy / "onnx-int8.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    outcome = waste_edge("verify", bundle_copy, "--json")
    assert outcome.exit_code == 2
    result = msgspec.json.decode(outcome.stdout, type=Verification)
    assert (result.bundle, result.artifacts, result.ok) == (str(bundle_copy), [], False)
    assert "onnx-int8.onnx is damaged" in result.error
    assert outcome.stderr == f"waste-edge: {result.error}\n"
    assert waste_edge("verify", bundle_copy).stdout == ""


def test_json_of_what_is_no_bundle(waste_edge: WasteEdge, tmp_path: Path) -> None:
    outcome = waste_edge("verify", tmp_path / "gone", "--json")
    assert outcome.exit_code == 2
    assert "no such bundle" in msgspec.json.decode(outcome.stdout, type=Verification).error


def test_the_default_bundle(waste_edge: WasteEdge, default_bundle: Path) -> None:
    outcome = waste_edge("verify", DEFAULT_BUNDLE)
    assert outcome.exit_code == 0, outcome.stdout
    for name in ("onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8"):
        assert name in outcome.stdout
