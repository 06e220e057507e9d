"""SIGKILL at 200 random moments: what was committed is told, and told once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]


def test_every_event_committed_between_200_kills_is_in_the_file_once(tmp_path):
    command = [sys.executable, "-m", "tests.faults.killed_station", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    said = (tmp_path / "said").read_text().split()
    files = sorted(tmp_path.glob("events.jsonl.*"), key=lambda path: -int(path.suffix[1:]))
    lines = [json.loads(line) for path in (*files, tmp_path / "events.jsonl") for line in path.read_text().splitlines()]
    told = [line["id"] for line in lines if line["kind"] == "event"]
    sequences = [line["sequence"] for line in lines if line["kind"] == "event"]
    assert len(said) > 200, "hardly anything was committed before the kills"
    assert len(files) > 3, "nothing was rotated"
    assert len(told) == len(set(told)), "an event was told twice"
    assert set(said) <= set(told), "a committed event was not told"
    assert sequences == list(range(1, len(told) + 1))
