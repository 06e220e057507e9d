"""What is done on the emulated board, what must come of it, and how its answers are held against this machine's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.arm64.emulated import inside

PROGRAM = "/opt/waste-edge/current/bin/waste-edge"
INSTALL = ("sh", "/trial/install.sh", "--wheels", "/trial/wheels")
# INT8 kernels round in other places on other processors, FP32 ones add in another order.
TOLERANCE = {"fp32": 1e-4, "int8": 0.01}
# The engines choose their kernels by these: only the last has dot products of INT8 in hardware.
PROCESSORS = {"cortex-a53": "Zero 2 W, Pi 3", "cortex-a72": "Pi 4", "cortex-a76": "Pi 5"}
# The shipped bundles' networks: `accurate` is shipped in INT8 alone.
NETWORKS = {
    "small": {"onnx-fp32", "onnx-int8", "tflite-fp32", "tflite-int8"},
    "accurate": {"onnx-int8", "tflite-int8"},
}
Judge = Callable[[str], str]


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: what.
        ok: whether it came out as it must.
        found: how it came out, in one line.
        details: all of it, for the report.
    """

    name: str
    ok: bool
    found: str
    details: dict[str, Any] = field(default_factory=dict)

    def whole(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "found": self.found, **self.details}


def use(root: Path) -> list[Check]:
    """From nothing to a service, then what an owner would try."""
    return [
        tried(root, [*INSTALL, "--dry-run"], nothing_was_done(root)),
        tried(root, INSTALL, service_is_there(root)),
        tried(root, INSTALL, lambda out: "nothing was to be done" if "nothing was to be done" in out else ""),
        tried(root, [PROGRAM, "--version"], str.strip),
        *(tried(root, [PROGRAM, "verify", name, "--json"], all_replayed(name)) for name in NETWORKS),
        tried(root, [PROGRAM, "classify", "/trial/pictures", "--json"], labels),
        tried(root, [PROGRAM, "classify", "/trial/pictures", "--bundle", "accurate", "--json"], labels),
        patiently(root, [PROGRAM, "run", "--demo", "--json"], decisions),
        tried(root, [PROGRAM, "bench", "--seconds", "2", "--json"], four_rows, codes=(0, 3)),  # 3: a busy machine
        tried(root, [PROGRAM, "doctor", "--json"], levels, codes=(0, 2)),  # 2: no camera here
        tried(root, [PROGRAM, "service", "install", "--dry-run"], unit),
    ]


def tried(root: Path, command: Sequence[str], judge: Judge, codes: Sequence[int] = (0,)) -> Check:
    """Run one command in the root; `judge` says what it sees in the output, nothing if that is not what must be."""
    done = inside(root, command)
    name = " ".join(command).replace(PROGRAM, "waste-edge").replace("/trial/", "")
    print(f"  {name}: exit code {done.returncode}", flush=True)
    said = ""
    if done.returncode in codes:
        try:
            said = judge(done.stdout)
        except (ValueError, KeyError) as error:
            said, done.stderr = "", f"{error!r}\n{done.stderr}"
    if said:
        return Check(name, True, said, {"exit_code": done.returncode})
    last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
    return Check(name, False, f"exit code {done.returncode}: {last}", {"stdout": done.stdout, "stderr": done.stderr})


def patiently(root: Path, command: Sequence[str], judge: Judge, times: int = 3) -> Check:
    """Try it again if it failed: a film gives nothing for 20 s where an emulator's machine is busy, and is given up."""
    for number in range(1, times + 1):
        check = tried(root, command, judge)
        if check.ok or number == times:
            break
    return check if number == 1 else replace(check, found=f"{check.found} (at attempt {number})")


def nothing_was_done(root: Path) -> Judge:
    def judge(out: str) -> str:
        done = (root / "opt/waste-edge").exists() or (root / "etc/waste-edge").exists()
        return "" if done or "service install" not in out else f"{len(out.splitlines())} lines, nothing done"

    return judge


def service_is_there(root: Path) -> Judge:
    def judge(out: str) -> str:
        unit = (root / "etc/systemd/system/waste-edge.service").read_text()
        enabled = (root / "etc/systemd/system/multi-user.target.wants/waste-edge.service").is_symlink()
        user = "waste-edge:" in (root / "etc/passwd").read_text()
        config = (root / "etc/waste-edge/station.toml").stat().st_mode & 0o777
        right = f"ExecStart={PROGRAM} run" in unit and enabled and user and config == 0o640
        return "user, settings, unit, enabled" if right else ""

    return judge


def all_replayed(name: str) -> Judge:
    def judge(out: str) -> str:
        rows = json.loads(out)["artifacts"]
        if {row["artifact"] for row in rows} != NETWORKS[name] or {row["status"] for row in rows} != {"ok"}:
            raise ValueError("; ".join(f"{row['artifact']} {row['status']} {row['reason']}" for row in rows))
        return "; ".join(f"{row['artifact']} ok, logits off {row['logits_difference']:.1g}" for row in rows)

    return judge


def labels(out: str) -> str:
    return ", ".join(json.loads(line)["label"] for line in out.splitlines())


def decisions(out: str) -> str:
    events = [json.loads(line) for line in out.splitlines()]
    found = [event["label"] for event in events if event["kind"] == "decision"]
    return f"{len(found)} items: {', '.join(found)}" if found else ""


def four_rows(out: str) -> str:
    """Which networks were timed; their times are an emulator's, and are not kept."""
    timed = {row["artifact"] for row in json.loads(out)["rows"] if row["status"] == "measured"}
    return f"timed {', '.join(sorted(timed))}" if timed >= NETWORKS["small"] else ""


def levels(out: str) -> str:
    found = json.loads(out)
    bad = {one["part"]: one["text"] for one in found["conditions"] if one["level"] == "bad"}
    if others := {part: text for part, text in bad.items() if part != "camera"}:  # there is none
        raise ValueError(str(others))
    return f"{len(found['conditions'])} lines, bad: {'; '.join(f'{part} ({text})' for part, text in bad.items())}"


def unit(out: str) -> str:
    return f"the unit starts {PROGRAM}" if f"ExecStart={PROGRAM} run" in out else ""


def compare(board: str, done: subprocess.CompletedProcess[str], here: dict[str, Any]) -> list[Check]:
    """What `answers.py` said on a board: no label differs, and no probability by more than is stated."""
    if done.returncode != 0:
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        return [Check(f"answers on {board}", False, f"exit code {done.returncode}: {last}", {"stderr": done.stderr})]
    there, checks = json.loads(done.stdout), []
    versions = {"there": there["libraries"], "here": here["libraries"]}
    for artifact, ours in here["probabilities"].items():
        name = f"{artifact} on {board} against {here['machine']}"
        theirs = there["probabilities"].get(artifact)
        if theirs is None:
            checks.append(Check(name, False, "it does not run there", versions))
            continue
        mine, other = np.array(ours), np.array(theirs)
        labels_differ = int((mine.argmax(1) != other.argmax(1)).sum())
        largest, allowed = float(np.abs(mine - other).max()), TOLERANCE[artifact.split("-")[1]]
        found = (
            f"{labels_differ} of {len(mine)} labels differ; probabilities by at most {largest:.2g} (allowed {allowed})"
        )
        checks.append(Check(name, labels_differ == 0 and largest <= allowed, found, versions))
    return checks
