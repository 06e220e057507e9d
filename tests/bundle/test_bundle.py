from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from waste_edge.bundle.bundle import find_bundle, open_bundle, pack
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.errors import BundleError, UserError
from waste_edge.files.resources import DEFAULT_BUNDLE


@pytest.fixture(autouse=True)
def unpacking_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where zips are unpacked: watched, so that nothing stays behind."""
    place = tmp_path / "unpacked"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_folder_and_zip_are_equal(tiny_bundle: Path, tmp_path: Path, unpacking_place: Path) -> None:
    pack(tiny_bundle, tmp_path / "a.zip")
    with open_bundle(tiny_bundle) as folder, open_bundle(tmp_path / "a.zip") as packed:
        assert folder.manifest == packed.manifest
        packed.verify_checksums()
        assert packed.artifact_path("onnx-int8").read_bytes() == folder.artifact_path("onnx-int8").read_bytes()
        assert packed.source == tmp_path / "a.zip"
        assert any(unpacking_place.iterdir())
    assert not any(unpacking_place.iterdir())
    assert tiny_bundle.is_dir()


def test_packing_is_reproducible(tiny_bundle: Path, bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / MANIFEST_NAME).touch()
    (bundle_copy / MANIFEST_NAME).chmod(0o600)
    pack(tiny_bundle, tmp_path / "a.zip")
    pack(bundle_copy, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def remove_artifact(folder: Path) -> None:
    (folder / "onnx-int8.onnx").unlink()


def shorten_artifact(folder: Path) -> None:
    content = (folder / "onnx-int8.onnx").read_bytes()
    (folder / "onnx-int8.onnx").write_bytes(content[:-1])


def remove_manifest(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()


def shorten_manifest(folder: Path) -> None:
    content = (folder / MANIFEST_NAME).read_bytes()
    (folder / MANIFEST_NAME).write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_artifact, r"onnx-int8\.onnx is missing"),
        (shorten_artifact, r"onnx-int8\.onnx has \d+ bytes, the manifest says \d+"),
        (remove_manifest, "no manifest.json; this is not a bundle"),
        (shorten_manifest, r"manifest\.json: .*truncated"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_damage_is_refused(
    bundle_copy: Path, tmp_path: Path, unpacking_place: Path, damage: Callable[[Path], None], message: str, packed: bool
) -> None:
    damage(bundle_copy)
    path = bundle_copy
    if packed:
        path = tmp_path / "a.zip"
        pack(bundle_copy, path)
    with pytest.raises(BundleError, match=message) as caught:
        open_bundle(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert not any(unpacking_place.iterdir())


def test_a_link_is_no_artifact(bundle_copy: Path) -> None:
    (bundle_copy / "onnx-int8.onnx").rename(bundle_copy.parent / "elsewhere.onnx")
    (bundle_copy / "onnx-int8.onnx").symlink_to(bundle_copy.parent / "elsewhere.onnx")
    with pytest.raises(BundleError, match=r"onnx-int8\.onnx is missing"):
        open_bundle(bundle_copy)


def test_a_changed_byte_is_found_when_the_file_is_used(bundle_copy: Path) -> None:
    for name in ("onnx-int8.onnx", "golden.npz", "card.md"):
        content = bytearray((bundle_copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (bundle_copy / name).write_bytes(content)
    with open_bundle(bundle_copy) as bundle:
        assert bundle.artifact_path("onnx-fp32").is_file()
        for use in (lambda: bundle.artifact_path("onnx-int8"), bundle.golden_path, bundle.verify_checksums):
            with pytest.raises(BundleError, match="is damaged"):
                use()


def test_an_artifact_it_lacks_is_named(tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle) as bundle, pytest.raises(BundleError, match="has onnx-fp32, onnx-int8"):
        bundle.artifact_path("tflite-int8")


def test_a_bundle_that_is_not_there() -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        open_bundle(Path("/nowhere/at/all"))


def test_names_and_paths(default_bundle: Path, tiny_bundle: Path) -> None:
    assert find_bundle(DEFAULT_BUNDLE) == default_bundle
    assert find_bundle(str(tiny_bundle)) == tiny_bundle
    assert find_bundle("no-such-name") == Path("no-such-name")


def symlink_entry() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "entry",
    ["../climbs", "/absolute", "sub/nested", "sub/", "back\\slash", ".hidden", symlink_entry()],
    ids=["climbing", "absolute", "nested", "folder", "backslash", "hidden", "symlink"],
)
def test_a_zip_holds_plain_files_side_by_side(
    tiny_bundle: Path, tmp_path: Path, unpacking_place: Path, entry: str | zipfile.ZipInfo
) -> None:
    path = tmp_path / "a.zip"
    pack(tiny_bundle, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, b"/etc/passwd")
    with pytest.raises(BundleError, match="plain files side by side"):
        open_bundle(path)
    assert not any(unpacking_place.iterdir())
    assert not (tmp_path / "climbs").exists()


def test_a_name_twice_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    pack(tiny_bundle, path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(MANIFEST_NAME, b"{}")
    with pytest.raises(BundleError, match=r"not a whole \.zip"):
        open_bundle(path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waste_edge.bundle.bundle.MAX_UNPACKED_BYTES", 1_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, bytes(2_000))
    with pytest.raises(BundleError, match="would unpack to more than"):
        open_bundle(tmp_path / "a.zip")


def test_a_full_disk_while_unpacking_is_not_called_damage(
    tiny_bundle: Path, tmp_path: Path, unpacking_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    pack(tiny_bundle, tmp_path / "a.zip")
    monkeypatch.setattr(shutil, "copyfileobj", full_disk)
    with pytest.raises(BundleError, match=r"a\.zip: no space to unpack it in .*TMPDIR"):
        open_bundle(tmp_path / "a.zip")
    assert not any(unpacking_place.iterdir())


def test_a_full_disk_while_packing_leaves_nothing(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(UserError, match=r"a\.zip: cannot be written \(No space left on device\)"):
        pack(tiny_bundle, tmp_path / "out" / "a.zip")
    assert not any((tmp_path / "out").iterdir())


def test_an_encrypted_entry_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    pack(tiny_bundle, path)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"not a whole \.zip"):
        open_bundle(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compressions_are_refused(tiny_bundle: Path, tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.write(tiny_bundle / MANIFEST_NAME, MANIFEST_NAME)
    with pytest.raises(BundleError, match="not packed by deflate"):
        open_bundle(tmp_path / "a.zip")


def test_any_damage_to_a_zip_is_a_bundle_error_or_harmless(
    tiny_bundle: Path, tmp_path: Path, unpacking_place: Path
) -> None:
    generator, path = np.random.default_rng(0), tmp_path / "a.zip"
    pack(tiny_bundle, path)
    whole, refusals = path.read_bytes(), []
    for _ in range(300):
        content = bytearray(whole)
        if generator.random() < 0.3:
            del content[generator.integers(len(content)) :]
        for position in generator.integers(0, max(1, len(content)), generator.integers(1, 4)):
            content[position : position + 1] = generator.bytes(1)
        path.write_bytes(content)
        try:
            with open_bundle(path) as bundle:
                bundle.verify_checksums()
        except BundleError as error:
            refusals.append(str(error))
    assert len(refusals) > 150
    assert not any("\n" in refusal for refusal in refusals)
    assert not any(unpacking_place.iterdir())


def test_a_read_only_bundle_opens(bundle_copy: Path) -> None:
    for path in bundle_copy.iterdir():
        path.chmod(0o444)
    bundle_copy.chmod(0o555)
    try:
        with open_bundle(bundle_copy) as bundle:
            bundle.verify_checksums()
    finally:
        bundle_copy.chmod(0o755)
        shutil.rmtree(bundle_copy)
