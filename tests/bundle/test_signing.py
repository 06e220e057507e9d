"""Signed bundles: a device told to require a key refuses everything else, before anything is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from waste_edge.bundle.bundle import open_bundle, pack
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.bundle.signing import SIGNATURE_NAME, read_required_key, read_signer
from waste_edge.engines import engine
from waste_edge.errors import BundleError, ConfigError

WasteEdge = Callable[..., Any]
Edit = Callable[[Path, str, Any], None]


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    """A private and a public PEM file."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, paths = Ed25519PrivateKey.generate(), (folder / f"{name}.key", folder / f"{name}.pub")
    paths[0].write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    paths[1].write_bytes(public)
    return paths


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path, "station")


@pytest.fixture
def signed(bundle_copy: Path, keys: tuple[Path, Path]) -> Path:
    """A bundle folder signed by the station's key."""
    manifest = (bundle_copy / MANIFEST_NAME).read_bytes()
    (bundle_copy / SIGNATURE_NAME).write_bytes(read_signer(keys[0]).sign(manifest))
    return bundle_copy


def leave_as_it_is(folder: Path, edit: Edit, place: Path) -> None:
    pass


def remove_signature(folder: Path, edit: Edit, place: Path) -> None:
    (folder / SIGNATURE_NAME).unlink()


def sign_by_another(folder: Path, edit: Edit, place: Path) -> None:
    other, _ = make_keys(place, "other")
    (folder / SIGNATURE_NAME).write_bytes(read_signer(other).sign((folder / MANIFEST_NAME).read_bytes()))


def change_manifest(folder: Path, edit: Edit, place: Path) -> None:
    edit(folder, "calibration.min_confidence", 0.0)


def append_a_space(folder: Path, edit: Edit, place: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes((folder / MANIFEST_NAME).read_bytes() + b" ")


def empty_signature(folder: Path, edit: Edit, place: Path) -> None:
    (folder / SIGNATURE_NAME).write_bytes(b"")


def long_signature(folder: Path, edit: Edit, place: Path) -> None:
    (folder / SIGNATURE_NAME).write_bytes((folder / SIGNATURE_NAME).read_bytes() + b"\n")


def change_network(folder: Path, edit: Edit, place: Path) -> None:
    path = folder / "onnx-int8.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")


def change_a_file_nobody_runs(folder: Path, edit: Edit, place: Path) -> None:
    (folder / "card.md").write_text("# Tiny\n\nNames a flower.\n", encoding="utf-8")


REFUSED = [
    (remove_signature, "not signed"),
    (sign_by_another, "signed by another key, or changed after signing"),
    (change_manifest, "signed by another key, or changed after signing"),
    (append_a_space, "signed by another key, or changed after signing"),
    (empty_signature, "signed by another key, or changed after signing"),
    (long_signature, "signed by another key, or changed after signing"),
    (change_network, "onnx-int8.onnx is damaged"),
    (change_a_file_nobody_runs, "card.md"),
]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(("damage", "message"), REFUSED)
def test_what_the_key_did_not_sign_is_refused(
    signed: Path,
    keys: tuple[Path, Path],
    edit_manifest: Edit,
    tmp_path: Path,
    damage: Callable[..., None],
    message: str,
    packed: bool,
) -> None:
    damage(signed, edit_manifest, tmp_path)
    path = signed
    if packed:
        path = tmp_path / "a.zip"
        pack(signed, path)
    with pytest.raises(BundleError, match=message) as caught:
        open_bundle(path, read_required_key(keys[1]))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])
@pytest.mark.parametrize("verb", ["verify", "classify", "run"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [(leave_as_it_is, ""), (remove_signature, "not signed"), (sign_by_another, "key"), (change_manifest, "changed")],
)
def test_every_verb_of_a_station_checks_before_it_loads_anything(
    waste_edge: WasteEdge,
    signed: Path,
    keys: tuple[Path, Path],
    edit_manifest: Edit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[..., None],
    message: str,
    verb: str,
    by_variable: bool,
) -> None:
    damage(signed, edit_manifest, tmp_path)
    loaded: list[Path] = []
    honest = engine.open_engine
    monkeypatch.setattr(engine, "open_engine", lambda path, *rest: loaded.append(path) or honest(path, *rest))
    Image.new("RGB", (9, 9), (220, 20, 20)).save(tmp_path / "red.png")
    arguments: dict[str, list[object]] = {
        "verify": ["verify", signed],
        "classify": ["classify", tmp_path / "red.png", "--bundle", signed],
        "run": ["run", "--source", tmp_path / "red.png", "--json", "--bundle", signed],
    }
    if by_variable:
        monkeypatch.setenv("WASTE_EDGE_REQUIRE_KEY", str(keys[1]))
    outcome = waste_edge(*arguments[verb], *([] if by_variable else ["--require-key", keys[1]]))
    if not message:
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert loaded
        return
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert len(outcome.stderr.splitlines()) == 1
    assert message in outcome.stderr
    assert not loaded


@pytest.mark.parametrize("verb", ["bench", "evaluate", "inspect"])
def test_the_variable_binds_the_verbs_without_the_option(
    waste_edge: WasteEdge,
    tiny_bundle: Path,
    colour_photos: Path,
    keys: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    monkeypatch.setenv("WASTE_EDGE_REQUIRE_KEY", str(keys[1]))
    arguments: dict[str, list[object]] = {
        "bench": ["bench", "--bundle", tiny_bundle],
        "evaluate": ["evaluate", tiny_bundle, "--data", colour_photos],
        "inspect": ["inspect", tiny_bundle],
    }
    outcome = waste_edge(*arguments[verb])
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "not signed" in outcome.stderr


def test_a_link_is_no_signature(signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    (signed / SIGNATURE_NAME).rename(tmp_path / "elsewhere")
    (signed / SIGNATURE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="not signed"):
        open_bundle(signed, read_required_key(keys[1]))


def test_a_signed_bundle_opens_where_no_key_is_required(signed: Path) -> None:
    with open_bundle(signed) as bundle:
        bundle.verify_checksums()


def test_a_public_key_that_is_gone_opens_nothing(waste_edge: WasteEdge, signed: Path, tmp_path: Path) -> None:
    outcome = waste_edge("verify", signed, "--require-key", tmp_path / "gone.pub")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "gone.pub: cannot be read" in outcome.stderr
    assert "openssl pkey" in outcome.stderr


def test_without_cryptography_nothing_is_opened(
    waste_edge: WasteEdge, signed: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    outcome = waste_edge("verify", signed, "--require-key", keys[1])
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "pip install 'waste-edge[sign]'" in outcome.stderr
    assert waste_edge("verify", signed).exit_code == 0, "a device that requires no key needs no library"


def other_kinds_of_key(folder: Path) -> dict[str, Path]:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    curve, own = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    contents = {
        "curve.key": curve.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()),
        "curve.pub": curve.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo),
        "locked.key": own.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"word")),
        "nonsense": b"not a key",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


def test_keys_of_another_kind_are_named(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    others = other_kinds_of_key(tmp_path)
    for path, message in (
        (others["curve.key"], r"holds a \w+; expected an ed25519 private key"),
        (others["locked.key"], "has a passphrase"),
        (others["nonsense"], "openssl genpkey -algorithm ed25519"),
        (keys[1], "expected an ed25519 private key"),
        (tmp_path / "gone", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_signer(path)
    for path, message in (
        (others["curve.pub"], r"holds a \w+; expected an ed25519 public key"),
        (others["nonsense"], "expected an ed25519 public key"),
        (keys[0], "expected an ed25519 public key"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_required_key(path)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_the_keys_and_signs_and_checks_the_same(bundle_copy: Path, tmp_path: Path) -> None:
    def openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    key, public, signature = tmp_path / "station.key", tmp_path / "station.pub", bundle_copy / SIGNATURE_NAME
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    manifest = bundle_copy / MANIFEST_NAME
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", manifest, "-out", signature)
    assert signature.read_bytes() == read_signer(key).sign(manifest.read_bytes())
    with open_bundle(bundle_copy, read_required_key(public)) as bundle:
        assert bundle.manifest.name == "tiny"


def test_a_key_is_a_small_file_and_nothing_else_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, Path]
) -> None:
    monkeypatch.setattr("waste_edge.files.bounded.MAX_WAIT_FOR_TEXT_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1 << 34)  # holes: it takes no disk, and would take 16 GiB of memory
    for name, why in (("pipe", "a pipe"), ("large", "larger than 64 KiB"), ("/dev/zero", "a device")):
        for read in (read_required_key, read_signer):
            with pytest.raises(ConfigError, match=why):
                read(tmp_path / name)
