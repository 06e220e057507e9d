"""A store whose process is killed at random moments, or dies in the middle of a write, again and again.

    python tests/device/models/killed_store.py STATE TURNS SEED BUNDLE...

After each death it asks which model is in charge, and ends with 1 and a line if none is whole.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from waste_edge.device.models.store import ModelStore, in_charge
from waste_edge.errors import UserError

MOST_S = 0.4  # until a process is killed


def change_for_ever(store: ModelStore, bundles: list[Path], seed: int) -> None:
    """Install, propose and take back, in any order."""
    draw = random.Random(seed)
    while True:
        try:
            entry = store.add(draw.choice(bundles))
            if draw.random() < 0.3:
                store.propose(entry, "proposed")
            else:
                store.activate(entry, "activated", on_probation=True)
            if draw.random() < 0.4:
                store.rollback("taken back")
        except (UserError, OSError):  # nothing to take back; or a write was cut short, and the process lives
            continue


def one_turn(store: ModelStore, bundles: list[Path], draw: random.Random, cuts: bool) -> None:
    """Let a process change the store until it dies."""
    seed, wait_s = draw.randrange(1 << 30), draw.uniform(0, MOST_S)
    child = os.fork()
    if child == 0:
        if cuts:  # dies in the write that makes a file so long
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            largest = max(path.stat().st_size for folder in bundles for path in folder.iterdir())
            most = draw.randrange(1, largest)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        change_for_ever(store, bundles, seed)
    time.sleep(wait_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> int:
    """Returns the exit code."""
    state, turns, seed, *rest = sys.argv[1:]
    store, bundles, draw = ModelStore(Path(state)), [Path(given) for given in rest], random.Random(int(seed))
    first = store.add(bundles[0])
    store.activate(first, "first")
    found = set()
    for turn in range(int(turns)):
        one_turn(store, bundles, draw, cuts=turn % 2 == 1)
        entry, fault = in_charge(store)
        if fault:
            print(f"turn {turn}: {fault}")
            return 1
        found.add(None if entry is None else entry.version)
        numbers = [change.number for change in store.history()]
        if numbers != sorted(set(numbers)):
            print(f"turn {turn}: history {numbers}")
            return 1
    store.activate(store.add(bundles[0]), "the last")  # removes what the dead left behind
    left = {path.name for path in store.folder.iterdir() if path.is_dir()}
    if left != {entry.folder for entry in store.installed()}:
        print(f"left behind: {left}")
        return 1
    print(f"{turns} deaths, {len(store.history())} changes; in charge were {sorted(map(str, found))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
