"""Installing: what is taken, and each way in which a bundle is refused."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.device.models.conftest import MakeVersion
from tests.device.models.keys import make_keys, sign
from tests.test_plugins import install as install_plugin
from waste_edge.bundle.bundle import pack
from waste_edge.device.models import checks
from waste_edge.device.models.config import ModelsConfig
from waste_edge.device.models.install import FolderWatch, Installer
from waste_edge.device.models.store import ModelStore
from waste_edge.engines import names
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.site import Site, site_of_labels


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and the folder that it serves."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_candidate_is_checked_and_proposed(installer: Installer, version: MakeVersion, store: ModelStore) -> None:
    told: list[str] = []
    installed = replace(installer, tell=lambda found: told.append(found.check)).install(str(version("2.0")))
    assert installed.outcome == "candidate"
    assert store.roles().candidate == installed.entry
    assert store.current() is None
    assert told == ["checksums", "signature", "version", "size", "labels", "golden", "time", "memory"]
    again = installer.install(str(store.path(installed.entry)))
    assert (again.outcome, again.text) == ("unchanged", "tiny 2.0 is the candidate already")


def test_now_puts_it_in_charge_and_says_so(installer: Installer, version: MakeVersion, store: ModelStore) -> None:
    installed = installer.install(str(version("2.0")), now=True)
    assert installed.outcome == "activated"
    assert "without a comparison" in installed.text
    assert (store.current(), store.roles().on_probation) == (installed.entry, True)
    assert "without a comparison" in store.history()[-1].reason


def test_where_nobody_answers_a_candidate_is_refused_with_the_way_out(
    installer: Installer, version: MakeVersion
) -> None:
    silent = replace(installer, has_answers=False)
    with pytest.raises(UserError, match="--now, or shadow = false"):
        silent.install(str(version("2.0")))
    assert replace(silent, config=ModelsConfig(shadow=False)).install(str(version("3.0"))).outcome == "activated"


def test_one_older_than_the_configured_bundle_needs_leave(installer: Installer, version: MakeVersion) -> None:
    old, new = version("0.9"), version("2.0")
    with pytest.raises(BundleError, match=r"is version 0\.9 of tiny, and 1\.0 is in charge here; .*--allow-older"):
        installer.install(str(old), now=True)
    other = version("0.8", {"name": "other"})
    assert installer.install(str(other)).outcome == "candidate"
    assert replace(installer, allow_older=True).install(str(old)).outcome == "candidate"
    missing = replace(installer, wish=replace(installer.wish, bundle="nowhere"))
    assert missing.install(str(new), now=True).outcome == "activated"
    assert installer.install(str(other), now=True).outcome == "activated"


def test_of_a_station_that_chooses_each_shipped_bundle_counts(installer: Installer, version: MakeVersion) -> None:
    auto = replace(installer, wish=replace(installer.wish, bundle="auto"))
    with pytest.raises(BundleError, match=r"is version 1\.0 of small, and [0-9.]+ is in charge here"):
        auto.install(str(version("1.0", {"name": "small"})))
    assert auto.install(str(version("2.0"))).outcome == "candidate"


def test_a_folder_that_is_closed_to_this_user_is_passed_over(
    installer: Installer, version: MakeVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ext4's lost+found is."""
    stick, is_file = tmp_path / "stick", Path.is_file
    (stick / "lost+found").mkdir(parents=True)
    pack(version("2.0"), stick / "two.zip")

    def closed(path: Path) -> bool:
        if path.parent.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", closed)
    assert installer.install(str(stick)).entry.version == "2.0"


def test_an_older_version_needs_leave(installer: Installer, version: MakeVersion) -> None:
    one, two = version("1.9"), version("1.10")
    installer.install(str(two), now=True)
    with pytest.raises(BundleError, match="--allow-older"):
        installer.install(str(one))
    assert replace(installer, allow_older=True).install(str(one)).outcome == "candidate"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema", 2, "schema"),
        ("labels", ["blue", "red", "wood"], "labels do not fit this station: site.toml: no stream for wood"),
        ("input.width_px", 24, "golden|pixels"),
        ("features", 7, "features"),
    ],
)
def test_a_manifest_that_does_not_fit_the_network_or_the_station_is_refused(
    installer: Installer, version: MakeVersion, store: ModelStore, key: str, value: Any, said: str
) -> None:
    def known_only(manifest: Any) -> Site:
        if "wood" in manifest.labels:
            raise ConfigError("site.toml: no stream for wood")
        return site_of_labels(manifest.labels)

    strict = replace(installer, wish=replace(installer.wish, site_of=known_only))
    with pytest.raises(BundleError, match=said):
        strict.install(str(version("2.0", {key: value})))
    assert (store.installed(), store.roles().candidate) == ([], None)


def test_one_that_is_not_signed_or_by_a_revoked_key_is_refused(
    installer: Installer, version: MakeVersion, tmp_path: Path
) -> None:
    old, new = make_keys(tmp_path / "old"), make_keys(tmp_path / "new")
    keyed = replace(installer, wish=replace(installer.wish, require_key=new.public))
    folder = version("2.0")
    with pytest.raises(BundleError, match="not signed"):
        keyed.install(str(folder))
    sign(folder, old)
    with pytest.raises(BundleError, match="signed by another key"):
        keyed.install(str(folder))
    sign(folder, new)
    installed = keyed.install(str(folder))
    assert [found.text for found in installed.findings if found.check == "signature"] == [f"signed by {new.public}"]


def test_a_damaged_file_is_refused(installer: Installer, version: MakeVersion, store: ModelStore) -> None:
    folder = version("2.0")
    content = bytearray((folder / "onnx-int8.onnx").read_bytes())
    content[40] ^= 1
    (folder / "onnx-int8.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="damaged"):
        installer.install(str(folder))
    assert store.installed() == []


def test_wrong_golden_outputs_are_refused(
    installer: Installer, version: MakeVersion, replace_file: Callable[[Path, str, bytes], None]
) -> None:
    folder = version("2.0")
    arrays = dict(np.load(folder / "golden.npz"))
    arrays["onnx-int8.logits"] = arrays["onnx-int8.logits"] + np.float32(1)
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    replace_file(folder, "golden", packed.getvalue())
    with pytest.raises(BundleError, match="logits differ by 1, more than"):
        installer.install(str(folder))


def test_one_that_crashes_the_engine_is_refused_and_we_live(
    installer: Installer, version: MakeVersion, replace_file: Callable[[Path, str, bytes], None]
) -> None:
    folder = version("2.0")
    replace_file(folder, "artifacts.onnx-int8", (folder / "onnx-int8.onnx").read_bytes()[:200])
    with pytest.raises(BundleError, match="process of its own"):
        installer.install(str(folder))


_CRASHING = """
import os, signal
from waste_edge.engines.names import EngineSpec

spec = EngineSpec("crashing", "onnx", ("waste_edge_crashing",), "waste-edge-crashing", "waste_edge_crashing:Engine")

class Engine:
    name = "crashing"

    def __init__(self, file, threads):
        pass

    def infer(self, pixels):
        os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_one_that_ends_the_engines_process_by_a_signal_is_refused_and_we_live(
    installer: Installer, version: MakeVersion, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network loads, and its engine dies of SIGSEGV at the first picture; the engine is a real plug-in."""
    site = tmp_path / "site"
    install_plugin(site, {"waste_edge.engines": {"crashing": "waste_edge_crashing:spec"}}, "waste-edge-crashing")
    (site / "waste_edge_crashing.py").write_text(_CRASHING, encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    before = store.add(version("1.0"))
    store.activate(before, "in charge")
    crashing = replace(
        installer, wish=replace(installer.wish, engine=replace(installer.wish.engine, engine="crashing"))
    )
    try:
        with pytest.raises(BundleError, match=r"died of SIGSEGV while being loaded.*process of its own"):
            crashing.install(str(version("2.0")), now=True)
    finally:
        names._plugin_spec.cache_clear()
    assert store.current() == before
    assert store.installed() == [before]


def test_one_that_takes_more_memory_than_is_free_is_refused(
    installer: Installer, version: MakeVersion, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = checks.Board().read()
    monkeypatch.setattr(checks.Board, "read", lambda self: replace(now, available_mb=3.0))
    with pytest.raises(
        BundleError, match=r"takes \d+ MB in a process of its own, and 3 MB are free; end other programs"
    ):
        installer.install(str(version("2.0")))
    assert (store.installed(), store.roles().candidate) == ([], None)
    monkeypatch.setattr(checks.Board, "read", lambda self: replace(now, available_mb=4000.0))
    found = installer.install(str(version("3.0"))).findings
    assert "4000 MB are free" in next(one.text for one in found if one.check == "memory")


def test_one_that_is_too_slow_too_large_or_leaves_too_little_disk_is_refused(
    installer: Installer, version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = version("2.0")
    with pytest.raises(BundleError, match=r"\[models\] max_mb is 0\.001"):
        replace(installer, config=ModelsConfig(max_mb=0.001)).install(str(folder))
    monkeypatch.setattr(checks, "BUDGET_MS", 0.0)
    with pytest.raises(BundleError, match="ms on this board"):
        installer.install(str(folder))
    monkeypatch.undo()
    monkeypatch.setattr(checks, "_SPARE_MB", 1e9)
    installer.state.mkdir(exist_ok=True)
    with pytest.raises(UserError, match="free some space"):
        installer.install(str(folder))


def test_a_bundle_of_another_engine_is_refused(installer: Installer, version: MakeVersion) -> None:
    other = replace(installer.wish, engine=replace(installer.wish.engine, engine="litert"))
    with pytest.raises(BundleError, match="this station runs tflite-int8"):
        replace(installer, wish=other).install(str(version("2.0")))


def test_a_download_over_http_needs_a_signature(
    installer: Installer, version: MakeVersion, web: tuple[str, Path], tmp_path: Path, store: ModelStore
) -> None:
    address, folder = web
    keys, bundle = make_keys(tmp_path / "keys"), version("2.0")
    sign(bundle, keys)
    pack(bundle, folder / "two.zip")
    with pytest.raises(UserError, match="over http; require a key"):
        installer.install(f"{address}/two.zip")
    keyed = replace(installer, wish=replace(installer.wish, require_key=keys.public))
    assert keyed.install(f"{address}/two.zip").outcome == "candidate"
    with pytest.raises(UserError, match="answers 404"):
        keyed.install(f"{address}/three.zip")
    with pytest.raises(UserError, match="larger than"):
        replace(keyed, config=ModelsConfig(max_mb=0.001)).install(f"{address}/two.zip")
    with pytest.raises(UserError, match="cannot be downloaded"):
        keyed.install("http://127.0.0.1:9/two.zip")
    with pytest.raises(UserError, match="expected an address of https"):
        keyed.install("ftp://127.0.0.1/two.zip")
    assert not [path for path in store.folder.iterdir() if path.name.startswith(".copying")]


def test_a_file_address_and_a_folder_of_bundles_are_found(
    installer: Installer, version: MakeVersion, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    with pytest.raises(BundleError, match="holds no bundle"):
        installer.install(str(stick))
    pack(version("2.0"), stick / "a.zip")
    pack(version("10.0"), stick / "b.zip")
    (stick / "photo.zip").write_bytes(b"not a zip")
    assert installer.install(str(stick)).entry.version == "10.0"
    assert installer.install((stick / "b.zip").as_uri()).outcome == "unchanged"
    pack(version("3.0", {"name": "other"}), stick / "c.zip")
    with pytest.raises(BundleError, match=r"several names \(other, tiny\)"):
        installer.install(str(stick))


def test_a_watched_folder_installs_what_comes_and_says_what_it_refused(
    installer: Installer, version: MakeVersion, tmp_path: Path, store: ModelStore
) -> None:
    stick = tmp_path / "stick"
    watch = FolderWatch(stick)
    assert watch.look(installer) is None
    stick.mkdir()
    pack(version("2.0"), stick / "a.zip")
    installed = watch.look(installer)
    assert installed is not None
    assert installed.outcome == "candidate"
    assert watch.look(installer) is None
    pack(version("3.0", {"schema": 9}), stick / "b.zip")
    assert watch.look(installer) is None
    assert store.roles().candidate == installed.entry
    (stick / "a.zip").unlink()
    assert watch.look(installer) is None
    assert "schema" in watch.trouble
