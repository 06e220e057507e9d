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

    def take(self, key: str, shape: tuple[int | None, ...], dtype: type[np.generic]) -> NDArray[np.generic]:
        """One array, of exactly this type and shape; where that is None, of any length but 0.

        Raises:
            BundleError: it is missing or another one.
        """
        if key not in self._arrays:
            raise BundleError(f"{self._what} lacks the array {key}; export the bundle again")
        array = self._arrays[key]
        fits = [
            one == wanted if wanted is not None else one > 0 for one, wanted in zip(array.shape, shape, strict=False)
        ]
        if array.ndim != len(shape) or not all(fits) or array.dtype != dtype:
            expected = str(shape).replace("None", "any")
            raise BundleError(
                f"{self._what}: {key} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {expected}; "
                "export the bundle again"
            )
        return array

    def numbers(self, key: str, *shape: int | None, positive: bool = False) -> NDArray[np.float64]:
        """One array of finite float32, widened.

        Args:
            key, shape: see `take`.
            positive: whether all must be above 0.

        Raises:
            BundleError: see `take`; or there is another number among them.
        """
        array = self.take(key, shape, np.float32).astype(np.float64)
        if not np.isfinite(array).all() or (positive and not (array > 0).all()):
            kind = "finite and above 0" if positive else "finite"
            raise BundleError(f"{self._what}: {key} holds numbers that are not {kind}; export the bundle again")
        return array
