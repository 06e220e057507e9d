"""The store: one whole model in charge, whatever is done to its files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.device.models.conftest import MakeVersion
from waste_edge.bundle.bundle import open_bundle, pack
from waste_edge.device.models.roles import HISTORY_NAME, ROLES_NAME
from waste_edge.device.models.store import ModelStore, in_charge
from waste_edge.errors import BundleError, ConfigError, UserError
from waste_edge.files import limits


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_empty_store_has_the_configured_bundle_in_charge(store: ModelStore) -> None:
    assert (store.current(), store.installed(), store.history(), in_charge(store)) == (None, [], [], (None, ""))
    with pytest.raises(UserError, match="none to take back"):
        store.rollback("for a test")


def test_a_model_is_copied_whole_and_what_lies_beside_it_is_not(store: ModelStore, version: MakeVersion) -> None:
    source = version("2.0")
    files = content(source)
    (source / "notes.txt").write_text("nothing the manifest vouches for")
    entry = store.add(source)
    assert store.installed() == []
    store.activate(entry, "for a test")
    assert content(store.path(entry)) == files
    assert (entry.title, store.current(), in_charge(store)) == ("tiny 2.0", entry, (entry, ""))


def test_a_zip_gives_the_same_model_as_its_folder(store: ModelStore, version: MakeVersion, tmp_path: Path) -> None:
    folder = version("2.0")
    pack(folder, tmp_path / "two.zip")
    assert store.add(folder) == store.add(tmp_path / "two.zip")


def test_rollback_gives_back_the_model_before_byte_by_byte_and_then_the_configured_one(
    store: ModelStore, version: MakeVersion
) -> None:
    first, second = store.add(version("1.0")), None
    store.activate(first, "first")
    before = content(store.path(first))
    second = store.add(version("2.0"))
    store.activate(second, "second", on_probation=True)
    assert store.roles().on_probation
    assert store.rollback("worse") == first
    assert content(store.path(first)) == before
    assert not store.roles().on_probation
    assert store.installed() == [first]
    assert store.rollback("worse, too") is None
    assert [(one.number, one.action, one.reason) for one in store.history()] == [
        (1, "activated", "first"),
        (2, "activated", "second"),
        (3, "rolled_back", "worse"),
        (4, "rolled_back", "worse, too"),
    ]


def test_it_keeps_the_current_one_the_one_before_and_a_candidate(store: ModelStore, version: MakeVersion) -> None:
    entries = [store.add(version(f"{number}.0")) for number in range(1, 2)]
    store.activate(entries[0], "first")
    for number in range(2, 5):
        entries.append(store.add(version(f"{number}.0")))
        store.activate(entries[-1], "next")
    candidate = store.add(version("9.0"))
    store.propose(candidate, "to be tried")
    folders = {path.name for path in store.folder.iterdir() if path.is_dir()}
    assert folders == {entries[-1].folder, entries[-2].folder, candidate.folder}
    store.withdraw("no better")
    assert not store.path(candidate).exists()
    store.withdraw("none is left")
    assert store.history()[-1].action == "withdrawn"


def test_an_older_version_is_refused_also_after_a_rollback(store: ModelStore, version: MakeVersion) -> None:
    one, two = version("1.9"), version("1.10")
    store.activate(store.add(two), "new")
    with open_bundle(one) as older, pytest.raises(BundleError, match=r"is version 1\.9 of tiny, and 1\.10 was in"):
        store.check_version(older)
    store.rollback("worse")
    with open_bundle(one) as older, pytest.raises(BundleError, match="--allow-older"):
        store.check_version(older)
    with open_bundle(two) as same:
        store.check_version(same)


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_model_gives_way_to_the_one_before(store: ModelStore, version: MakeVersion, damage: str) -> None:
    first, second = store.add(version("1.0")), None
    store.activate(first, "first")
    second = store.add(version("2.0"))
    store.activate(second, "second")
    network = store.path(second) / "onnx-int8.onnx"
    if damage == "missing":
        shutil.rmtree(store.path(second))
    elif damage == "cut":
        network.write_bytes(network.read_bytes()[:-1])
    else:
        content = bytearray(network.read_bytes())
        content[len(content) // 2] ^= 1
        network.write_bytes(content)
    entry, fault = in_charge(store)
    assert entry == first
    assert second.folder in fault
    with pytest.raises(BundleError):
        store.activate(second, "again")
    again = store.add(version("2.0-again"))
    assert again.folder != second.folder


def test_a_damaged_model_is_installed_again_from_its_source(store: ModelStore, version: MakeVersion) -> None:
    source = version("2.0")
    entry = store.add(source)
    store.activate(entry, "new")
    (store.path(entry) / "golden.npz").write_bytes(b"")
    assert in_charge(store)[0] is None
    assert store.add(source) == entry
    assert in_charge(store) == (entry, "")


def test_damaged_roles_leave_the_configured_bundle_in_charge_and_say_so(store: ModelStore) -> None:
    store.folder.mkdir(parents=True)
    (store.folder / ROLES_NAME).write_text('{"schema": 1, "current"')
    entry, fault = in_charge(store)
    assert entry is None
    assert ROLES_NAME in fault
    with pytest.raises(ConfigError, match="remove the file and install a model again"):
        store.current()


def test_a_folder_in_the_roles_cannot_lead_out_of_the_store(store: ModelStore, version: MakeVersion) -> None:
    store.activate(store.add(version("1.0")), "first")
    path = store.folder / ROLES_NAME
    path.write_text(path.read_text().replace('"folder": "tiny', '"folder": "../tiny'))
    with pytest.raises(ConfigError, match="must be a plain name"):
        store.roles()


def test_another_process_that_holds_the_lock_is_not_waited_for_long(store: ModelStore, version: MakeVersion) -> None:
    entry = store.add(version("1.0"))
    with store._locked(), pytest.raises(UserError, match="another process is changing it"):
        store.activate(entry, "meanwhile")
    assert store.current() is None


def test_what_a_killed_copy_left_behind_is_removed_and_a_running_one_is_not(
    store: ModelStore, version: MakeVersion
) -> None:
    store.folder.mkdir(parents=True)
    left = store.folder / ".copying-left"
    left.mkdir()
    with store.scratch() as running:
        store.activate(store.add(version("1.0")), "first")
        assert running.is_dir()
    assert not left.exists()
    assert not running.exists()


def test_a_history_that_lost_its_last_line_gets_it_back(store: ModelStore, version: MakeVersion) -> None:
    for number in ("1.0", "2.0", "3.0"):
        store.activate(store.add(version(number)), number)
    path = store.folder / HISTORY_NAME
    path.write_bytes(path.read_bytes()[:-20])
    assert [one.reason for one in store.history()] == ["1.0", "2.0", "3.0"]
    store.rollback("worse")
    assert [one.number for one in store.history()] == [1, 2, 3, 4]


def test_a_clock_that_jumps_back_by_years_changes_no_order(
    store: ModelStore, version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    from waste_edge.device.models import roles

    first, second = store.add(version("1.0")), None
    store.activate(first, "first")

    class Past:
        @staticmethod
        def now(zone: object) -> datetime:
            return datetime(1970, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(roles, "datetime", Past)
    second = store.add(version("2.0"))
    store.activate(second, "second")
    monkeypatch.undo()
    assert [one.reason for one in store.history()] == ["first", "second"]
    assert store.history()[1].time_utc < store.history()[0].time_utc
    assert store.rollback("worse") == first


def test_the_history_is_bounded(store: ModelStore, version: MakeVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    from waste_edge.device.models import roles

    assert limits.MAX_MODEL_HISTORY_BYTES == roles.MAX_MODEL_HISTORY_BYTES
    monkeypatch.setattr(roles, "MAX_MODEL_HISTORY_BYTES", 2_000)
    entry = store.add(version("1.0"))
    for number in range(20):
        store.activate(entry, f"time {number}")
    assert (store.folder / HISTORY_NAME).stat().st_size <= 2_000
    assert store.history()[-1].number == 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, version: MakeVersion) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    with pytest.raises(UserError, match="cannot be written"):
        ModelStore(state).add(version("1.0"))
