"""The interface of an engine: uint8 pixels in, logits and pooled features out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.files import NetworkFile
from waste_edge.imaging.frames import Pixels


class Output(NamedTuple):
    """One picture's answer: `logits` float32 (C,) and pooled `features` float32 (F,)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class Engine(Protocol):
    """A loaded network. `name` says which library, with its version, runs it."""

    name: str

    def infer(self, pixels: Pixels) -> Output:
        """Answer for uint8 (H, W, 3) RGB of exactly the network's input size."""
        ...


Opener = Callable[[NetworkFile, int], Engine]  # a network and a number of threads; raises BundleError
