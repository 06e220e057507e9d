"""Versions of signed bundles only rise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.bundle.test_signing import keys, make_keys
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.bundle.opening import check_version, keep_version, sort_key
from waste_edge.bundle.signing import SIGNATURE_NAME, read_signer
from waste_edge.errors import BundleError

__all__ = ["keys", "make_keys"]

WasteEdge = Callable[..., Any]
Edit = Callable[[Path, str, Any], None]


@pytest.fixture(autouse=True)
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "waste-edge" / "bundle-versions.json"


@pytest.fixture
def release(bundle_copy: Path, edit_manifest: Edit, keys: tuple[Path, Path]) -> Callable[[str], Path]:
    """Gives the bundle another version and signs it."""

    def make(version: str) -> Path:
        edit_manifest(bundle_copy, "version", version)
        signature = read_signer(keys[0]).sign((bundle_copy / MANIFEST_NAME).read_bytes())
        (bundle_copy / SIGNATURE_NAME).write_bytes(signature)
        return bundle_copy

    return make


def test_an_order_of_versions() -> None:
    rising = ["rc1", "", "0.9", "1-beta", "1.0-rc1", "1.0-rc2", "1.0", "1.0.1", "1.2", "1.10", "2", "2025.11.22"]
    assert sorted(sorted(rising), key=sort_key) == rising
    assert sort_key("9" * 5_000) < sort_key("1" + "0" * 5_000)
    assert sort_key("1.02") == sort_key("1.2")


@pytest.mark.parametrize("verb", ["verify", "classify", "run"])
def test_once_a_key_is_required_versions_only_rise(
    waste_edge: WasteEdge,
    release: Callable[[str], Path],
    keys: tuple[Path, Path],
    record: Path,
    tmp_path: Path,
    verb: str,
) -> None:
    Image.new("RGB", (9, 9), (220, 20, 20)).save(tmp_path / "red.png")
    words = {
        "verify": lambda folder: ["verify", folder],
        "classify": lambda folder: ["classify", tmp_path / "red.png", "--bundle", folder],
        "run": lambda folder: ["run", "--source", tmp_path / "red.png", "--json", "--bundle", folder],
    }[verb]

    def attempt(version: str, *more: object) -> Any:
        return waste_edge(*words(release(version)), "--require-key", keys[1], *more)

    assert attempt("1.9").exit_code == 0
    assert attempt("1.10").exit_code == 0
    older = attempt("1.9")
    assert (older.exit_code, older.stdout) == (2, "")
    assert "is version 1.9 of tiny, and this device has used 1.10" in older.stderr
    assert "--allow-older" in older.stderr
    assert attempt("1.10").exit_code == 0
    assert attempt("1.9", "--allow-older").exit_code == 0
    assert json.loads(record.read_text(encoding="utf-8")) == {"tiny": "1.9"}
    assert attempt("1.9").exit_code == 0, "it was taken on purpose, and is the mark from now on"
    assert attempt("1.8").exit_code == 2


def test_without_a_key_nothing_is_kept(waste_edge: WasteEdge, release: Callable[[str], Path], record: Path) -> None:
    for version in ("2", "1"):
        assert waste_edge("verify", release(version)).exit_code == 0
    assert not record.exists()


def test_a_bundle_that_did_not_do_well_leaves_no_mark(
    waste_edge: WasteEdge,
    release: Callable[[str], Path],
    keys: tuple[Path, Path],
    record: Path,
    replace_file: Callable[[Path, str, bytes], None],
) -> None:
    folder = release("2")
    replace_file(folder, "artifacts.onnx-int8", b"no network")
    assert waste_edge("verify", release("2"), "--require-key", keys[1]).exit_code == 2
    assert not record.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"tiny": 3}'])
def test_a_damaged_record_is_said_and_begun_again(
    content: bytes, bundle_copy: Path, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    with open_bundle(bundle_copy) as bundle:
        check_version(bundle)
        assert "an older bundle will not be noticed" in capsys.readouterr().err
        keep_version(bundle)
    assert json.loads(record.read_text(encoding="utf-8")) == {"tiny": "1.0"}


def test_a_record_that_cannot_be_written_is_said(
    bundle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with open_bundle(bundle_copy) as bundle:
        keep_version(bundle)
    assert "an older bundle will not be noticed" in capsys.readouterr().err


def test_an_empty_variable_is_an_error(
    waste_edge: WasteEdge, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WASTE_EDGE_REQUIRE_KEY", "")
    for words in (("verify", bundle_copy), ("inspect", bundle_copy), ("bench", bundle_copy / "onnx-int8.onnx")):
        outcome = waste_edge(*words)
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert "WASTE_EDGE_REQUIRE_KEY: is set and empty" in outcome.stderr


def test_the_older_one_is_named(bundle_copy: Path, edit_manifest: Edit) -> None:
    with open_bundle(bundle_copy) as bundle:
        keep_version(bundle)
    edit_manifest(bundle_copy, "version", "0.9")
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=r"is version 0\.9 of tiny"):
        check_version(bundle)
