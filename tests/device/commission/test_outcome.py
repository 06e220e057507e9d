"""What a fit costs beside a running station: memory and time, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from waste_edge.bundle.bundle import find_bundle

MOST_MB, MOST_S = 60.0, 3.0  # issue: above the station; of processor time
_CHILD = """
import json, sys, time
from pathlib import Path
import numpy as np
from waste_edge.device.commission.outcome import evaluate
from waste_edge.device.commission.records import Answer, Picture
from waste_edge.device.commission.session import opened_session
from waste_edge.device.config import StationConfig

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

with opened_session(StationConfig(bundle=sys.argv[1], state=sys.argv[2]), {}) as session:
    manifest, rng = session.bundle.manifest, np.random.default_rng(5)
    shutter = session.shutter(live=False)
    shutter.picture(rng.integers(0, 255, (240, 320, 3), np.uint8), "the network has been asked once")
    labels = manifest.labels
    means = rng.normal(2.0, 1.0, (len(labels), manifest.features)).clip(0)
    for number in range(60):
        label = number % len(labels)
        answers = []
        for look in range(2):
            features = (means[label] + rng.normal(0, 0.8, manifest.features)).clip(0)
            answers.append(Answer(rng.normal(0, 1, len(labels)).astype(np.float32), features.astype(np.float32)))
        session.records.add(labels[label], answers, Picture(source=str(number)))
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    reset = memory("VmHWM")
    began = time.process_time()
    outcome = evaluate(session.records, session.bundle, session.site)
    seconds = time.process_time() - began
    found = {"before": before, "reset": reset, "peak": memory("VmHWM"), "seconds": seconds}
    print(json.dumps(found | {"items": outcome.assessment.items, "features": manifest.features}))
"""


@pytest.mark.alone
def test_a_fit_to_60_items_takes_few_megabytes_above_the_station(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _CHILD, str(find_bundle("accurate")), str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "clear_refs" in done.stderr:
        pytest.skip("the kernel does not let a process forget its peak of memory")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["items"], found["features"]) == (60, 1280)
    assert found["reset"] <= found["before"] + 2, "the peak is that of the fit alone"
    print(f"above the station: {found['peak'] - found['before']:.1f} MB, {found['seconds']:.2f} s")
    assert found["peak"] - found["before"] <= MOST_MB
    assert found["seconds"] <= MOST_S
