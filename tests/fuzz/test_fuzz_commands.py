"""Whole commands, each a process of its own: no exit but 0, 1, 2, 3 and 130, one line, and no traceback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.harness import INPUTS, LONGEST_S, MOST_MB, TALLY, _edited
from tests.fuzz.test_fuzz_config import STATION
from tests.fuzz.test_fuzz_pictures import GOODS
from waste_edge.files.resources import shipped

EXITS = (0, 1, 2, 3, 130)
RUNS = max(1, INPUTS // 100)


def edits(generator: np.random.Generator) -> list[tuple[int, float, float, int]]:
    count = int(generator.integers(1, 6))
    return [
        (int(generator.integers(6)), float(generator.random()), float(generator.random()), int(generator.integers(256)))
        for _ in range(count)
    ]


def ask(words: list[str], folder: Path) -> tuple[int, str, float]:
    """Exit code, stderr and peak of memory in MB; fails where it hangs."""
    started = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (folder / "err").open("wb") as told:
        command = [sys.executable, "-m", "waste_edge", *words]
        child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=told, env=environment)
        peak_mb = 0.0
        while (status := child.poll()) is None:
            peak_mb = max(peak_mb, peak_of(child.pid))
            busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others' work is no hang of ours
            if time.monotonic() - started > LONGEST_S * busy:
                child.kill()
                child.wait()
                pytest.fail(f"hangs: {words}")
            time.sleep(0.01)
    TALLY.inputs += 1
    TALLY.refused += status == 2
    return status, (folder / "err").read_text(encoding="utf-8", errors="replace"), peak_mb


def peak_of(pid: int) -> float:
    """The most memory that a running process has had, in MB; 0 once it is gone.

    Not `ru_maxrss`, which begins with what the process that forked it had.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


@pytest.mark.fuzz
@pytest.mark.timeout(600 + 2 * LONGEST_S * RUNS)  # where others are busy, a command takes seconds
@pytest.mark.parametrize("kind", ["picture", "site", "station", "table"])
def test_commands(kind: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(20)
    shutil.copy(shipped("device/sites") / "four_bins.toml", tmp_path / "good.toml")
    goods = {
        "picture": GOODS,
        "site": [(tmp_path / "good.toml").read_bytes()],
        "station": [STATION],
        "table": [b"path,label\na.jpg,glass\nb.jpg,paper\n"],
    }[kind]
    words = {
        "picture": ["classify", "a.jpg"],
        "site": ["site", "check", "a.toml"],
        "station": ["run", "--config", "a.toml", "--camera", "synthetic:30", "--frames", "2", "--no-wait", "--json"],
        "table": ["data", "split", "a.csv", "--out", "split.csv"],
    }[kind]
    name = {"picture": "a.jpg", "table": "a.csv"}.get(kind, "a.toml")
    idle_mb = ask(["--version"], tmp_path)[2]
    for _ in range(RUNS):
        content = _edited(goods[int(generator.integers(len(goods)))], edits(generator))
        (tmp_path / name).write_bytes(content)
        (tmp_path / "split.csv").unlink(missing_ok=True)
        code, told, peak_mb = ask(words, tmp_path)
        assert code in EXITS, (code, told, content)
        assert "Traceback" not in told, (told, content)
        assert "internal error" not in told, (told, content)
        TALLY.most_mb = max(TALLY.most_mb, peak_mb - idle_mb)
        assert peak_mb - idle_mb < MOST_MB, (peak_mb, content)
