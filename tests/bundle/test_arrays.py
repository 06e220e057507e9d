"""`.npz` files of a bundle: nothing is unpacked that was not asked for, and no more of it than that takes."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from waste_edge.bundle.arrays import Arrays, packed
from waste_edge.errors import BundleError
from waste_edge.files.limits import MAX_ARRAY_BYTES


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def entry(header: str, claimed: int | None = None, version: bytes = b"\x01\x00", data: bytes = b"") -> bytes:
    """A `.npz` whose array `a` has this header."""
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header) if claimed is None else claimed)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY" + version + length + header.encode() + data)
    return stream.getvalue()


def header(shape: str, descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize("values", [np.zeros((2, 3), np.float32), np.float32(4), np.ones(5, np.float32)])
def test_what_numpy_wrote(values: Any) -> None:
    taken = Arrays(npz(a=values), "b: x.npz").take("a", np.shape(values), np.float32)
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken, values)
    assert Arrays(npz(a=values), "b: x.npz").numbers("a", *np.shape(values)).dtype == np.float64


@dataclass(frozen=True)
class Learnt:
    table: NDArray[np.float64]


@pytest.mark.parametrize("rows", [4, 300])
def test_a_table_in_any_order_is_read_back(rows: int) -> None:
    learnt = Learnt(np.asfortranarray(np.arange(1.0, 3 * rows + 1).reshape(rows, 3)))
    assert learnt.table.flags.f_contiguous
    read = Arrays(npz(**packed(learnt)), "b: x.npz").numbers("table", rows, 3)
    np.testing.assert_allclose(read, learnt.table, atol=4.0)  # bytes, up to 900


def test_an_array_nobody_asked_for_is_counted_but_not_unpacked() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(2 * MAX_ARRAY_BYTES + 1))
    with pytest.raises(BundleError, match=r"b: x\.npz is not a readable \.npz \(would unpack to more than 128 MiB"):
        Arrays(stream.getvalue(), "b: x.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable"),
        (b"PK\x05\x06" + bytes(18), "lacks the array a"),
        (entry(header("(3,)")), "a ends early"),
        (entry(header("(100000000,)")), "more than 64 MiB"),
        (entry(header("(100000000000000000000,)")), "more than 64 MiB"),
        (entry(header("(-1,)")), "not a readable"),
        (entry(header("(3,)", "'|O'")), "not a readable"),
        (entry(header("(3,)", "'<f8'")), "float64 .* expected float32"),
        (entry(header("(3, 3)", order="True"), data=bytes(36)), "Fortran"),
        (entry(header("(3,)"), version=b"\x02\x00"), "format 1.0"),
        (entry(header("(3,)"), claimed=60_000), "a"),
        (entry("(" * 60_000), "not a readable"),
        (entry("__import__('os').system('true')"), "not a readable"),
        (entry("[" * 5_000 + "]" * 5_000), "not a readable"),
        (npz(a=np.zeros(3, np.float32))[:-30], "not a readable"),
    ],
)
def test_hostile_arrays_are_a_bundle_s_error(content: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        Arrays(content, "b: x.npz").take("a", (None,), np.float32)
    assert "\n" not in str(caught.value)


def test_flipped_bytes_never_escape() -> None:
    generator, whole = np.random.default_rng(0), npz(a=np.arange(300, dtype=np.float32), b=np.zeros(4, np.uint8))
    for _ in range(2_000):
        content = bytearray(whole)
        for position in generator.integers(0, len(content), generator.integers(1, 5)):
            content[position] = generator.integers(256)
        with contextlib.suppress(BundleError):
            Arrays(bytes(content), "b: x.npz").take("a", (None,), np.float32)
