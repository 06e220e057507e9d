"""The double buffer between two processes: newest frame, no torn frame, no trust."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from waste_edge.device.cameras.camera import RawFrame, packed
from waste_edge.device.cameras.process.memory import SLOT_BYTES, create_memory
from waste_edge.device.cameras.process.shared import FrameReader, FrameWriter
from waste_edge.device.capture.convert import frame_of


@pytest.fixture
def memory():
    descriptor = create_memory()
    yield os.dup(descriptor)  # each side takes one over
    os.close(descriptor)


def raw(number: int, width: int = 4, height: int = 3) -> RawFrame:
    return packed(np.full((height, width, 3), number % 256, np.uint8), "rgb", number)


def number_of(frame: RawFrame) -> int:
    assert (frame.data == frame.captured_ns % 256).all()
    return frame.captured_ns


def test_the_newest_frame_is_taken_once_and_the_older_are_counted(memory):
    writer, reader = FrameWriter(memory), FrameReader(memory)
    assert reader.take(number_of) is None
    for number in (1, 2, 3):
        writer.write(raw(number))
    assert reader.take(number_of) == 3
    assert reader.take(number_of) is None
    assert reader.dropped_frames == 2
    writer.write(raw(4))
    assert (reader.take(number_of), reader.dropped_frames) == (4, 2)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (641, 479), (3840, 2160), (2, 16384)])
def test_any_size_passes_and_sizes_may_change(memory, width, height):
    writer, reader = FrameWriter(memory), FrameReader(memory)
    writer.write(raw(1))
    writer.write(raw(7, width, height))
    taken = reader.take(frame_of)
    assert taken.pixels.shape == (height, width, 3)
    assert (taken.pixels == 7).all()


def test_rows_with_padding_lose_it_on_the_way_and_odd_strides_pass(memory):
    pixels = np.arange(5 * 24, dtype=np.uint8).reshape(5, 24)  # 7 pixels of 3 bytes, 3 bytes of padding
    writer, reader = FrameWriter(memory), FrameReader(memory)
    writer.write(RawFrame(pixels, "bgr", 7, 5, 1))
    assert np.array_equal(reader.take(frame_of).pixels, pixels[:, :21].reshape(5, 7, 3)[..., ::-1])


def test_a_frame_beyond_the_maximum_is_refused_with_both_sizes(memory):
    with pytest.raises(ValueError, match=f"16384x700 takes 34406400 bytes; at most {SLOT_BYTES} are possible"):
        FrameWriter(memory).write(raw(1, 16384, 700))


def test_nobody_can_cut_the_memory_short(memory):
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 0)


def written(memory: int, **changes: int) -> None:
    """Write a frame, then spoil its header."""
    FrameWriter(memory).write(raw(1))
    view = mmap.mmap(memory, 0)
    start = 4096 + SLOT_BYTES  # the first frame goes into the second slot
    names = ("sequence", "captured_ns", "layout", "width", "height", "stride", "length")
    header = dict(zip(names, struct.unpack_from("<QqIIIIQ", view, start), strict=True))
    struct.pack_into("<QqIIIIQ", view, start, *(header | changes).values())


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": 3}, {"layout": 2**32 - 1}, {"width": 0}, {"width": 5}, {"height": 4}, {"height": 2**32 - 1},
        {"stride": 0}, {"stride": 11, "length": 33}, {"length": 35}, {"length": 2**63}, {"length": SLOT_BYTES + 12},
        {"layout": 2}, {"width": 2**31, "stride": 2**31, "length": 2**31},
    ],
    ids=str,
)  # fmt: skip
def test_a_header_that_is_garbage_is_refused(memory, changes):
    written(memory, **changes)
    with pytest.raises(ValueError, match=r"expected|needs"):
        FrameReader(memory).take(frame_of)


def test_half_a_frame_is_no_frame(memory):
    written(memory, sequence=0)  # as it is until the last byte of the picture is written
    assert FrameReader(memory).take(frame_of) is None


LOCKER = """
import fcntl, sys, time
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX, 1, int(sys.argv[2]))
print("locked", flush=True)
time.sleep(60)
"""


def test_a_slot_that_is_held_is_passed_over_and_comes_free_with_its_holders_death(memory):
    writer, reader = FrameWriter(memory), FrameReader(memory)
    writer.write(raw(1))
    writer.write(raw(2))  # in the first slot
    command = [sys.executable, "-c", LOCKER, str(memory), "0"]
    with subprocess.Popen(command, pass_fds=[memory], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        assert reader.take(number_of) == 1, "the older one is whole"
        writer.write(raw(3))
        writer.write(raw(4))  # over 3, since the other slot is being read
        assert reader.take(number_of) == 4
        holder.kill()
    writer.write(raw(5))
    writer.write(raw(6))
    assert reader.take(number_of) == 6
    fcntl.lockf(memory, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds anything


HAMMER = """
import sys, time
import numpy as np
from waste_edge.device.cameras.camera import packed
from waste_edge.device.cameras.process.shared import FrameWriter
writer = FrameWriter(int(sys.argv[1]))
until = time.monotonic() + float(sys.argv[2])
number = 0
while time.monotonic() < until:
    number += 1
    side = 40 + number % 97  # sizes change all the time
    writer.write(packed(np.full((side, side + 1, 3), number % 251, np.uint8), "bgr", number))
print(number)
"""


def test_a_hammered_buffer_gives_no_torn_frame(memory):
    reader = FrameReader(memory)
    command = [sys.executable, "-c", HAMMER, str(memory), "2.0"]
    taken: list[int] = []
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    with subprocess.Popen(command, pass_fds=[memory], stdout=subprocess.PIPE, env=environment) as writer:
        deadline = time.monotonic() + 60
        while writer.poll() is None and time.monotonic() < deadline:
            if (frame := reader.take(frame_of)) is not None:
                number = frame.captured_ns
                side = 40 + number % 97
                assert frame.pixels.shape == (side, side + 1, 3)
                assert frame.pixels.min() == frame.pixels.max() == number % 251
                taken.append(number)
        written = int(writer.stdout.read())
    if (frame := reader.take(frame_of)) is not None:
        taken.append(frame.captured_ns)
    print(f"{written} frames written, {len(taken)} taken whole")
    assert taken == sorted(set(taken)), "never an older one, never one twice"
    assert len(taken) > 50
    assert taken[-1] == written
    assert len(taken) + reader.dropped_frames == written
