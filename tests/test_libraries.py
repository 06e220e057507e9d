"""Nobody phones home: no verb leaves a library's traces on the disk, or looks up a name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from waste_edge.files.resources import BUNDLES, DEFAULT_BUNDLE
from waste_edge.libraries import NO_TELEMETRY, switch_off_telemetry

BARE = """
import onnxruntime, sys, time
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
time.sleep(float(sys.argv[2]))
"""


def watched(place: Path, command: list[str], **variables: str) -> tuple[list[str], list[str]]:
    """Run a command with an empty home and temporary folder: files it left there, and what it connected to."""
    home, temporary, trace = place / "home", place / "tmp", place / "trace"
    home.mkdir(parents=True)
    temporary.mkdir()
    kept = {key: value for key, value in os.environ.items() if key not in NO_TELEMETRY and not key.startswith("XDG_")}
    environment = kept | {"HOME": str(home), "TMPDIR": str(temporary)} | variables
    strace = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(trace)] if shutil.which("strace") else []
    ended = subprocess.run(
        [*strace, *command], env=environment, capture_output=True, timeout=120, text=True, check=False
    )
    assert ended.returncode in (0, 3), ended.stderr  # 3: a benchmark on a machine that is busy
    ours = (home / ".cache", home / ".cache" / "waste-edge")  # what is our own: speeds measured, networks found good
    found = (path for folder in (home, temporary) for path in folder.rglob("*"))
    files = [str(path.relative_to(place)) for path in found if path not in ours and ours[1] not in path.parents]
    seen = trace.read_text(encoding="utf-8", errors="replace") if strace else ""
    return files, re.findall(r"connect\(\d+, \{sa_family=AF_INET6?,.*", seen)


def verb(*words: object) -> list[str]:
    return [sys.executable, "-m", "waste_edge", *map(str, words)]


@pytest.fixture(scope="module")
def network() -> Path:
    return BUNDLES / DEFAULT_BUNDLE / "model-int8.onnx"


def test_the_watch_sees_telemetry_that_is_on(tmp_path: Path, network: Path) -> None:
    files, _ = watched(tmp_path, [sys.executable, "-c", BARE, str(network), "0"])
    if not files:
        pytest.skip("this build of ONNX Runtime carries no telemetry")
    assert any("deviceid" in file for file in files)


@pytest.mark.parametrize(
    "words",
    [
        ("verify", DEFAULT_BUNDLE),
        ("run", "--demo", "--engine", "onnx", "--frames", "30", "--json"),
        ("bench", DEFAULT_BUNDLE, "--seconds", "0.1", "--engine-only", "--json"),
    ],
    ids=lambda words: words[0],
)
def test_no_verb_leaves_traces(words: tuple[str, ...], tmp_path: Path) -> None:
    files, connections = watched(tmp_path, verb(*words))
    assert (files, connections) == ([], [])


def test_nobody_imports_onnxruntime_before_the_switch_is_set() -> None:
    """Modules of the package cannot; all others take it from `waste_edge.engines.onnx`."""
    checkout, direct = Path(__file__).resolve().parents[1], re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    folders = [checkout / name for name in ("tests", "tools", "examples", "docs", "benchmarks", "device")]
    scripts = {path for folder in folders if folder.is_dir() for path in folder.rglob("*.py")} - {Path(__file__)}
    assert scripts
    assert [path for path in scripts if direct.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.long
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_station_of_half_a_minute_looks_up_no_name(tmp_path: Path, network: Path) -> None:
    run = verb("run", "--camera", "synthetic", "--engine", "onnx", "--duration", "35", "--json")
    assert watched(tmp_path / "ours", run) == ([], [])
    _, connections = watched(tmp_path / "bare", [sys.executable, "-c", BARE, str(network), "35"])
    assert connections, "the watch would not have seen it"


def test_what_a_user_has_set_does_not_switch_it_on() -> None:
    environment = {"ORT_DISABLE_TELEMETRY": "0", "HOME": "/root"}
    switch_off_telemetry(environment)
    assert environment == NO_TELEMETRY | {"HOME": "/root"}
