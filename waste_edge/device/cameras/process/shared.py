"""A double buffer in shared memory: one process writes frames, another reads the newest.

Two slots, each guarded by a record lock, which the kernel releases when its holder dies and which orders memory on
every processor, ARM included. The writer never waits: while one slot is being read it writes into the other, newest
or not. A slot's sequence number is 0 while it is written, so that half a frame is never taken for one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal, TypeVar

import numpy as np

from waste_edge.device.cameras.camera import Layout, RawFrame
from waste_edge.device.cameras.process.memory import PAGE_BYTES, SLOT_BYTES, STRIDE_BYTES

_HEADER = struct.Struct("<QqIIIIQ")  # sequence, captured_ns, layout, width, height, stride, length
_SEQUENCE = struct.Struct("<Q")
_LAYOUTS: tuple[Layout, ...] = ("rgb", "bgr", "yuv420", "nv12")
_TRIES = 4  # a reader may change slots just while the writer looks for a free one
_SLOTS: tuple[Literal[0], Literal[1]] = (0, 1)

T = TypeVar("T")


class FrameWriter:
    """The capture process's side; takes `memory` over."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._map = mmap.mmap(memory, 2 * STRIDE_BYTES)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._sequence = 0
        self._newest = 0  # which slot was written last

    def write(self, raw: RawFrame) -> None:
        """Put a frame in the place of the older one, or of the newest if the older one is being read.

        Raises:
            ValueError: the frame is larger than a slot.
        """
        if raw.data.nbytes > SLOT_BYTES:
            size = f"{raw.width_px}x{raw.height_px}"
            raise ValueError(f"a picture of {size} takes {raw.data.nbytes} bytes; at most {SLOT_BYTES} are possible")
        self._sequence += 1  # also of one that finds no slot: then it counts as dropped
        for slot in (1 - self._newest, self._newest) * _TRIES:
            with _locked(self._memory, slot) as mine:
                if mine:
                    self._fill(slot, raw)
                    self._newest = slot
                    return

    def _fill(self, slot: int, raw: RawFrame) -> None:
        start = slot * STRIDE_BYTES
        _SEQUENCE.pack_into(self._map, start, 0)
        rows, stride = raw.data.shape
        length = rows * stride
        room = self._bytes[start + PAGE_BYTES : start + PAGE_BYTES + length]
        np.copyto(room.reshape(rows, stride), raw.data)
        layout = _LAYOUTS.index(raw.layout)
        header = (self._sequence, raw.captured_ns, layout, raw.width_px, raw.height_px, stride, length)
        _HEADER.pack_into(self._map, start, *header)


class FrameReader:
    """The program's side; takes `memory` over. What it finds is not trusted: the writer may have gone mad.

    Attributes:
        memory: its file descriptor.
        dropped_frames: frames that were overwritten before they were taken.
    """

    def __init__(self, memory: int) -> None:
        self.dropped_frames = 0
        self.memory = memory
        self._map = mmap.mmap(memory, 2 * STRIDE_BYTES, prot=mmap.PROT_READ)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._sequence = 0

    def take(self, use: Callable[[RawFrame], T]) -> T | None:
        """Apply `use` to the newest frame and return its result; None if there is no newer one than the last.

        `use` is called while the frame is held and must not keep its data.

        Raises:
            ValueError: what lies there is no frame.
        """
        for slot in sorted(_SLOTS, key=self._peek, reverse=True):
            if self._peek(slot) <= self._sequence:
                return None
            with _locked(self.memory, slot) as mine:
                # What was seen without the lock only chose the slot.
                if mine and self._peek(slot) > self._sequence:
                    sequence, raw = self._frame(slot)
                    taken = use(raw)
                    self.dropped_frames += sequence - self._sequence - 1
                    self._sequence = sequence
                    return taken
        return None

    def _peek(self, slot: int) -> int:
        return int(_SEQUENCE.unpack_from(self._map, slot * STRIDE_BYTES)[0])

    def _frame(self, slot: int) -> tuple[int, RawFrame]:
        start = slot * STRIDE_BYTES
        sequence, captured_ns, layout, width, height, stride, length = _HEADER.unpack_from(self._map, start)
        if not (layout < len(_LAYOUTS) and 0 < stride <= length <= SLOT_BYTES and length % stride == 0):
            raise ValueError(f"expected a frame, got layout {layout}, stride {stride}, length {length}")
        data = self._bytes[start + PAGE_BYTES : start + PAGE_BYTES + length].reshape(-1, stride)
        return sequence, RawFrame(data, _LAYOUTS[layout], width, height, captured_ns)

    def close(self) -> None:
        """Give the memory back. Closing any descriptor of it would release this process's locks, so it is done last."""
        del self._bytes
        with suppress(BufferError):  # a traceback may still hold a view; the memory goes with it
            self._map.close()
        os.close(self.memory)


@contextmanager
def _locked(memory: int, slot: int) -> Iterator[bool]:
    """Hold a slot's lock; yields False if the other process has it."""
    try:
        fcntl.lockf(memory, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot * STRIDE_BYTES)
    except (BlockingIOError, PermissionError):
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(memory, fcntl.LOCK_UN, 1, slot * STRIDE_BYTES)
