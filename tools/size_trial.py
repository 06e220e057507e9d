"""Measure the workstation's commands on very many pictures: `python -m tools.size_trial`.

    python -m tools.size_trial --counts 25000,50000,100000,250000 --out benchmarks/results/size/<date>-<machine>.json
    python -m tools.size_trial --table FILE       the recorded run as a table

For each count a folder is made (`tools.many_pictures`), and these run on it, one after the other, each a process:

    check       waste-edge data check, nothing remembered
    killed      the same with nothing remembered, killed (SIGKILL) when half of the pictures are done
    resumed     the same command again, which goes on; its report must be that of `check`
    split       waste-edge data split, which finds what the check has kept, if there was one
    first batch from the start of a training to the end of its first step: index, near-duplicates, split, views
    embeddings  of every picture with a small random CLIP (512 numbers each), nothing cached
    again       the same with everything cached

Reported are wall time, processor time of all processes, and the largest sum of their memory (RSS, sampled each 0.1 s:
pages that two share count twice). `check` must find exactly what was planted. Processor time does not grow with other
load on the machine as wall time does; `load` says how much there was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools.many_pictures import Planted, make_pictures, sound_pictures
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict, read_json, to_json

MOST_MB = 2000.0
_EVERY_S = 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
STAGES = ("check", "killed", "resumed", "split", "first batch", "embeddings", "again")
_RECIPE = "student_mobilenet_v1_025"


class Row(Strict, frozen=True):
    """One command on so many pictures.

    Attributes:
        pictures: files in the class folders.
        stage: see above.
        wall_s: from its start to its end.
        cpu_s: of all its processes, user and system.
        peak_mb: the largest sum of their resident memory, in millions of bytes.
    """

    pictures: int
    stage: str
    wall_s: float
    cpu_s: float
    peak_mb: float


class Record(Strict, frozen=True):
    """One run of this program.

    Attributes:
        created: date and time, UTC.
        command: that made it.
        machine: what it ran on.
        load: the system's load average (1 minute) before each count, of other work too.
        resumed_alike: the report after a kill was that of an uninterrupted check; None if that was not tried.
        rows: in the order in which they ran.
    """

    created: str
    command: str
    machine: str
    load: list[float]
    resumed_alike: bool | None
    rows: list[Row]


class _Watch:
    """Memory and processor time of a process and all below it, sampled while it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.peak_mb = 0.0
        self._process = process
        self._cpu_s: dict[int, float] = {}
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def cpu_s(self) -> float:
        """Seconds of processor time, of ended processes up to their last sample."""
        self._thread.join()
        return sum(self._cpu_s.values())

    def _sample(self) -> None:
        while self._process.poll() is None:
            resident = 0
            for pid in tree(self._process.pid):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    self._cpu_s[pid] = (int(stat[11]) + int(stat[12])) / _TICKS
                    resident += int(stat[21]) * _PAGE
            self.peak_mb = max(self.peak_mb, resident / 1e6)
            time.sleep(_EVERY_S)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(below for child in children for below in tree(child))]


def measured(pictures: int, stage: str, command: Sequence[str], cache: Path, kill_at: float = 0.0) -> tuple[Row, str]:
    """Run a command to its end, or kill it when so large a share is done; returns its row and its standard output.

    Raises:
        RuntimeError: it failed.
    """
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment)
        watch = _Watch(process)
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told = line
            if kill_at and share_done(line) >= kill_at:
                process.kill()
        process.stderr.close()
        code = process.wait()
        wall_s = time.monotonic() - began
        cpu_s = watch.cpu_s()
        out.seek(0)
        answer = out.read()
    if code not in (0, 2) and not kill_at:
        raise RuntimeError(f"{' '.join(command)}: ended with {code}: {told}")
    return Row(pictures, stage, round(wall_s, 1), round(cpu_s, 1), round(watch.peak_mb, 1)), answer


def share_done(line: str) -> float:
    """Read the share that a line of progress tells of: "looking: 1,000 of 4,000, about 3 min left"."""
    head, _, rest = line.partition(" of ")
    with contextlib.suppress(ValueError, ZeroDivisionError):
        return int(head.rpartition(" ")[2].replace(",", "")) / int(rest.partition(", ")[0].replace(",", ""))
    return 0.0


def found_what_was_planted(report: str, planted: Planted) -> list[str]:
    """Say where a report differs from what was planted; empty if nowhere."""
    read = json.loads(report)
    counts = {one["kind"]: one for one in read["findings"]}

    def more(kind: str) -> int:
        """Count files of a kind beside one of each group."""
        suspects = counts.get(kind, {"suspects": []})["suspects"]
        return len(suspects) - len({one["group"] for one in suspects})

    wanted = {
        "pictures": (read["pictures"], planted.pictures),
        "unreadable": (len(counts.get("unreadable", {"suspects": []})["suspects"]), planted.unreadable),
        "stray": (len(counts.get("stray", {"suspects": []})["suspects"]), planted.stray),
        "copies": (more("copies"), planted.copies),
        "copies across labels": (more("copies_across_labels"), planted.across_labels),
        "alike": (more("alike") + more("alike_across_labels"), planted.alike),
    }
    return [f"{name}: found {got}, planted {made}" for name, (got, made) in wanted.items() if got != made]


def stages(folder: Path, home: Path, wanted: Sequence[str]) -> Iterator[tuple[str, list[str], Path, float]]:
    """Name, command, cache and kill of each of these stages."""
    edge, own = [sys.executable, "-m", "waste_edge"], [sys.executable, "-m", "tools.size_stages"]
    check = [*edge, "data", "check", str(folder), "--json"]
    # What a check reports as an error, a split of the readable pictures does not need.
    sound, cache, killed = home / "sound.csv", home / "cache", home / "killed"
    found = {
        "check": (check, cache, 0.0),
        "killed": (check, killed, 0.5),
        "resumed": (check, killed, 0.0),
        "split": ([*edge, "data", "split", str(sound), "--out", str(home / "split.csv"), "--json"], cache, 0.0),
        "first batch": ([*own, "train", str(sound), str(home / "run"), _RECIPE], cache, 0.0),
        "embeddings": ([*own, "embed", str(sound), str(home / "clip")], cache, 0.0),
        "again": ([*own, "embed", str(sound), str(home / "clip")], cache, 0.0),
    }
    for name in wanted:
        yield name, *found[name]


def trial(count: int, home: Path, wanted: Sequence[str], told: Callable[[Row], None]) -> bool | None:
    """Measure stages on so many pictures; returns whether a resumed check told the same, None if not compared.

    Raises:
        RuntimeError: a command failed, or a check found other things than were planted.
    """
    folder = home / "pictures"
    planted = make_pictures(folder, count)
    lines = ["path,label", *(f"{folder.name}/{path},{label}" for path, label in sound_pictures(count))]
    write_atomically(home / "sound.csv", "\n".join(lines) + "\n")
    reports: dict[str, str] = {}
    for stage, command, cache, kill_at in stages(folder, home, wanted):
        row, reports[stage] = measured(count, stage, command, cache, kill_at)
        print(f"{count:,} {stage}: {row.wall_s:.0f} s, {row.cpu_s:.0f} s of CPU, {row.peak_mb:.0f} MB", flush=True)
        told(row)
        if stage in ("check", "resumed") and (wrong := found_what_was_planted(reports[stage], planted)):
            raise RuntimeError("; ".join(wrong))
    return reports["resumed"] == reports["check"] if {"check", "resumed"} <= reports.keys() else None


def table(record: Record) -> str:
    """A recorded run in Markdown: a row a stage, a column a count."""
    counts = sorted({row.pictures for row in record.rows})
    cell = {(row.stage, row.pictures): row for row in record.rows}
    lines = [f"| | {' | '.join(f'{count:,}' for count in counts)} |", f"| --- |{' ---: |' * len(counts)}"]
    for stage in dict.fromkeys(row.stage for row in record.rows):
        cells = [
            f"{one.wall_s:.0f} s, CPU {one.cpu_s:.0f} s, {one.peak_mb:.0f} MB"
            if (one := cell.get((stage, count)))
            else ""
            for count in counts
        ]
        lines.append(f"| {stage} | {' | '.join(cells)} |")
    load = ", ".join(f"{one:.0f}" for one in record.load)
    return "\n".join(
        [*lines, "", f"*{record.machine}; {record.created[:10]}; load average before each count: {load}.*"]
    )


def main() -> int:
    """Run the trial, or show a record; 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="25000,50000,100000,250000", help="numbers of pictures, with commas")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of the stages, with commas")
    parser.add_argument("--out", type=Path, help="record to write (JSON)")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp"), help="where pictures are made; 2 GB for 250,000")
    parser.add_argument("--table", type=Path, help="record to show instead")
    given = parser.parse_args()
    if given.table:
        print(table(read_json(given.table, Record)))
        return 0
    counts, wanted = sorted(int(one) for one in given.counts.split(",")), given.stages.split(",")
    if strange := [name for name in wanted if name not in STAGES]:
        print(f"--stages: {strange[0]!r} is none of {', '.join(STAGES)}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    load: list[float] = []
    alike: bool | None = None
    command = f"python -m tools.size_trial --counts {given.counts}"
    command += f" --stages {shlex.quote(given.stages)}" if wanted != list(STAGES) else ""

    def write() -> None:
        if given.out:
            created = datetime.now(UTC).isoformat(timespec="seconds")
            write_atomically(given.out, to_json(Record(created, command, machine(), load, alike, rows)))

    def told(row: Row) -> None:
        rows.append(row)
        write()

    for count in counts:
        load.append(round(os.getloadavg()[0], 1))
        home = Path(tempfile.mkdtemp(prefix="size-", dir=given.work))
        try:
            same = trial(count, home, wanted, told)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        alike = alike if same is None else same and alike is not False
        write()
    missed = [row for row in rows if row.peak_mb > MOST_MB]
    for row in missed:
        print(f"{row.pictures:,} {row.stage}: {row.peak_mb:.0f} MB, more than {MOST_MB:.0f}", file=sys.stderr)
    if alike is False:
        print("the report of a check that went on is another one", file=sys.stderr)
    return 1 if missed or alike is False else 0


def machine() -> str:
    """Processor, cores and Python of this machine, in words."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
