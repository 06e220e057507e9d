"""The station's folder as verbs beside it find it."""

from __future__ import annotations

from pathlib import Path

import pytest

from waste_edge.device.service import find_state as module
from waste_edge.device.service.find_state import find_state
from waste_edge.errors import DataError, UserError


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "SERVICE_STATE", tmp_path / "none")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def write(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_named_folder_needs_no_configuration(tmp_path: Path) -> None:
    assert find_state(tmp_path, None) == (tmp_path, None)


def test_a_configuration_names_its_folder_and_an_option_wins(tmp_path: Path) -> None:
    config = write(tmp_path, 'state = "here"\n')
    folder, station = find_state(None, config)
    assert folder == tmp_path / "here"
    assert station is not None
    assert find_state(tmp_path / "there", config)[0] == tmp_path / "there"


def test_the_service_s_folder_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no station is installed here"):
        find_state(None, None)
    config = write(tmp_path, 'name = "bin"\n')
    with pytest.raises(DataError, match="has no `state`"):
        find_state(None, config)
    monkeypatch.setattr(module, "SERVICE_STATE", tmp_path)
    assert find_state(None, None) == (tmp_path, None)
    assert find_state(None, config)[0] == tmp_path
