"""Arrays of a bundle, and lines that other processes and earlier versions wrote."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.harness import fuzzed, mutated, survive
from waste_edge.bundle.arrays import Arrays


def packed(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


NPZ = [
    packed(weights=np.ones(9, np.float32), bias=np.float32(1)),
    packed(means=np.ones((3, 4), np.float32), pixels=np.zeros((2, 3, 3, 3), np.uint8)),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays") / "known_score.npz"


@fuzzed("arrays", 0.06, content=mutated(NPZ))
def test_arrays(place: Path, content: bytes) -> None:
    place.write_bytes(content)

    def use() -> None:
        arrays = Arrays(place, place.parent)
        arrays.numbers("weights", 9)
        arrays.numbers("bias")

    survive("arrays", use)
