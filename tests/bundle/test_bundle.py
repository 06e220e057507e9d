from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.bundle import find_bundle, open_bundle, pack
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.errors import BundleError, UserError
from waste_edge.files.resources import DEFAULT_BUNDLE

WasteEdge = Callable[..., Any]
Edit = Callable[[Path, str, Any], None]


@pytest.fixture(autouse=True)
def unpacking_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files would go: watched, so that nothing stays behind."""
    place = tmp_path / "unpacked"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_folder_and_zip_are_equal(tiny_bundle: Path, tmp_path: Path, unpacking_place: Path) -> None:
    pack(tiny_bundle, tmp_path / "a.zip")
    with open_bundle(tiny_bundle) as folder, open_bundle(tmp_path / "a.zip") as packed:
        assert folder.manifest == packed.manifest
        packed.verify_checksums()
        assert packed.artifact("onnx-int8").content == folder.artifact("onnx-int8").content
        assert packed.source == tmp_path / "a.zip"
        assert not any(unpacking_place.iterdir()), "read in place: a kill leaves nothing behind"
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
        assert bundle.artifact("onnx-fp32").content
        for use in (lambda: bundle.artifact("onnx-int8"), bundle.golden, bundle.verify_checksums):
            with pytest.raises(BundleError, match="is damaged"):
                use()


def test_an_artifact_it_lacks_is_named(tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle) as bundle, pytest.raises(BundleError, match="has onnx-fp32, onnx-int8"):
        bundle.artifact("tflite-int8")


def test_a_bundle_that_is_not_there() -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        open_bundle(Path("/nowhere/at/all"))


def test_names_and_paths(default_bundle: Path, tiny_bundle: Path) -> None:
    assert find_bundle(DEFAULT_BUNDLE) == default_bundle
    assert find_bundle(str(tiny_bundle)) == tiny_bundle
    assert find_bundle("no-such-name") == Path("no-such-name")


def test_a_folder_of_the_same_name_does_not_shadow_a_shipped_bundle(
    default_bundle: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waste_edge: WasteEdge
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / DEFAULT_BUNDLE)
    monkeypatch.chdir(tmp_path)
    assert find_bundle(DEFAULT_BUNDLE) == default_bundle
    assert find_bundle(f"./{DEFAULT_BUNDLE}") == Path(DEFAULT_BUNDLE)
    shipped, local = waste_edge("inspect", DEFAULT_BUNDLE, "--json"), waste_edge("inspect", "./small", "--json")
    assert json.loads(shipped.stdout)["name"] == DEFAULT_BUNDLE
    assert shipped.stderr == (
        "waste-edge: bundle small: the one that ships with the package is taken; for the one in this folder say "
        "./small\n"
    )
    assert (json.loads(local.stdout)["name"], local.stderr) == ("tiny", "")


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
    monkeypatch.setattr("waste_edge.bundle.files.MAX_BUNDLE_BYTES", 1_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, bytes(2_000))
    with pytest.raises(BundleError, match="would unpack to more than"):
        open_bundle(tmp_path / "a.zip")


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


# ---------------------------------------------------------------- hostile sizes and shapes


def deep_tree(depth: int, labels: list[str]) -> dict[str, str]:
    """A chain above the first label."""
    return {labels[0]: "n0"} | {f"n{index}": f"n{index + 1}" for index in range(depth)}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tree", deep_tree(8_000, ["blue"]), "more than 32 deep"),
        ("tree", deep_tree(100_000, ["blue"]), "at most 8,192 are accepted"),
        ("tree", {"blue": "n0", "n0": "n1", "n1": "n2", "n2": "n1"}, "loop"),
        ("labels", [f"label {index}" for index in range(5_000)], "at most 4,096"),
        ("labels", ["blue", "green", "x" * 100_000], "longer than 200 letters"),
        ("labels", ["blue", "green"] * 2_000, "appear twice"),
        ("features", 1 << 40, "features must be 1 to"),
        ("features", -3, "features must be 1 to"),
        ("golden.pictures", 1 << 40, "golden.pictures must be at most 1000"),
        ("golden.size_bytes", -1, "size_bytes must be 0 to"),
        ("artifacts.onnx-int8.size_bytes", 1 << 60, "size_bytes must be 0 to"),
        ("golden.file", "go\0lden.npz", "plain name"),
        ("extra_files", [{"file": "card.md", "size_bytes": 1, "sha256": ""}] * 65, "at most 64"),
        ("extra_files", [{"file": "card.md", "size_bytes": 1 << 29, "sha256": ""}] * 3, "at most 1073741824 together"),
        ("artifacts.onnx-int8.size_bytes", 1 << 28, "onnx-int8.onnx must be at most 134217728"),
        ("golden.size_bytes", 1 << 28, "golden.npz must be at most 134217728"),
    ],
)
def test_a_manifest_out_of_all_proportion(
    bundle_copy: Path, edit_manifest: Edit, key: str, value: Any, message: str
) -> None:
    edit_manifest(bundle_copy, key, value)
    with pytest.raises(BundleError, match=message) as caught:
        open_bundle(bundle_copy)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 1_000_000, "manifest.json"),
        (b'{"input": ' * 100_000, "manifest.json"),
        (b'{"schema": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "manifest.json"),
        (b" " * ((4 << 20) + 1), "larger than 4 MiB"),
        (b"\xff\xfe{}", "manifest.json"),
        (b"", "manifest.json"),
    ],
    ids=["brackets", "tables", "unknown", "blanks", "bytes", "empty"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_manifest_that_is_none(bundle_copy: Path, tmp_path: Path, content: bytes, message: str, packed: bool) -> None:
    (bundle_copy / MANIFEST_NAME).write_bytes(content)
    path = bundle_copy
    if packed:
        path = tmp_path / "a.zip"
        pack(bundle_copy, path)
    with pytest.raises(BundleError, match=message):
        open_bundle(path)


def test_a_zip_with_a_long_list_of_files_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for index in range(300):
            archive.writestr(f"{index}", b"")
    with pytest.raises(BundleError, match="lists more than 256 files"):
        open_bundle(tmp_path / "a.zip")


def test_a_zip64_is_refused(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    pack(tiny_bundle, tmp_path / "a.zip")
    with pytest.raises(BundleError, match="lists more than 256 files"):
        open_bundle(tmp_path / "a.zip")


def test_a_fifo_in_a_file_s_place_does_not_hang(bundle_copy: Path) -> None:
    with open_bundle(bundle_copy) as bundle:
        (bundle_copy / "onnx-int8.onnx").unlink()
        os.mkfifo(bundle_copy / "onnx-int8.onnx")
        with pytest.raises(BundleError, match=r"onnx-int8\.onnx is not a plain file"):
            bundle.artifact("onnx-int8")
    with pytest.raises(BundleError, match=r"onnx-int8\.onnx is missing"):
        open_bundle(bundle_copy)


def test_a_large_file_is_hashed_without_being_held(bundle_copy: Path, edit_manifest: Edit) -> None:
    size = 96 << 20
    with (bundle_copy / "notes.bin").open("wb") as stream:
        stream.truncate(size)
    digest = hashlib.sha256(bytes(size)).hexdigest()
    entry = {"file": "notes.bin", "size_bytes": size, "sha256": digest}
    edit_manifest(bundle_copy, "extra_files", [entry])
    with open_bundle(bundle_copy) as bundle:
        tracemalloc.start()
        try:
            bundle.verify_checksums()
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()


def test_the_bytes_that_were_hashed_are_those_that_are_handed_on(bundle_copy: Path) -> None:
    with open_bundle(bundle_copy) as bundle:
        network = bundle.artifact("onnx-int8")
        (bundle_copy / "onnx-int8.onnx").write_bytes(b"another")
        assert len(network.content) == bundle.manifest.artifacts["onnx-int8"].size_bytes
        with pytest.raises(BundleError, match="is damaged"):
            bundle.artifact("onnx-int8")
