"""Power cuts: copies of the database whose log ends anywhere lose only what was not committed by then."""

from __future__ import annotations

import random
import shutil

import pytest

from tests.device.conftest import FakeClock
from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.system.condition import Level

pytestmark = pytest.mark.faults
CUTS = 200


def test_a_log_cut_at_200_random_offsets_loses_only_what_came_after(tmp_path):
    path, log = tmp_path / "outbox.sqlite", tmp_path / "outbox.sqlite-wal"
    outbox = Outbox(path, "bin-3", FakeClock(), FakeWall())
    ends = []  # where the log ended after each commit, tables and all before the first
    for number in range(60):
        outbox.commit(make_event(number), scene_of(number))
        ends.append(log.stat().st_size)
    assert ends == sorted(set(ends)), "the log was not written back in between"
    copy = tmp_path / "copy"
    copy.mkdir()
    randomly = random.Random(5)
    for _ in range(CUTS):
        cut = randomly.randint(0, ends[-1])
        shutil.copy(path, copy / path.name)
        (copy / log.name).write_bytes(log.read_bytes()[:cut])
        (copy / f"{path.name}-shm").unlink(missing_ok=True)
        committed = sum(end <= cut for end in ends)
        again = Outbox(copy / path.name, "bin-3", FakeClock(), FakeWall())
        assert again.condition().level is Level.OK
        kept = [record.id for record in again.reader("any").pending(1_000)]
        if not committed:  # the first commit lies where opening had logged more, so that its end is not seen
            committed = min(len(kept), 1)
        assert kept == [id_of(number) for number in range(committed)]
        assert again.scene() == (scene_of(committed - 1) if committed else None)
        assert again.commit(make_event(1_000), b"").sequence == committed + 1
        again.close()
    outbox.close()


def scene_of(number: int) -> bytes:
    return bytes([number]) * 5_000
