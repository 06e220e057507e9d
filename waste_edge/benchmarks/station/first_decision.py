"""A fresh process to its first decision, and what it then takes of the memory.

`python -m waste_edge.benchmarks.station.first_decision BUNDLE DIGEST ARTIFACT ENGINE THREADS` opens a bundle, loads
that network, renders nothing and waits for no camera: one picture of the size a camera gives is classified, and the
answer written. The files are in the page cache, as after a service's restart; a board that boots has to read them from
its card, too.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from waste_edge.benchmarks.schema import Start
from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.names import AUTO, EngineName
from waste_edge.errors import EngineError
from waste_edge.files.strict import Strict
from waste_edge.libraries import ONE_THREAD

_INFERENCES = 20  # before the memory is looked at: engines allocate on the first ones
_TIMEOUT_S = 120


class Taken(Strict, frozen=True):
    """The process's memory in millions of bytes; None where the kernel does not tell."""

    rss_mb: float | None
    pss_mb: float | None
    peak_rss_mb: float | None


def time_starts(bundle: Bundle, artifact: ArtifactName, threads: int, starts: int, engine: EngineName = AUTO) -> Start:
    """Start so many processes, one after the other.

    Args:
        bundle, artifact, threads: what each of them loads.
        starts: how many.
        engine: that runs it; `auto`: the package's own.

    Raises:
        EngineError: one of them did not come to a decision.
    """
    times_ms, taken = [], []
    for _ in range(starts):
        waited_ms, memory = _one(bundle, artifact, threads, engine)
        times_ms.append(waited_ms)
        taken.append(memory)
    last = taken[-1]
    return Start(
        starts=starts,
        first_decision_ms=statistics.median(times_ms),
        rss_mb=last.rss_mb,
        pss_mb=last.pss_mb,
        peak_rss_mb=last.peak_rss_mb,
    )


def _one(bundle: Bundle, artifact: ArtifactName, threads: int, engine: EngineName) -> tuple[float, Taken]:
    import msgspec

    words = (str(bundle.source), bundle.digest, artifact, engine, str(threads))
    command = [sys.executable, "-m", "waste_edge.benchmarks.station.first_decision", *words]
    environment = ONE_THREAD | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    started_ns = time.perf_counter_ns()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        label = process.stdout.readline()
        waited_ms = (time.perf_counter_ns() - started_ns) / 1e6
        try:
            rest, _ = process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if process.returncode != 0 or not label.strip():
        raise EngineError(f"{bundle.source}: a fresh process with {artifact} came to no decision ({' '.join(command)})")
    return waited_ms, msgspec.json.decode(rest, type=Taken)


def taken_by_this_process() -> Taken:
    """Resources of this process, from /proc/self."""
    status, rollup = _read("status"), _read("smaps_rollup")
    return Taken(rss_mb=_mb(status, "VmRSS"), pss_mb=_mb(rollup, "Pss"), peak_rss_mb=_mb(status, "VmHWM"))


def _read(name: str) -> str:
    try:
        return (Path("/proc/self") / name).read_text(encoding="ascii")
    except OSError:
        return ""


def _mb(text: str, key: str) -> float | None:
    found = re.search(rf"^{key}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else None


def main() -> None:
    """Entry point of the fresh process."""
    import numpy as np

    from waste_edge.bundle.bundle import open_bundle
    from waste_edge.engines.classifier import load_classifier

    source, digest, artifact, engine, threads = sys.argv[1:]
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    with open_bundle(Path(source)) as bundle:
        if bundle.digest != digest:
            raise EngineError(f"{source}: was changed while it was measured; measure again")
        classifier = load_classifier(bundle, engine, threads=int(threads), artifact=artifact)  # type: ignore[arg-type]
        print(classifier.classify(picture).label, flush=True)
        for _ in range(_INFERENCES):
            classifier.classify(picture)
    from waste_edge.files.strict import to_json

    print(to_json(taken_by_this_process()))


if __name__ == "__main__":
    main()
