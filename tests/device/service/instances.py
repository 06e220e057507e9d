"""Cost of each further camera on a board: several stations at once, each with a camera, a folder and a process.

    python -m tests.device.service.instances [--most 4] [--bundle accurate] [--out FILE]
    python -m tests.device.service.instances --table [FILE]     the recorded run as a table

Plays the demo clip (640x480, 15 frames/s, ten items whose times are known) in real time to 1, 2, 3 and 4 stations,
started one second after the other, each with a state folder of its own and all with one $RUNTIME_DIRECTORY, as the
units have it. Reports, for so many stations, the processor time (user and system, `/proc/PID/stat`, without the start)
and the memory (PSS: shared pages are shared out, `/proc/PID/smaps_rollup`) of all of them together, and whether each
decided each item once. CPU time is what the stations used, so other load on the machine does not add to it.

As root, the stations run as another user who may read root's files, as a service does: then the network's file is
mapped. Ends with 1 if an item was missed or decided twice.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.system.neighbours import RUNTIME_VARIABLE
from waste_edge.files.resources import BUNDLES, DEMO_CLIP, shipped
from waste_edge.files.strict import Strict, read_json, to_json

RESULTS = "benchmarks/results/instances"
SERVICE = 65534
_FROM_S, _TO_S = 12.0, 32.0  # of the clip's 35 s: after the start, before the end
_APART_S = 1.0  # an event may open so much earlier or later than the clip says, set against the first one
_TICKS = os.sysconf("SC_CLK_TCK")


class Row(Strict, frozen=True):
    """So many stations at once.

    Attributes:
        stations: how many.
        cpu_percent: of one core, all stations together.
        pss_mb: millions of bytes, all stations together.
        items, once: items that passed all cameras, and how many of them had exactly one event at their time.
        events: how many events there were.
        mapped: stations that had the network's file mapped.
    """

    stations: int
    cpu_percent: float
    pss_mb: float
    items: int
    once: int
    events: int
    mapped: int


class Record(Strict, frozen=True):
    """One run of this program.

    Attributes:
        created: date and time, UTC.
        command: that made it.
        machine: what it ran on.
        bundle, digest: name and version, and SHA-256 of the manifest.
        rows: one for each number of stations.
    """

    created: str
    command: str
    machine: str
    bundle: str
    digest: str
    rows: list[Row]


class Clip(msgspec.Struct):
    """The part of the clip's description that is needed here."""

    items: list[dict[str, object]]


def started(folder: Path, bundle: str) -> subprocess.Popen[bytes]:
    """One station, in its folder; a service's user if this is root."""
    state = folder / "state"
    state.mkdir(parents=True)
    command = [sys.executable, "-m", "waste_edge", "run", "--source", str(DEMO_CLIP), "--bundle", bundle]
    command += ["--state", str(state), "--json"]
    if os.geteuid() == 0:
        for path in (folder, state):
            os.chown(path, SERVICE, SERVICE)
        may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        command = ["setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", "--clear-groups", *may_read, *command]
    environment = {**os.environ, "HOME": str(folder), RUNTIME_VARIABLE: str(folder.parent / "run")}
    with (folder / "stderr").open("wb") as errors:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(one) for thread in threads for one in (thread / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in tree(child))]


def cpu_s(pids: list[int]) -> float:
    """Seconds of processor time that processes have used."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in stats) / _TICKS


def pss_mb(pids: list[int]) -> float:
    """Memory of processes in millions of bytes, shared pages divided by who shares them."""
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1e3


def once(database: Path) -> tuple[int, int]:
    """Items of the clip that have exactly one event at their time, and how many events there are."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT record FROM events ORDER BY sequence").fetchall()
    opened = [msgspec.json.decode(row[0])["event"]["opened_ns"] / 1e9 for row in rows]
    arrivals = arrival_times()
    since = [one - opened[0] for one in opened]
    counts = [sum(abs(one - (at - arrivals[0])) < _APART_S for one in since) for at in arrivals]
    return counts.count(1), len(opened)


def arrival_times() -> list[float]:
    """Seconds at which the clip's items come in."""
    clip = msgspec.json.decode(DEMO_CLIP.with_suffix(".json").read_bytes(), type=Clip)
    return [float(str(one["arrives_s"])) for one in clip.items]


def measured(count: int, bundle: str) -> Row:
    """Run so many stations to the clip's end."""
    with tempfile.TemporaryDirectory(prefix="instances-", dir="/var/tmp") as name:
        home = Path(name)
        home.chmod(0o755)
        (home / "run").mkdir()
        if os.geteuid() == 0:
            os.chown(home / "run", SERVICE, SERVICE)
        stations = []
        for number in range(count):
            stations.append(started(home / str(number), bundle))
            time.sleep(1.0)
        time.sleep(_FROM_S)
        pids = [tree(station.pid) for station in stations]
        flat = [pid for one in pids for pid in one]
        before_s, began = cpu_s(flat), time.monotonic()
        time.sleep(_TO_S - _FROM_S - count)
        memory = pss_mb(flat)
        share = (cpu_s(flat) - before_s) / (time.monotonic() - began)
        mapped = sum(any("model-int8" in Path(f"/proc/{pid}/maps").read_text() for pid in one) for one in pids)
        codes = [station.wait(timeout=120) for station in stations]
        if any(codes):
            raise RuntimeError((home / str(codes.index(max(codes))) / "stderr").read_text())
        found = [once(home / str(number) / "state/outbox.sqlite") for number in range(count)]
    right, events = (sum(one[index] for one in found) for index in (0, 1))
    items = count * len(arrival_times())
    return Row(count, round(100 * share, 1), round(memory, 1), items, right, events, mapped)


def table(record: Record) -> str:
    """The record in Markdown; what a station more costs is the difference to the line above."""
    lines = [
        "| stations | CPU, % of a core | more | PSS MB | more | items decided once |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    before = None
    for row in record.rows:
        more = ("", "") if before is None else (
            f"+{row.cpu_percent - before.cpu_percent:.1f}",
            f"+{row.pss_mb - before.pss_mb:.1f}",
        )  # fmt: skip
        cells = (
            row.stations,
            f"{row.cpu_percent:.1f}",
            more[0],
            f"{row.pss_mb:.1f}",
            more[1],
            f"{row.once} of {row.items}",
        )
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
        before = row
    extra = sum(row.events - row.items for row in record.rows)
    lines += ["", f"*{record.bundle} (LiteRT, INT8, 1 thread) on {record.machine}, {record.created[:10]}; "]
    lines[-1] += f"{extra} events too many; `{record.command}`.*"
    return "\n".join(lines)


def machine() -> str:
    """Name the processor and its cores."""
    from waste_edge.benchmarks.facts import read_machine

    found = read_machine()
    return f"{found.board or found.cpu}, {found.cores} cores"


def main() -> int:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(description="Measure what each further station on a board costs.")
    parser.add_argument("--most", type=int, default=4, help="stations at once, at most")
    parser.add_argument("--bundle", default="accurate")
    parser.add_argument("--out", type=Path, help="write the record here")
    parser.add_argument("--table", nargs="?", type=Path, const=Path(), help="only print a recorded run; the newest")
    options = parser.parse_args()
    if options.table is not None:
        path = options.table if options.table.name else max(shipped(RESULTS).glob("*.json"))
        print(table(read_json(path, Record)))
        return 0
    rows = []
    for count in range(1, options.most + 1):
        rows.append(measured(count, options.bundle))
        print(rows[-1], flush=True)
    with open_bundle(BUNDLES / options.bundle) as bundle:
        named = f"{options.bundle} {bundle.manifest.version}", bundle.digest
    command = f"python -m tests.device.service.instances --most {options.most} --bundle {options.bundle}"
    record = Record(datetime.now(UTC).isoformat(timespec="seconds"), command, machine(), *named, rows)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(to_json(record), encoding="utf-8")
    print(table(record))
    return 0 if all(row.once == row.items == row.events for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
