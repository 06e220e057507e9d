"""Records of what was shown: resumed after any stop, whole after a cut write, refused where they do not belong."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.commission import records as module
from waste_edge.device.commission.records import Answer, Picture, opened_records
from waste_edge.errors import ConfigError, UserError


def answer(value: float) -> Answer:
    return Answer(np.full(3, value, np.float32), np.array([value, 1, 2], np.float32))


def test_what_was_shown_is_there_again(opened_tiny: Bundle, tmp_path: Path) -> None:
    with opened_records(tmp_path, opened_tiny, {}) as records:
        assert records.add("red", [answer(1), answer(2)], Picture(source="a.png", hash="ff" * 16)) == 1
        assert records.add("red", [answer(3)], Picture(source="b.png", again=1)) == 1
        assert records.add("unknown", [answer(4)], Picture(source="hand")) == 2
    with opened_records(tmp_path, opened_tiny, {}) as records:
        known, strangers = records.known(), records.strangers()
        assert known.item.tolist() == [1, 1, 1]
        np.testing.assert_allclose(known.features[:, 0], [1, 2, 3])
        assert strangers is not None
        assert strangers.logits.shape == (1, 3)
        assert (records.items("red"), records.items("unknown"), records.items("blue")) == (1, 1, 0)
        assert list(records.hashes()) == [0], "of the first look alone"


def test_the_last_item_is_taken_back_with_all_of_its_shots(opened_tiny: Bundle, tmp_path: Path) -> None:
    with opened_records(tmp_path, opened_tiny, {}) as records:
        records.add("red", [answer(1)], Picture(source="a"))
        records.add("blue", [answer(2), answer(3)], Picture(source="b"))
        assert records.undo() is not None
    with opened_records(tmp_path, opened_tiny, {}) as records:
        assert [shot.label for shot in records.shots] == ["red"]
        records.undo()
        assert records.undo() is None


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_line_that_a_power_cut_left_half_written_is_dropped(opened_tiny: Bundle, tmp_path: Path, cut: int) -> None:
    with opened_records(tmp_path, opened_tiny, {}) as records:
        records.add("red", [answer(1)], Picture(source="a"))
        records.add("blue", [answer(2)], Picture(source="b"))
    path = tmp_path / "commission" / "shots.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with opened_records(tmp_path, opened_tiny, {}) as records:
        assert [shot.label for shot in records.shots] == ["red"]
        records.add("green", [answer(2)], Picture(source="c"))
    with opened_records(tmp_path, opened_tiny, {}) as records:
        assert [shot.label for shot in records.shots] == ["red", "green"]


@pytest.mark.parametrize("line", [b"{}\n", b"no json\n", b"\xff\n"])
def test_damaged_records_are_said_with_the_line(opened_tiny: Bundle, tmp_path: Path, line: bytes) -> None:
    with opened_records(tmp_path, opened_tiny, {}) as records:
        records.add("red", [answer(1)], Picture(source="a"))
    path = tmp_path / "commission" / "shots.jsonl"
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(ConfigError, match=r"line 2 is damaged"), opened_records(tmp_path, opened_tiny, {}):
        pass
    with opened_records(tmp_path, opened_tiny, {}, restart=True) as records:
        assert records.shots == []


def test_a_full_disk_leaves_what_was_shown_before(
    opened_tiny: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_records(tmp_path, opened_tiny, {}) as records:
        records.add("red", [answer(1)], Picture(source="a"))

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(module.os, "fsync", full)
        with pytest.raises(UserError, match="free some space and go on"):
            records.add("blue", [answer(2)], Picture(source="b"))
        monkeypatch.undo()
    with opened_records(tmp_path, opened_tiny, {}) as records:
        assert [shot.label for shot in records.shots] == ["red"]


def test_one_process_at_a_time(opened_tiny: Bundle, tmp_path: Path) -> None:
    with (
        opened_records(tmp_path, opened_tiny, {}),
        pytest.raises(UserError, match="another process"),
        opened_records(tmp_path, opened_tiny, {}),
    ):
        pass


def test_records_of_another_bundle_are_not_gone_on_with(
    opened_tiny: Bundle, bundle_copy: Path, edit_manifest: Any, tmp_path: Path
) -> None:
    from waste_edge.bundle.bundle import open_bundle

    with opened_records(tmp_path, opened_tiny, {}):
        pass
    edit_manifest(bundle_copy, "version", "9")
    with (
        open_bundle(bundle_copy) as other,
        pytest.raises(ConfigError, match=r"was begun with tiny 1\.0.* starts from tiny 9"),
        opened_records(tmp_path, other, {}),
    ):
        pass


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"red": "blue"}, "is a label of tiny"),
        ({"cup": "foam"}, "has no label 'foam'"),
        ({"unknown": "red"}, "reserved"),
    ],
)
def test_own_labels_that_cannot_be(opened_tiny: Bundle, tmp_path: Path, own: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"--own .*{message}"), opened_records(tmp_path, opened_tiny, own):
        pass


def test_own_labels_stay(opened_tiny: Bundle, tmp_path: Path) -> None:
    for own in ({"cup": "red"}, {}):
        with opened_records(tmp_path, opened_tiny, own) as records:
            assert records.setup.all_labels[-1] == "cup"
