"""One whole model is in charge, whenever the power goes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("killed_store.py")


@pytest.mark.parametrize("turns", [24, pytest.param(200, marks=pytest.mark.faults)])
def test_deaths_at_random_moments_and_in_the_middle_of_writes_leave_one_whole_model_in_charge(
    turns: int, tiny_bundle: Path, tmp_path: Path, edit_manifest: Callable[[Path, str, Any], None]
) -> None:
    bundles = []
    for version in ("1.0", "2.0", "3.0"):
        bundles.append(tmp_path / version)
        shutil.copytree(tiny_bundle, bundles[-1])
        edit_manifest(bundles[-1], "version", version)
    command = [sys.executable, "-W", "error", str(SCRIPT), str(tmp_path / "state"), str(turns), "7", *map(str, bundles)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{turns} deaths" in run.stdout
    print(run.stdout)
