"""The arrays in a bundle's `.npz` files: never unpickled, each checked before it is unpacked; and as they go in."""

from __future__ import annotations

import ast
import io
import math
from dataclasses import fields
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.files import open_zip
from waste_edge.errors import BundleError
from waste_edge.files.limits import MAX_ARRAY_BYTES, MAX_ARRAYS_BYTES, MAX_BUNDLE_FILES
from waste_edge.files.text import first_line

_NPY_MAGIC = b"\x93NUMPY\x01\x00"  # 2.0 and 3.0 are for records with long names

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Learnt = TypeVar("Learnt", bound="DataclassInstance")
SCALE = "_scale"  # behind an array's name: what its bytes are multiplied by
FEWEST = 256  # numbers that are worth the rounding


class Arrays:
    """A `.npz` file's arrays by name; what nobody takes is never unpacked.

    Args:
        content: the file's bytes.
        what: the bundle and the file, for messages.

    Raises:
        BundleError: it is not a readable `.npz`; the message names the bundle and the file.
    """

    def __init__(self, content: bytes, what: str) -> None:
        self._what = what
        try:
            self._archive = open_zip(
                io.BytesIO(content), MAX_BUNDLE_FILES
            )  # NumPy would take a lone array or a pickle too
            self._names = {name.removesuffix(".npy") for name in self._archive.namelist()}
            if sum(entry.file_size for entry in self._archive.infolist()) > MAX_ARRAYS_BYTES:
                raise ValueError(f"would unpack to more than {MAX_ARRAYS_BYTES >> 20} MiB")
        except Exception as error:  # damaged, it makes zipfile and its decompressors raise nearly anything
            raise self._unreadable(error) from error

    def take(self, key: str, shape: tuple[int | None, ...], dtype: type[np.generic]) -> NDArray[np.generic]:
        """One array, of exactly this type and shape; where that is None, of any length but 0.

        Raises:
            BundleError: it is missing, another one, or larger than any of ours.
        """
        if key not in self._names:
            raise BundleError(f"{self._what} lacks the array {key}; export the bundle again")
        try:
            with self._archive.open(f"{key}.npy") as stream:
                found, described = _read_header(stream)
                self._check(key, found, described, (shape, np.dtype(dtype)))
                length = math.prod(found) * described.itemsize
                content = stream.read(length)
        except BundleError:
            raise
        except Exception as error:  # see above
            raise self._unreadable(error) from error
        if len(content) != length:
            raise self._unreadable(ValueError(f"{key} ends early"))
        return np.frombuffer(content, described).reshape(found)

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

    def _check(
        self,
        key: str,
        found: tuple[int, ...],
        described: np.dtype[np.generic],
        wanted: tuple[tuple[int | None, ...], np.dtype[np.generic]],
    ) -> None:
        shape, dtype = wanted
        fits = [one == size if size is not None else one > 0 for one, size in zip(found, shape, strict=False)]
        if len(found) != len(shape) or not all(fits) or described != dtype:
            expected = str(shape).replace("None", "any")
            raise BundleError(
                f"{self._what}: {key} is {described} {found}, expected {dtype} {expected}; export the bundle again"
            )
        if math.prod(found) * described.itemsize > MAX_ARRAY_BYTES:
            raise BundleError(
                f"{self._what}: {key} is {described} {found}, more than {MAX_ARRAY_BYTES >> 20} MiB; "
                "this is not a bundle of ours"
            )

    def _unreadable(self, error: Exception) -> BundleError:
        message = first_line(error)
        return BundleError(f"{self._what} is not a readable .npz ({message}); export the bundle again")

    def _widened(self, key: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
        if key + SCALE not in self._names:
            return self.take(key, shape, np.float32).astype(np.float64)
        array = self.take(key, shape, np.int8)
        return widened(array, self.numbers(key + SCALE, scales_of(array.shape), positive=True))


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of the array that follows: NumPy's format 1.0, in C order, of plain numbers.

    Raises:
        ValueError: it is something else. NumPy's own reader takes headers of any length before it looks at them.
    """
    if stream.read(len(_NPY_MAGIC)) != _NPY_MAGIC:
        raise ValueError("an entry is no array of NumPy's format 1.0")
    header = ast.literal_eval(stream.read(int.from_bytes(stream.read(2), "little")).decode("latin1").strip())
    shape, dtype = header["shape"], np.dtype(header["descr"])
    if header["fortran_order"] and len(shape) > 1:
        raise ValueError("an array in Fortran order")
    if dtype.hasobject or dtype.itemsize == 0 or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("an array of something else than numbers")
    return tuple(shape), dtype


def packed(learnt: DataclassInstance) -> dict[str, NDArray[np.generic]]:
    """Arrays by field; one of bytes (int8) has beside it one float32 scale a row or a column, whichever are fewer."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for field in fields(learnt):
        values = np.asarray(getattr(learnt, field.name), np.float32, order="C")  # as `Arrays` reads them
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
    """Count the scales of an array of bytes."""
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
