"""A station of the tiny bundle that is commissioned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from waste_edge.device.commission.session import Session, opened_session
from waste_edge.device.config import StationConfig


@pytest.fixture
def station(tiny_bundle: Path, tmp_path: Path) -> StationConfig:
    return StationConfig(name="Lobby, 2nd floor", bundle=str(tiny_bundle), engine="onnx", state=str(tmp_path / "state"))


@pytest.fixture
def session(station: StationConfig) -> Iterator[Session]:
    with opened_session(station, {}) as opened:
        yield opened
