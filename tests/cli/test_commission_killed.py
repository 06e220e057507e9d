"""`waste-edge commission` killed while it works: what was told as kept is kept, and one whole model is in charge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.device.commission.pictures import write_site
from waste_edge.device.commission import FOLDER
from waste_edge.device.commission.records import BUILDING, SHOTS_NAME
from waste_edge.device.models.store import ModelStore, in_charge

pytestmark = pytest.mark.long

ITEMS = 6  # of each of three labels


def killed_at(command: list[str], event: str, count: int) -> list[dict[str, Any]]:
    """Kill it when it has told of that event so often; gives the lines until then."""
    told: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(json.loads(line))
            if sum(one["event"] == event for one in told) == count:
                process.kill()
                break
    assert process.returncode == -9
    return told


def test_each_item_that_was_told_is_there_after_a_sigkill_and_it_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    state, shots = tmp_path / "state", write_site(tmp_path / "shots", ITEMS)
    command = [sys.executable, "-m", "waste_edge", "commission", "--state", str(state), "--bundle", str(tiny_bundle)]
    command += ["--shots", str(shots), "--install", "--json"]
    kept = 0
    for count in (5, 11):
        told = killed_at(command, "shot", count)
        items = [line["item"] for line in told if line["event"] == "shot" and line["item"]]
        lines = (state / FOLDER / SHOTS_NAME).read_bytes().splitlines()
        there = {json.loads(line)["item"] for line in lines if line.endswith(b"}")}
        assert there >= {*range(1, kept + 1), *items}
        kept = max(items, default=kept)
    killed_at(command, "state", 2)  # it has begun to make the bundle
    entry, fault = in_charge(ModelStore(state))
    assert (fault, entry is None or entry.version == "1.0.1") == ("", True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    entry, fault = in_charge(ModelStore(state))
    assert (fault, entry is not None and entry.digest) == ("", last["installed"]["digest"])
    numbers = [json.loads(line)["item"] for line in (state / FOLDER / SHOTS_NAME).read_bytes().splitlines()]
    assert sorted(set(numbers)) == list(range(1, 3 * ITEMS + 1)), "every picture once, whole"
    assert not list((state / FOLDER).glob(f"{BUILDING}*")), "what the dead left behind is gone"
