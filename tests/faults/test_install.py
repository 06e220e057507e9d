"""A card that fills up while something is installed or set up on it: a real small disk, a real venv and pip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.faults.conftest import Disk
from waste_edge.device.service import environments as room
from waste_edge.device.service.environments import Environments, Source
from waste_edge.errors import UserError

pytestmark = pytest.mark.faults
NAME = "waste_edge-1.0"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A wheel of ours that brings 80 MB, which no compression makes smaller."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = f"{NAME}.dist-info"
    with zipfile.ZipFile(folder / f"{NAME}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("waste_edge/__init__.py", "")
        for number in range(8):
            wheel.writestr(f"waste_edge/{number}.bin", os.urandom(10_000_000))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: waste-edge\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.mark.parametrize("megabytes", [4, 60], ids=["in venv", "in pip"])
def test_an_installation_on_a_card_that_fills_leaves_nothing(
    disk: Disk, wheels: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int
) -> None:
    """What looks for room before is switched off: others may write while an installation runs."""
    disk.make_tmpfs(megabytes)
    monkeypatch.setattr(room, "check_room", lambda folder: None)
    free = shutil.disk_usage(disk.path).free
    environments = Environments(disk.path / "home")
    with pytest.raises(UserError, match="venv-1: no space left on this disk; nothing of it stays; free some") as told:
        environments.make(Source(wheels))
    assert "\n" not in str(told.value)
    assert list(environments.home.iterdir()) == []
    assert environments.in_use() is None
    assert free - shutil.disk_usage(disk.path).free < 100_000


def test_a_setup_on_a_full_card_writes_nothing(disk: Disk) -> None:
    disk.make_tmpfs(1)
    path = disk.path / "station.toml"
    words = ["--config", str(path), "--yes", "--no-doctor", "--camera", "synthetic"]
    command = [sys.executable, "-m", "waste_edge", "setup", *words]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    before = path.read_bytes()
    disk.fill()
    done = subprocess.run(
        [*command, "--page", "network", "--name", "x" * 200], capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "cannot be written" in done.stderr
    assert path.read_bytes() == before
    assert {one.name for one in disk.path.iterdir()} == {"station.toml", "state", "filling"}
