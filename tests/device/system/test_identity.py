"""Installations have ids of their own; cards that were copied are noticed."""

from __future__ import annotations

import pytest

from waste_edge.device.system.condition import Level
from waste_edge.device.system.identity import (
    BOARD_NAME,
    INSTALLATION_NAME,
    accept_board,
    board_condition,
    board_id,
    installation_id,
    read_installation_id,
)


@pytest.fixture
def board(tmp_path):
    """A root whose board has this serial number, or only a machine id."""

    def board_(serial: str = "", machine: str = "0123456789abcdef0123456789abcdef"):
        root = tmp_path / f"root-{serial or machine[:4]}"
        for name, text in (("proc/device-tree/serial-number", serial), ("etc/machine-id", machine)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if text:
                (root / name).write_text(f"{text}\0\n")
        return root

    return board_


@pytest.fixture
def state(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def test_an_installation_is_drawn_once_and_stays(state, board):
    drawn = installation_id(state, board("a1"))
    assert len(drawn) == 12
    assert int(drawn, 16) >= 0
    assert installation_id(state, board("b2")) == read_installation_id(state) == drawn
    assert board_condition(state, board("a1")).level is Level.OK


def test_two_folders_of_one_board_are_two_installations(tmp_path, board):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    assert installation_id(tmp_path / "one", board("a1")) != installation_id(tmp_path / "other", board("a1"))


@pytest.mark.parametrize("damaged", ["", "no id", "0123", "g" * 12])
def test_a_damaged_id_is_drawn_anew(state, board, damaged):
    (state / INSTALLATION_NAME).write_text(damaged)
    assert read_installation_id(state) == ""
    assert installation_id(state, board("a1")) == read_installation_id(state) != ""


def test_a_folder_that_cannot_be_written_gives_the_same_id_each_time(tmp_path, board):
    (tmp_path / "file").touch()
    nowhere = tmp_path / "file" / "state"
    assert installation_id(nowhere, board("a1")) == installation_id(nowhere, board("a1"))
    assert installation_id(nowhere, board("a1")) != installation_id(nowhere, board("b2"))


def test_a_copied_card_is_noticed_and_both_ways_out_of_it_end_the_warning(state, board):
    drawn = installation_id(state, board("a1"))
    condition = board_condition(state, board("b2"))
    assert condition.level is Level.WARN
    assert f"remove {state / INSTALLATION_NAME} and {state / BOARD_NAME} here" in condition.text
    (state / BOARD_NAME).unlink()  # this board took the other's place
    accept_board(state, board("b2"))
    assert board_condition(state, board("b2")).level is Level.OK
    assert installation_id(state, board("b2")) == drawn
    for name in (INSTALLATION_NAME, BOARD_NAME):  # it was copied
        (state / name).unlink()
    assert installation_id(state, board("c3")) != drawn
    assert board_condition(state, board("c3")).level is Level.OK


def test_a_board_without_a_serial_number_is_known_by_its_machine_id(board):
    assert board_id(board()) not in ("", board_id(board(machine="f" * 32)))
    assert board_id(board("a1")) == board_id(board("a1", "f" * 32))
    assert board_id(board("", "")) == ""


def test_a_board_that_has_no_number_is_never_doubted(state, board):
    installation_id(state, board("", ""))
    assert board_condition(state, board("b2")).level is Level.OK
