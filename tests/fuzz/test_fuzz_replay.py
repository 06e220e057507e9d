"""Features of items, as a copied folder of a station may hold them damaged: read, or refused in one line."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.device.outbox.test_features import seen_event
from tests.device.telling import FakeWall
from tests.fuzz.harness import fuzzed, mutated, survive
from waste_edge.device.clock import SystemClock
from waste_edge.device.outbox.features import FEATURES_NAME
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.read_only import KeptItems


def decided(folder: Path) -> bytes:
    """Let a station decide three items in a folder, and return its file of features."""
    outbox = Outbox(folder / "outbox.sqlite", "bin 1", SystemClock(), FakeWall())
    for number in range(3):
        outbox.commit(seen_event(number, looks=2, features=16), b"scene")
    outbox.close()
    return (folder / FEATURES_NAME).read_bytes()


def features_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return decided(Path(folder))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    decided(folder)
    return folder


def read(state: Path) -> int:
    kept = KeptItems(state)
    kept.models()
    return sum(item.looks is not None for item in kept)


@fuzzed("features", 0.03, content=mutated([features_bytes()]))
def test_features(state: Path, content: bytes) -> None:
    (state / FEATURES_NAME).write_bytes(content)
    survive("features", lambda: read(state))
