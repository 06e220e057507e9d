"""Latest figures and picture of a running station, for whoever shows them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Latest:
    """Numbers by name, units in the names, and the crop of the item that was decided last. For any thread.

    Attributes:
        model: name and version of the model that took over under way; empty while it is that of the start.
    """

    def __init__(self) -> None:
        self.model = ""
        self._lock = threading.Lock()
        self._numbers: dict[str, float | None] = {}
        self._picture: tuple[int, NDArray[np.uint8] | None] = (0, None)

    def set(self, **numbers: float | None) -> None:
        """Take the place of these numbers; None: not known."""
        with self._lock:
            self._numbers |= numbers

    def numbers(self) -> dict[str, float | None]:
        """Every number."""
        with self._lock:
            return dict(self._numbers)

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Take the place of the picture, uint8 RGB, (H, W, 3)."""
        with self._lock:
            self._picture = (self._picture[0] + 1, picture)

    def picture(self) -> tuple[int, NDArray[np.uint8] | None]:
        """The newest picture, and the how-manieth it is."""
        with self._lock:
            return self._picture
