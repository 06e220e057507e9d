"""Boards that stand still, and a bench whose time passes only while it works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.device.boards import HEALTHY_PI5
from waste_edge.device.system.board import Board


@pytest.fixture
def calm(tmp_path: Path) -> Board:
    """A healthy Pi 5 that tells of no load: what this machine does besides disturbs no test."""
    return Board(HEALTHY_PI5.make(tmp_path / "calm"))


@pytest.fixture
def warm_pi(tmp_path: Path) -> Board:
    return Board(replace(HEALTHY_PI5, temperature_c=82.0).make(tmp_path / "warm"))
