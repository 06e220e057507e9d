"""Measure a training by two processes against one: `python -m tools.two_processes --data photos`.

    python -m tools.two_processes --data photos --out benchmarks/results/two_processes/<date>-<machine>.json
    python -m tools.two_processes --table FILE

Trains the default student (live batch norms) for some epochs, three ways in turn: one process with one thread, one with
two, and two processes of torchrun with one thread each, whose batches are half as large, so that a step sees as many
pictures. Each is `waste-edge train` as a user starts it. Compared are the seconds of an epoch that its `metrics.jsonl`
tells, without the first, in which pictures are decoded; of all rounds the median counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from tools.size_trial import machine
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, read_json, to_json

RECIPE = "student_mobilenet_v1_025"
BATCH = 32
WAYS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two processes, one thread each": (2, 1)}


class Way(Strict, frozen=True, kw_only=True):
    """One way to train.

    Attributes:
        name: in words.
        processes, threads: of torchrun, and of each of them.
        epoch_s: median wall time of an epoch, validation and checkpoint among it.
        cpu_s: processor time of the whole command, start and validation among it, median.
        accuracy: of the last round's validation part.
    """

    name: str
    processes: int
    threads: int
    epoch_s: float
    cpu_s: float
    accuracy: float


class Record(Strict, frozen=True, kw_only=True):
    """One run of this program.

    Attributes:
        created: date and time, UTC.
        command: that made it.
        machine: what it ran on.
        load: load averages before each round, of other work too.
        epochs, rounds: of each training; how often each way took its turn.
        ways: in the order in which they took turns.
    """

    created: str
    command: str
    machine: str
    load: list[float]
    epochs: int
    rounds: int
    ways: list[Way]


class _Line(msgspec.Struct):
    """Line of `metrics.jsonl`, as far as it is needed."""

    seconds: float
    val_accuracy: float | None = None


def trained(data: Path, out: Path, way: tuple[int, int], epochs: int) -> tuple[list[float], float, float]:
    """Train once; returns the epochs' seconds but for the first, processor time of all, and accuracy.

    Raises:
        RuntimeError: it failed.
    """
    processes, threads = way
    start = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    command = [sys.executable, *start, "-m", "waste_edge", "train", RECIPE, "--data", str(data), "--out", str(out)]
    for change in (f"fit.epochs={epochs}", f"fit.batch_size={BATCH // processes}", "fit.warmup_epochs=0.5"):
        command += ["--set", change]
    before = os.times()
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ended.stderr[-500:]}")
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    lines = [msgspec.json.decode(one, type=_Line) for one in (out / "metrics.jsonl").read_bytes().splitlines()]
    return [one.seconds for one in lines[1:]], cpu_s, lines[-1].val_accuracy or 0.0


def table(record: Record) -> str:
    """A record in Markdown."""
    first = record.ways[0].epoch_s
    lines = ["| | s an epoch | times as fast | CPU s | validation |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {one.name} | {one.epoch_s:.1f} | {first / one.epoch_s:.2f} | {one.cpu_s:.0f} | {one.accuracy:.1%} |"
        for one in record.ways
    ]
    load = ", ".join(f"{one:.0f}" for one in record.load)
    how = f"{record.rounds} rounds of {record.epochs} epochs; load average {load}"
    note = f"*{record.machine}; {record.created[:10]}; {how}.*"
    return "\n".join([*lines, "", note])


def main() -> int:
    """Measure, or show a record; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="photographs")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each training")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way takes its turn")
    parser.add_argument("--out", type=Path, help="record to write (JSON)")
    parser.add_argument("--table", type=Path, help="record to show instead")
    given = parser.parse_args()
    if given.table:
        print(table(read_json(given.table, Record)))
        return 0
    if given.data is None or given.epochs < 2:
        print("--data: expected a folder of photographs; --epochs: at least 2", file=sys.stderr)
        return 2
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    accuracy = dict.fromkeys(WAYS, 0.0)
    load = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            load.append(round(os.getloadavg()[0], 1))
            for name, way in WAYS.items():
                out = Path(folder) / f"{number}-{way[0]}-{way[1]}"
                epochs, cpu_s, accuracy[name] = trained(given.data.resolve(), out, way, given.epochs)
                seconds[name] += epochs
                spent[name].append(cpu_s)
                print(f"round {number + 1}, {name}: {median(epochs):.1f} s an epoch, {cpu_s:.0f} s of CPU", flush=True)
    record = Record(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"python -m tools.two_processes --data photos --epochs {given.epochs} --rounds {given.rounds}",
        machine=machine(),
        load=load,
        epochs=given.epochs,
        rounds=given.rounds,
        ways=[
            Way(
                name=name,
                processes=way[0],
                threads=way[1],
                epoch_s=round(median(seconds[name]), 2),
                cpu_s=round(median(spent[name]), 1),
                accuracy=round(accuracy[name], 4),
            )
            for name, way in WAYS.items()
        ],
    )
    print(table(record))
    if given.out:
        write_atomically(given.out, to_json(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
