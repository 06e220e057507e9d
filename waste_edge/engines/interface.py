"""The interface of an engine: uint8 pixels in, logits and pooled features out; and a network with another head."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.files import NetworkFile
from waste_edge.heads import Head
from waste_edge.imaging.frames import Pixels


class Output(NamedTuple):
    """One picture's answer: `logits` float32 (C,) and pooled `features` float32 (F,).

    `network_logits` float32 (L,) are the network's own, where a head stands in the place of its own; else None.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    network_logits: NDArray[np.float32] | None = None


MOST_FEATURE = 65_504.0  # the largest float16


def as_kept(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pooled features rounded to float16, as a station keeps them; still float32.

    Items are judged by the rounded ones: what is judged again from what was kept comes out the same to the last bit.
    Rounding moves a feature by at most one part in 2048.
    """
    bounded = np.clip(features, -MOST_FEATURE, MOST_FEATURE)
    return np.asarray(bounded.astype(np.float16), np.float32)


class Engine(Protocol):
    """A loaded network. `name` says which library, with its version, runs it."""

    name: str

    def infer(self, pixels: Pixels) -> Output:
        """Answer for uint8 (H, W, 3) RGB of exactly the network's input size."""
        ...


Opener = Callable[[NetworkFile, int], Engine]  # a network and a number of threads; raises BundleError


class HeadedEngine:
    """Loaded network with a station's head in the place of its own: its logits are the head's.

    Attributes:
        network: the engine below, whose logits are the network's own.
    """

    def __init__(self, network: Engine, head: Head) -> None:
        self.network = network
        self.name = network.name
        self._head = head

    def infer(self, pixels: Pixels) -> Output:
        """See `Engine.infer`."""
        return headed(self.network.infer(pixels), self._head)


def headed(output: Output, head: Head) -> Output:
    """A network's answer with the head's logits, of features rounded `as_kept`, in the place of its own."""
    logits = head(output.logits[None], as_kept(output.features)[None])[0]
    return Output(np.asarray(logits, np.float32), output.features, output.logits)
