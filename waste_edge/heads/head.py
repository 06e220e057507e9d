"""A head: the last, linear layer of a classifier, learnt at one station and put in the place of the network's own.

It is affine in what every artifact gives anyway, the network's logits and its pooled features, so that a station learns
labels and looks of its own without a change to the network: logits' = logits @ carry + features @ weights + bias.
Numpy only, since the device both fits and applies it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waste_edge.metrics.classification import Floats
from waste_edge.rejection import unit


@dataclass(frozen=True, eq=False)
class Head:
    """Affine layer over N network logits and F pooled features, for C labels.

    Attributes:
        carry: float64 (N, C): what is kept of the network's own logits.
        weights: float64 (F, C), of features at length 1.
        bias: float64 (C,).
    """

    carry: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        labels = len(self.bias)
        if self.carry.shape[1:] != (labels,) or self.weights.shape[1:] != (labels,):
            raise ValueError(
                f"a head of {labels} labels needs carry (N, {labels}) and weights (F, {labels}), got "
                f"{self.carry.shape} and {self.weights.shape}"
            )

    def __call__(self, logits: Floats, features: Floats) -> NDArray[np.float64]:
        """Compute the logits of N pictures, (N, C), from the network's (N, L) and its features (N, F)."""
        own = np.asarray(logits, np.float64) @ self.carry
        return np.asarray(own + unit(features) @ self.weights + self.bias)


@dataclass(frozen=True, eq=False)
class HeadItems:
    """A head's answers to items of the station where it was fitted, kept so that it can be replayed; no pictures.

    Attributes:
        logits: float32 (M, L), of the network, one row an item.
        features: float32 (M, F), pooled, rounded to float16 as a station keeps them.
        outputs: float32 (M, C), the head's logits.
        fitted: uint64 (N,), `fingerprints` of every look that it was fitted to.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    outputs: NDArray[np.float32]
    fitted: NDArray[np.uint64]


def fingerprints(features: Floats) -> NDArray[np.uint64]:
    """Number each look, (N,), by what the network gave for it: the first 64 bits of SHA-256 of its features (N, F)."""
    rows = np.ascontiguousarray(features, "<f4")
    return np.array([int.from_bytes(hashlib.sha256(row.tobytes()).digest()[:8], "little") for row in rows], np.uint64)


@dataclass(frozen=True, eq=False)
class Shots:
    """Pictures of a station's own items, as the network answered them.

    Attributes:
        logits: float64 (N, L), of the network.
        features: float64 (N, F), pooled.
        truth: int64 (N,), indices into the head's labels.
        item: int64 (N,): pictures of one item share a number, and are never on two sides.
    """

    logits: NDArray[np.float64]
    features: NDArray[np.float64]
    truth: NDArray[np.int64]
    item: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)

    def of(self, rows: NDArray[np.generic]) -> Shots:
        """Select pictures by index or mask."""
        return Shots(self.logits[rows], self.features[rows], self.truth[rows], self.item[rows])

    def items(self) -> NDArray[np.int64]:
        """Number the items from 0 without gaps, by picture: (N,)."""
        _, numbers = np.unique(self.item, return_inverse=True)
        return np.asarray(numbers.reshape(-1), np.int64)

    def truth_of_items(self) -> NDArray[np.int64]:
        """The label of each item, in the order of `items`."""
        _, first = np.unique(self.item, return_index=True)
        return np.asarray(self.truth[first], np.int64)

    def weights(self) -> NDArray[np.float64]:
        """Weight of each picture, (N,), 1 on average.

        An item's pictures count as one. A label with fewer items counts more for each, by the root of the ratio: half
        way between the mix that was shown, which is not the bin's, and an even one.
        """
        numbers = self.items()
        views = np.bincount(numbers)[numbers]
        items = np.bincount(self.truth_of_items())[self.truth]
        counts = 1.0 / views / np.sqrt(items)
        return np.asarray(counts * len(counts) / counts.sum())


def centred(logits: Floats, labels: int) -> NDArray[np.float64]:
    """Logits (N, L) without their mean, for `labels` labels of which the first L are the network's: (N, labels).

    An own label, which the network has never seen, stands at 0: as likely as the network's labels are on average, until
    the station's own pictures say otherwise.
    """
    wide = np.asarray(logits, np.float64)
    found = np.zeros((len(wide), labels))
    found[:, : wide.shape[1]] = wide - wide.mean(axis=1, keepdims=True)
    return found


def carried(network_labels: int, labels: int, share: float) -> NDArray[np.float64]:
    """The matrix (L, C) that makes `share` times the `centred` logits of a network's logits."""
    return share * centred(np.eye(network_labels), labels)


def shipped_logits(logits: Floats, labels: int) -> NDArray[np.float64]:
    """A network's logits (N, L) over `labels` labels, (N, labels): its own, and -inf for those that it cannot name."""
    wide = np.asarray(logits, np.float64)
    found = np.full((len(wide), labels), -np.inf)
    found[:, : wide.shape[1]] = wide
    return found


def labels_over(network: Sequence[str], own: Sequence[str]) -> list[str]:
    """The head's labels: all of the network's in their order, then those that it does not have."""
    return [*network, *(label for label in own if label not in network)]
