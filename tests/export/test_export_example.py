"""`examples/distil_and_export.py`, from the teacher of this folder's chain; its parts are tested in every run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.conftest import Chain
from waste_edge.bundle.bundle import open_bundle

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "distil_and_export.py"
QUICK = (
    "input.width_px=48", "input.height_px=48", "fit.epochs=2", "fit.batch_size=16", "rendered.views_per_label=0",
)  # fmt: skip


@pytest.mark.long
def test_a_teacher_is_distilled_exported_and_scored(chain: Chain, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAM), str(chain.teacher), str(chain.data), "my-bundle"]
    command += [str(chain.export_recipe), *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "my-bundle: " in done.stdout
    with open_bundle(tmp_path / "my-bundle") as bundle:
        assert set(bundle.manifest.labels) == {"red", "green", "blue"}
        assert bundle.manifest.licence == "CC-BY-4.0"
