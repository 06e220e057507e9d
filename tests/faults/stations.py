"""`waste-edge run --config` as a process before the bin of the fake picamera2, and what it said when."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.conftest import wait_until
from waste_edge.device.clock import NS_PER_S

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "device" / "fakes"
CAMERA = "picamera:0"

_spec = importlib.util.spec_from_file_location("passing", FAKES / "picamera2" / "passing.py")
assert _spec is not None
assert _spec.loader is not None
passing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(passing)

# An item must be counted if the station looked on from the beginning of its cycle, an empty scene, until so long after
# it came to rest: 0.3 s of stillness, 0.5 s of decision, and 0.5 s for frames that come late on a busy machine.
DECIDED_S = passing.RESTS_S + 1.3
assert DECIDED_S < passing.GOES_S


@dataclass(frozen=True)
class Said:
    """A line of the station's, with when it was read: later than it was written, never earlier."""

    time_ns: int
    text: str

    @property
    def line(self) -> Mapping[str, Any]:
        """A line of stdout; empty for one of stderr."""
        return json.loads(self.text) if self.text.startswith("{") else {}


@dataclass(frozen=True)
class Life:
    """From the first frame that was looked at to the kill; the same time twice if there was none."""

    first_ns: int
    killed_ns: int

    def saw_whole(self, number: int) -> bool:
        begins_ns = passing.begins_ns(number)
        return self.first_ns <= begins_ns and begins_ns + DECIDED_S * NS_PER_S <= self.killed_ns

    def numbers(self) -> range:
        return range(passing.number_at(self.first_ns), passing.number_at(self.killed_ns) + 1)


class Station:
    """One station with a folder of its own; started, killed and started again."""

    def __init__(self, folder: Path, bundle: Path, tables: str = "[json_lines]\n", state: Path | None = None) -> None:
        self.folder = folder
        self.state = state or folder / "state"
        self.config = folder / "station.toml"
        self._word = folder / "film" / "word"  # apart: the capture process sees no new files beside the state
        self._tables, self._bundle = tables, bundle
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self.said: list[Said] = []
        self._word.parent.mkdir(exist_ok=True, parents=True)
        self.configure()
        self.film("empty")

    def configure(self, first: str = "") -> None:
        """Write station.toml, with some keys of the test's before its tables."""
        keys = {"name": "bin", "camera": CAMERA, "bundle": str(self._bundle), "state": str(self.state)}
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        self.config.write_text("\n".join([*lines, first, self._tables]))

    def film(self, word: str) -> int:
        """Tell the fake camera what to do; returns when it was told."""
        draft = self._word.with_suffix(".new")
        draft.write_text(word)
        os.replace(draft, self._word)
        return time.monotonic_ns()

    def start(self, *options: str, **environment: str) -> None:
        more = {
            "PYTHONPATH": f"{ROOT}:{FAKES}",
            "FAKE_CAMERA": str(self._word),
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self.said = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waste_edge", "run", "--config", str(self.config), "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | more | environment,
        )
        streams = (self._process.stdout, self._process.stderr)
        self._readers = [threading.Thread(target=self._read, args=[stream]) for stream in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Iterable[str]) -> None:
        for text in stream:
            self.said.append(Said(time.monotonic_ns(), text.rstrip("\n")))

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self, seen_from_ns: int = 0) -> Life:
        """SIGKILL, for the program alone: what it started must end by itself. Before `seen_from_ns` no items came."""
        assert self._process is not None
        assert self._process.poll() is None, f"it ended by itself: {self.said[-5:]}"
        killed_ns = time.monotonic_ns()
        self._process.kill()
        self._gone()
        first_ns = max(self.first_frame_ns() or killed_ns, seen_from_ns)
        return Life(min(first_ns, killed_ns), killed_ns)

    def first_frame_ns(self) -> int:
        """When this life's first frame that it tells of was looked at; 0 if there was none yet."""
        return next((said.time_ns for said in list(self.said) if said.line.get("kind") == "frame"), 0)

    def end(self) -> int:
        """SIGTERM, if it has not ended already; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._gone()

    def _gone(self) -> int:
        assert self._process is not None
        code = self._process.wait(60)
        for reader in self._readers:
            reader.join()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdout.close()
        self._process.stderr.close()
        self._process = None
        return code

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._gone()

    def wait_for_end(self) -> int:
        """Its exit code, when it ends by itself."""
        return self._gone()

    def wait_for(self, true: Callable[[Said], object], since_ns: int = 0, seconds: float = 60.0) -> Said:
        """The first line, read after `since_ns`, of which something is true."""
        found: list[Said] = []

        def look() -> bool:
            found[:] = [said for said in list(self.said) if said.time_ns >= since_ns and true(said)][:1]
            assert found or self._process is None or self._process.poll() is None, f"it ended: {self.said[-5:]}"
            return bool(found)

        try:
            wait_until(look, seconds)
        except AssertionError as error:
            telling = [said.text for said in self.said if said.line.get("kind") != "frame"]
            raise AssertionError(f"not said, but {telling[-8:]}") from error
        return found[0]

    def wait_until_learned(self) -> None:
        """The scene is known, and kept."""
        self.wait_for(lambda said: said.line.get("state") == "empty")

    def wait_for_verdict(self, since_ns: int) -> Said:
        return self.wait_for(lambda said: said.line.get("kind") == "frame", since_ns)

    def wait_for_health(self, part: str, level: str, words: str = "", since_ns: int = 0) -> Said:
        def matches(said: Said) -> bool:
            conditions = said.line.get("conditions", [])
            return any((c["part"], c["level"]) == (part, level) and words in c["text"] for c in conditions)

        return self.wait_for(matches, since_ns)

    def events(self, path: Path | None = None) -> list[Mapping[str, Any]]:
        """What the JSON lines say."""
        path = path or self.state / "events.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line["kind"] == "event"]

    def children(self) -> list[int]:
        """Its capture processes, and its page's."""
        assert self._process is not None
        return [pid for pid in self._processes() if pid != self._process.pid]

    def kill_page(self) -> bool:
        """SIGKILL for its page's process; False if it has none at this moment."""
        for pid in self.children():
            if b"page.server.main" in _bytes_of(Path(f"/proc/{pid}/cmdline")):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def left_behind(self) -> list[int]:
        """Processes of this station that are still there after its end."""
        assert self._process is None
        return self._processes()

    def _processes(self) -> list[int]:
        mark = f"FAKE_CAMERA={self._word}\0".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _bytes_of(path)]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def number_of(event: Mapping[str, Any]) -> int:
    """Which item an event is of: the one that lay there when it was decided."""
    return int(passing.number_at(event["decided_ns"]))


def check_items(events: Sequence[Mapping[str, Any]], lives: Sequence[Life]) -> Counter[int]:
    """No item is there twice, none that was never before the camera; how often each number is."""
    counted = Counter(number_of(event) for event in events)
    twice = [number for number, times in counted.items() if times > 1]
    assert not twice, f"counted more than once: {twice}"
    partly = {number for life in lives for number in life.numbers()}
    assert counted.keys() <= partly, f"counted and never seen: {sorted(counted.keys() - partly)}"
    return counted


def check_ledger(events: Sequence[Mapping[str, Any]], lives: Sequence[Life]) -> int:
    """Every item that was seen whole is there once, the others at most once; returns how many were seen whole."""
    counted = check_items(events, lives)
    whole = {number for life in lives for number in life.numbers() if life.saw_whole(number)}
    assert not whole - counted.keys(), f"seen whole and not counted: {sorted(whole - counted.keys())}"
    wrong = [event for event in events if event["decision"]["label"] != passing.label_of(number_of(event))]
    assert not wrong, f"taken for something else: {wrong}"
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [number_of(event) for event in events] == sorted(counted)
    return len(whole)
