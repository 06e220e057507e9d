"""Pairs and groups of hashes are those of comparing all of them, whatever the hashes are like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from waste_edge.dataset import near_hashes
from waste_edge.dataset.near_hashes import near_groups, pair_blocks, unpacked

KINDS = ("random", "clusters", "one cluster", "half of the bits the same")


def make(kind: str, count: int, seed: int) -> NDArray[np.bool_]:
    """Hashes, bool (count, 128)."""
    generator = np.random.default_rng(seed)
    hashes = generator.random((count, 128)) < 0.5
    if kind == "clusters":
        hashes = hashes[generator.integers(0, max(1, count // 20), count)] ^ (generator.random((count, 128)) < 0.05)
    elif kind == "one cluster":
        hashes = hashes[:1] ^ (generator.random((count, 128)) < 0.06)
    elif kind == "half of the bits the same":
        hashes[:, :64] = False
    return np.ascontiguousarray(hashes)


def compared(hashes: NDArray[np.bool_], bits_off: int) -> set[tuple[int, int]]:
    """The definition: every pair, bit by bit."""
    return {
        (row, int(column))
        for row in range(len(hashes))
        for column in np.flatnonzero((hashes[row] != hashes[row + 1 :]).sum(axis=1) <= bits_off) + row + 1
    }


def joined(count: int, pairs: set[tuple[int, int]]) -> list[int]:
    """For each index the smallest one that pairs lead to."""
    roots = list(range(count))
    for _ in range(count):
        before = list(roots)
        for low, high in pairs:
            roots[low] = roots[high] = min(roots[low], roots[high])
        if roots == before:
            break
    return roots


@pytest.mark.parametrize("price", [1e-9, 1e9])  # bands always; all pairs always
@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(KINDS), count=st.integers(1, 120), seed=st.integers(0, 2**32), bits_off=st.integers(0, 15))
def test_they_are_those_of_comparing_all(price: float, kind: str, count: int, seed: int, bits_off: int) -> None:
    hashes = make(kind, count, seed)
    wanted = compared(hashes, bits_off)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_hashes, "_FEW", 0)
        patch.setattr(near_hashes, "_PRICE", price)
        patch.setattr(near_hashes, "_BLOCK", 500)
        blocks = list(pair_blocks(hashes, bits_off))
        found = [pair for low, high in blocks for pair in zip(low.tolist(), high.tolist(), strict=True)]
        assert len(found) == len(set(found)), "each pair once"
        assert set(found) == wanted
        assert near_groups(hashes, bits_off).tolist() == joined(count, wanted)


def test_few_candidates_are_looked_at_where_hashes_differ() -> None:
    hashes = make("random", 6000, 1)
    hashes[5000:5050] = hashes[:50]
    hashes[5000:5050, :14] ^= True
    assert near_hashes._candidates(hashes) < 0.003 * 6000**2 / 2
    pairs = {pair for low, high in pair_blocks(hashes, 14) for pair in zip(low.tolist(), high.tolist(), strict=True)}
    assert pairs == {(index, 5000 + index) for index in range(50)}
    roots = near_groups(hashes, 14)
    assert np.flatnonzero(roots != np.arange(6000)).tolist() == list(range(5000, 5050))


def test_counting_bits_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = make("clusters", 300, 5)
    monkeypatch.setattr(near_hashes, "_FEW", 0)
    wanted = near_groups(hashes, 14).tolist()
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert near_groups(hashes, 14).tolist() == wanted


def test_hashes_are_unpacked_as_they_were() -> None:
    hashes = make("random", 7, 3)
    np.testing.assert_array_equal(unpacked([np.packbits(one).tobytes() for one in hashes]), hashes)
