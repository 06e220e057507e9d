"""What a station is called at the broker is decided once, and copied with no card."""

from __future__ import annotations

import pytest

from waste_edge.device.sinks.mqtt.memory import NAME, Memory
from waste_edge.device.sinks.mqtt.topics import Naming, naming_by_name, naming_of
from waste_edge.device.system.identity import read_installation_id


@pytest.fixture
def state(tmp_path):
    return tmp_path


def test_a_new_station_is_named_by_its_installation_whatever_it_is_called(state):
    named = Memory(state, "bin 1").naming(told_before=False)
    installation = read_installation_id(state)
    assert named == naming_of(installation) == Naming(f"waste-edge/{installation}", f"waste-edge_{installation}")
    assert Memory(state, "another name").naming(told_before=True) == named


def test_a_station_that_told_events_under_its_name_keeps_that_through_a_new_name(state):
    assert Memory(state, "bin-1").naming(told_before=True) == Naming("waste-edge/bin-1", "waste-edge_bin-1")
    assert Memory(state, "bin-2").naming(told_before=True) == naming_by_name("bin-1")


def test_without_the_memory_it_is_named_by_the_installation(state):
    Memory(state, "bin-1").naming(told_before=True)
    (state / NAME).unlink()
    assert Memory(state, "bin-1").naming(told_before=True) == naming_of(read_installation_id(state))


def test_a_copied_memory_is_left_alone_once_the_copy_has_an_id_of_its_own(state):
    memory = Memory(state, "bin-1")
    named = memory.naming(told_before=False)
    memory.announce({"homeassistant/device/x/config": {"items": "sensor"}})
    (state / "installation-id").unlink()
    copy = Memory(state, "bin-1")
    assert copy.look() is None
    assert copy.naming(told_before=True) != named
    assert copy.announced == {}


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"installation": 1}', b"\xff\xfe", b'{"topic": "a/#"}'])
def test_a_damaged_memory_is_none(state, damaged):
    (state / NAME).write_bytes(damaged)
    named = Memory(state, "bin-1").naming(told_before=True)
    assert named == naming_of(read_installation_id(state))
    assert Memory(state, "bin-1").look() == named


def test_announcements_are_kept(state):
    memory = Memory(state, "bin-1")
    memory.naming(told_before=False)
    memory.announce({"a/config": {"items": "sensor"}})
    again = Memory(state, "bin-1")
    again.naming(told_before=False)
    assert again.announced == {"a/config": {"items": "sensor"}}


def test_a_folder_that_cannot_be_written_still_gives_names(tmp_path):
    (tmp_path / "file").touch()
    nowhere = tmp_path / "file" / "state"
    assert Memory(nowhere, "bin-1").naming(told_before=False) == Memory(nowhere, "bin-1").naming(told_before=False)
