"""The arrays in one of a bundle's `.npz` files: never unpickled, each checked as it is taken out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waste_edge.errors import BundleError


class Arrays:
    """A `.npz` file's arrays by name.

    Raises:
        BundleError: it is not a readable `.npz`; the message names the bundle and the file.
    """

    def __init__(self, path: Path, source: Path) -> None:
        self._what = f"{source}: {path.name}"
        try:
            with zipfile.ZipFile(path):  # NumPy would take a lone array or a pickle too
                pass
            with np.load(path, allow_pickle=False) as archive:
                self._arrays: dict[str, NDArray[np.generic]] = {key: archive[key] for key in archive.files}
        except Exception as error:  # damaged, it makes zipfile, its decompressors and NumPy raise nearly anything
            message = (str(error) or type(error).__name__).splitlines()[0]
            raise BundleError(f"{self._what} is not a readable .npz ({message}); export the bundle again") from error

    def take(self, key: str, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[np.generic]:
        """One array, of exactly this shape and type.

        Raises:
            BundleError: it is missing or another one.
        """
        if key not in self._arrays:
            raise BundleError(f"{self._what} lacks the array {key}; export the bundle again")
        array = self._arrays[key]
        if array.shape != shape or array.dtype != dtype:
            raise BundleError(
                f"{self._what}: {key} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}; "
                "export the bundle again"
            )
        return array

    def numbers(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """One array of float32, widened.

        Raises:
            BundleError: see `take`; or one of them is not finite.
        """
        array = self.take(key, shape, np.float32).astype(np.float64)
        if not np.isfinite(array).all():
            raise BundleError(f"{self._what}: {key} holds numbers that are not finite; export the bundle again")
        return array
