"""The arrays in one of a bundle's `.npz` files: never unpickled, each checked as it is taken out; and as they go in."""

from __future__ import annotations

import zipfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from waste_edge.errors import BundleError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Learnt = TypeVar("Learnt", bound="DataclassInstance")
SCALE = "_scale"  # behind an array's name: what its bytes are multiplied by
FEWEST = 256  # numbers that are worth the rounding


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
        """One array of finite numbers, widened: of float32, or of bytes (int8) with float32 scales; see `packed`.

        Args:
            key, shape: see `take`.
            positive: whether all must be above 0.

        Raises:
            BundleError: see `take`; or there is another number among them.
        """
        array = self._widened(key, shape)
        if not np.isfinite(array).all() or (positive and not (array > 0).all()):
            kind = "finite and above 0" if positive else "finite"
            raise BundleError(f"{self._what}: {key} holds numbers that are not {kind}; export the bundle again")
        return array

    def _widened(self, key: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
        if key not in self._arrays or self._arrays[key].dtype != np.int8:
            return self.take(key, shape, np.float32).astype(np.float64)
        array = self.take(key, shape, np.int8)
        return widened(array, self.numbers(key + SCALE, scales_of(array.shape), positive=True))


def packed(learnt: DataclassInstance) -> dict[str, NDArray[np.generic]]:
    """Arrays by field; one of bytes (int8) has beside it one float32 scale a row or a column, whichever are fewer."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for field in fields(learnt):
        values = np.asarray(getattr(learnt, field.name), np.float32)
        if values.size < FEWEST:
            arrays[field.name] = values
            continue
        largest = np.abs(values).max(axis=_across(values.shape), keepdims=True)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        arrays[field.name] = np.rint(values / scale).astype(np.int8)
        arrays[field.name + SCALE] = scale.reshape(-1)
    return arrays


def widened(values: NDArray[np.generic], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of bytes and their scales, (1,) for a vector; see `packed`."""
    across = _across(values.shape)
    shape = tuple(1 if axis == across else length for axis, length in enumerate(values.shape))
    return np.asarray(values.astype(np.float64) * scale.reshape(shape))


def scales_of(shape: tuple[int, ...]) -> int:
    """How many scales an array of bytes has."""
    across = _across(shape)
    return int(np.prod([length for axis, length in enumerate(shape) if axis != across]))


def as_packed(learnt: Learnt) -> Learnt:
    """Rounded as the file will hold it, so that thresholds are fitted to what a device computes."""
    arrays = packed(learnt)
    rounded: dict[str, Any] = {}
    for field in fields(learnt):
        values = arrays[field.name]
        if field.name + SCALE in arrays:
            rounded[field.name] = widened(values, arrays[field.name + SCALE].astype(np.float64))
        else:
            rounded[field.name] = float(values) if values.ndim == 0 else values.astype(np.float64)
    return type(learnt)(**rounded)


def _across(shape: tuple[int, ...]) -> int:
    """The axis along which numbers share a scale: the longer one."""
    return 0 if len(shape) == 1 else int(shape[1] > shape[0])
