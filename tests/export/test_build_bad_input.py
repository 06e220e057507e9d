"""What an export refuses: one clear line, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.conftest import Chain, command_line

# Runs waste-edge in a process whose disk is full once `{function}` has been called {calls} times.
FULL_DISK = """
import errno, os, pathlib, sys
from waste_edge.cli.main import main
calls, honest = [], {function}
def full_disk(*arguments, **options):
    calls.append(arguments)
    if len(calls) >= {calls}:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return honest(*arguments, **options)
{function} = full_disk
main(sys.argv[1:])
"""


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says why."""
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return next(line for line in done.stderr.splitlines() if line.startswith("waste-edge: "))


def test_a_run_of_another_version(chain: Chain, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "bundle"
    shutil.copytree(chain.student, run)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "schema": 2}))
    line = refused(command_line("export", run, "--data", chain.data, "--out", out, "--recipe", chain.export_recipe))
    assert "run.json" in line
    assert "was it made by another version of waste-edge?" in line
    assert not out.exists()


def test_labels_that_do_not_match_the_outputs(chain: Chain, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "bundle"
    shutil.copytree(chain.student, run)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "labels": [*facts["labels"], "yellow"]}))
    line = refused(command_line("export", run, "--data", chain.data, "--out", out, "--recipe", chain.export_recipe))
    assert "model.safetensors: does not fit" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("function", "calls", "out"),
    [
        pytest.param("os.fsync", 1, "bundle", id="the first file"),
        pytest.param("os.fsync", 7, "bundle", id="the manifest", marks=pytest.mark.long),
        pytest.param("os.fsync", 8, "b.zip", id="the zip", marks=pytest.mark.long),
        pytest.param("pathlib.Path.write_bytes", 1, "b.zip", id="a temporary file"),
    ],
)
def test_a_disk_that_fills(chain: Chain, tmp_path: Path, function: str, calls: int, out: str) -> None:
    target, scratch = tmp_path / "target" / out, tmp_path / "scratch"
    scratch.mkdir()
    arguments = ("export", chain.student, "--data", chain.data, "--out", target, "--recipe", chain.export_recipe)
    command = [sys.executable, "-c", FULL_DISK.format(function=function, calls=calls), *map(str, arguments)]
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    line = refused(subprocess.run(command, capture_output=True, text=True, check=False, env=environment))
    assert "cannot be written (No space left on device)" in line
    assert not (tmp_path / "target").exists() or not any((tmp_path / "target").iterdir())
    assert not any(path.name.startswith("waste-edge") for path in scratch.iterdir())
