"""Looking at many picture files: each decoded once, by several processes, and remembered on the disk.

What is learnt of a picture is its SHA-256, its hash for near-duplicates, and what a `measure` of the caller adds. Few
pictures are looked at in this process. More are given out, some at a time, to processes of

    python -m waste_edge.dataset.looking MEASURE

which this one starts itself: a program that calls `train` or `evaluate` needs no `if __name__ == "__main__"`. They end
when their standard input does, so that none is left behind when this process is killed. A decoder that crashes costs
its process and makes that picture an unreadable one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import itertools
import os
import signal
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from waste_edge.dataset.near_hashes import picture_hash
from waste_edge.dataset.remembered import Facts, Remembered, note_sum, stamp_of
from waste_edge.errors import PictureError, WasteEdgeError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_PICTURE_FILE_BYTES
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import read_picture

Measure = Callable[[Pixels], bytes]
FEW = 256  # pictures that this process looks at itself: to start others takes it as long
_CHUNK = 32  # pictures that are given out at a time
_AHEAD = 4  # chunks given out to each process before the first of them is waited for
_SIZE = struct.Struct("<I")


class Look(msgspec.Struct, array_like=True):
    """Look at one file.

    Attributes:
        sha256: of its bytes, 32 of them.
        hash: 128 bits packed, see `picture_hash`; empty for a plain picture.
        measures: what the caller's measure gave.
        fault: why it cannot be read, one line that begins with its path, as the file system's bytes; empty if it can.
    """

    sha256: bytes = b""
    hash: bytes = b""
    measures: bytes = b""
    fault: bytes = b""

    def error(self) -> PictureError | None:
        """Error of a picture that cannot be read; None if it can."""
        return PictureError(os.fsdecode(self.fault)) if self.fault else None


@dataclass(frozen=True)
class Looker:
    """Settings of how pictures are looked at.

    Attributes:
        measure: `module:function` of a `Measure`, which must be importable; empty: none.
        processes: how many look, at most.
    """

    measure: str = ""
    processes: int = 1

    def look(self, root: Path, paths: Sequence[Path]) -> Iterator[Look]:
        """Yield a look at each file, in their order; those seen before, and not changed since, are not read again.

        Args:
            root: folder of the data, by which they are remembered; every path lies below it, or is read anew.
            paths: the files.

        Raises:
            WasteEdgeError: the processes cannot be started.
        """
        processes = self.processes if len(paths) > FEW else 1
        with contextlib.closing(Remembered(root)) as remembered, _Crew(self.measure, processes) as crew:
            waiting: deque[tuple[list[_Asked], Future[list[Look]]]] = deque()
            chunks = (paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK))
            for some in chunks:
                asked = [_Asked(path, *remembered.recall(path, self.measure)) for path in some]
                waiting.append((asked, crew.ask([one.path for one in asked if one.facts is None])))
                if len(waiting) > _AHEAD * processes:
                    yield from _answered(remembered, self.measure, *waiting.popleft())
            while waiting:
                yield from _answered(remembered, self.measure, *waiting.popleft())


@dataclass(frozen=True)
class _Asked:
    """A file, its stamp before it was read, and what is remembered of it."""

    path: Path
    stamp: bytes
    facts: Facts | None


def _answered(remembered: Remembered, measure: str, asked: list[_Asked], future: Future[list[Look]]) -> Iterator[Look]:
    fresh = iter(future.result())
    for one in asked:
        if one.facts is not None:
            note_sum(one.path, one.stamp, one.facts.sha256)
            yield Look(one.facts.sha256, one.facts.hash, one.facts.measures)
            continue
        look = next(fresh)
        if not look.fault and stamp_of(one.path) == one.stamp:  # else it was written to meanwhile
            note_sum(one.path, one.stamp, look.sha256)
            remembered.keep(one.path, Facts(one.stamp, look.sha256, look.hash, look.measures, measure))
        yield look
    remembered.flush()


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def look_at(path: Path, measure: Measure | None) -> Look:
    """Look at one file in this process."""
    try:
        pixels = read_picture(path)
        content = read_bounded(path, MAX_PICTURE_FILE_BYTES)
    except PictureError as error:
        return Look(fault=os.fsencode(str(error)))
    except OSError as error:
        return Look(fault=os.fsencode(f"{path}: cannot be read ({error.strerror}); check it and its permissions"))
    bits = picture_hash(pixels)
    return Look(
        hashlib.sha256(content).digest(),
        b"" if bits is None else np.packbits(bits).tobytes(),
        measure(pixels) if measure else b"",
    )


class _Crew:
    """Threads of this process, each with a process that it gives chunks of pictures to; or this process alone."""

    def __init__(self, measure: str, processes: int) -> None:
        self._measure, self._processes = measure, processes
        self._pool = ThreadPoolExecutor(processes) if processes > 1 else None
        self._own = threading.local()
        self._over = False
        self._started: list[_Worker] = []

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        for worker in self._started:
            worker.end()  # first: a thread may wait for its answer
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        for worker in self._started:
            worker.close()

    def ask(self, paths: Sequence[Path]) -> Future[list[Look]]:
        """Have files looked at."""
        if self._pool and paths:
            return self._pool.submit(self._ask_process, paths)
        future: Future[list[Look]] = Future()
        measure = _imported(self._measure)
        future.set_result([look_at(path, measure) for path in paths])
        return future

    def _ask_process(self, paths: Sequence[Path]) -> list[Look]:
        """Ask this thread's process; where it dies, ask anew for one after the other, to find what killed it."""
        try:
            return self._worker().ask(paths)
        except (EOFError, BrokenPipeError):
            self._dismiss()
        if self._over:
            return []
        looks = []
        for path in paths:
            try:
                looks += self._worker().ask([path])
            except (EOFError, BrokenPipeError):
                ending = self._dismiss()
                looks.append(Look(fault=os.fsencode(f"{path}: its decoder {ending}; remove it, or make it again")))
        return looks

    def _worker(self) -> _Worker:
        if getattr(self._own, "worker", None) is None:
            self._own.worker = _Worker(self._measure)
            self._started.append(self._own.worker)
        worker: _Worker = self._own.worker
        return worker

    def _dismiss(self) -> str:
        ending: str = self._own.worker.close()
        self._own.worker = None
        return ending


class _Worker:
    """A process that looks at pictures."""

    def __init__(self, measure: str) -> None:
        # It must find this very code: started from a checkout, the package lies on this process's path alone.
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "waste_edge.dataset.looking", measure],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libraries complain of damaged pictures, in words of their own
                env=os.environ | paths | threads,
            )
        except OSError as error:
            raise WasteEdgeError(f"{sys.executable}: cannot be started to read pictures ({error.strerror})") from error

    def ask(self, paths: Sequence[Path]) -> list[Look]:
        """Have files looked at; raises EOFError or BrokenPipeError if the process dies of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _write(self._process.stdin, msgspec.msgpack.encode([os.fsencode(path) for path in paths]))
        return msgspec.msgpack.decode(_read(self._process.stdout), type=list[Look])

    def end(self) -> None:
        """Kill it."""
        self._process.kill()

    def close(self) -> str:
        """Wait for its end; returns how it ended, in words."""
        ended = self._process.poll()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        code = self._process.wait() if ended is None else ended
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _imported(measure: str) -> Measure | None:
    module, _, name = measure.partition(":")
    found: Measure | None = getattr(importlib.import_module(module), name) if measure else None
    return found


def _write(stream: IO[bytes], message: bytes) -> None:
    stream.write(_SIZE.pack(len(message)))
    stream.write(message)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes:
    """One message; raises EOFError at the end."""
    head = stream.read(_SIZE.size)
    if len(head) < _SIZE.size:
        raise EOFError
    (size,) = _SIZE.unpack(head)
    message = stream.read(size)
    if len(message) < size:
        raise EOFError
    return message


def main() -> None:
    """Look at the pictures that standard input names, until it ends."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the process that asks, and then this one
    cv2.setNumThreads(1)
    measure = _imported(sys.argv[1])
    with contextlib.suppress(EOFError, BrokenPipeError):
        for _ in itertools.count():
            paths = msgspec.msgpack.decode(_read(sys.stdin.buffer), type=list[bytes])
            looks = [look_at(Path(os.fsdecode(path)), measure) for path in paths]
            _write(sys.stdout.buffer, msgspec.msgpack.encode(looks))


if __name__ == "__main__":
    main()
