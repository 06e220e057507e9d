"""LiteRT loads a network from the file's own pages where nobody can change them, and from checked bytes elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.files import NetworkFile, read_network
from waste_edge.engines.litert import LiteRtEngine, mapped_file
from waste_edge.files.resources import BUNDLES

SERVICE = 1000  # a user who is not root
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes files that belong to root")


@pytest.fixture
def network(tmp_path: Path) -> NetworkFile:
    """A shipped network in a file of root's that only root may write, as an installation leaves it."""
    path = tmp_path / "model.tflite"
    with open_bundle(BUNDLES / "small") as bundle:
        path.write_bytes(bundle.artifact("tflite-int8").content)
    path.chmod(0o644)
    return read_network(path)


def is_mapped(network: NetworkFile, user: int = SERVICE) -> bool:
    with mapped_file(network, user) as handle:
        return handle is not None


@needs_root
def test_a_file_of_roots_is_mapped_for_the_service(network: NetworkFile) -> None:
    assert is_mapped(network)


def test_root_who_can_change_it_gets_a_copy(network: NetworkFile) -> None:
    assert not is_mapped(network, user=0)


@needs_root
@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_can_change_is_copied(network: NetworkFile, mode: int) -> None:
    network.path.chmod(mode)
    assert not is_mapped(network)


@needs_root
def test_a_file_of_the_services_own_is_copied(network: NetworkFile) -> None:
    os.chown(network.path, SERVICE, SERVICE)
    assert not is_mapped(network)


@needs_root
@pytest.mark.parametrize("change", [b"x", b""])
def test_a_file_that_is_not_what_was_checked_is_not_mapped(network: NetworkFile, change: bytes) -> None:
    content = network.content
    network.path.write_bytes(change + content[len(change) :] if change else content[:-1])
    assert not is_mapped(network)


@needs_root
def test_links_fifos_and_archives_are_not_mapped(network: NetworkFile, tmp_path: Path) -> None:
    link, fifo = tmp_path / "link.tflite", tmp_path / "fifo.tflite"
    link.symlink_to(network.path)
    os.mkfifo(fifo)
    for path in (link, fifo, tmp_path / "bundle.zip" / "model.tflite"):
        assert not is_mapped(NetworkFile(path, network.content))


@needs_root
def test_both_ways_answer_alike(network: NetworkFile, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    copied = LiteRtEngine(network, 1).infer(pixels)
    assert str(network.path) not in Path("/proc/self/maps").read_text(encoding="utf-8")
    monkeypatch.setattr(os, "geteuid", lambda: SERVICE)
    engine = LiteRtEngine(network, 1)
    assert str(network.path) in Path("/proc/self/maps").read_text(encoding="utf-8")
    for one, other in zip(engine.infer(pixels), copied, strict=True):
        np.testing.assert_array_equal(one, other)
