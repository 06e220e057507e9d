"""A network that is not known good runs in a child process first, with limits on memory, processor time and time.

An engine trusts its networks: two changed bytes end the process that loads them, a few more fill its memory or keep
it busy for ever. The child may die of that; what it did is then said in one line, and the network is not loaded here.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Manifest
from waste_edge.engines.engine import Engine, engine_of, installed_engines, load_engine, require_engine
from waste_edge.engines.names import EngineName
from waste_edge.engines.trial import known_good
from waste_edge.engines.verify import Replay, Verification, not_replayed, replay_head, verify_bundle
from waste_edge.errors import BundleError
from waste_edge.files.limits import (
    TRIAL_BASE_BYTES,
    TRIAL_CPU_S,
    TRIAL_INPUTS,
    TRIAL_NETWORK_FILES,
    TRIAL_PATIENCE_S,
    TRIAL_SHARED_BYTES,
)
from waste_edge.files.strict import Strict
from waste_edge.libraries import NO_TELEMETRY, ONE_THREAD

_TICK_S = 0.05
_MAX_REPORT_BYTES, _MAX_COMPLAINT_BYTES = 1 << 20, 1 << 16
# QEMU_CPU: an emulated board's processor must be the parent's.
_KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "QEMU_CPU", "TMPDIR", "TZ", "VIRTUAL_ENV")


class ChildReport(Strict, frozen=True):
    """One line that the child writes; what is not given does not change.

    Attributes:
        doing: what it begins, in words.
        artifact: the network it begins with.
        replay: how one did.
        latency_ms: median milliseconds of each that did well.
    """

    doing: str = ""
    artifact: ArtifactName | None = None
    replay: Replay | None = None
    latency_ms: dict[ArtifactName, float] = msgspec.field(default_factory=dict)


class TrialResult(Strict, frozen=True):
    """Outcome of the child process.

    Attributes:
        replays: one for each network that was to be tried.
        latency_ms: see `ChildReport`.
        seconds: that it took, the child's start included.
        peak_mb: of its memory, as far as it was seen.
    """

    replays: list[Replay]
    latency_ms: dict[ArtifactName, float]
    seconds: float
    peak_mb: float


def load_artifact(bundle: Bundle, artifact: ArtifactName, threads: int = 1, engine: EngineName | None = None) -> Engine:
    """Load one of a bundle's networks into this process, after a child has tried it if it is not known good.

    Args:
        bundle: opened.
        artifact: which network.
        threads: of the engine.
        engine: which one; None: the package's own for such artifacts.

    Raises:
        BundleError: the bundle has no such network, it is damaged, or it did not do well in the child.
        MissingPackageError, EngineError, ConfigError: see `load_engine`.
    """
    require_engine(engine or engine_of(artifact))
    network = bundle.artifact(artifact)
    ensure_tried(bundle, [artifact], engine)
    loaded = load_engine(network, artifact, bundle.manifest, threads, engine)
    bundle.when_loaded()
    return loaded


def ensure_tried(bundle: Bundle, artifacts: Sequence[ArtifactName], engine: EngineName | None = None) -> None:
    """Try networks that are not known good, and remember those that did well.

    Raises:
        BundleError: one did not load or run; the message says in one line what it did.
    """
    if known_good.is_known_good(bundle, artifacts, engine):
        return
    trial = try_bundle(bundle, artifacts, engine=engine)
    for replay in trial.replays:
        if replay.status == "failed" and replay.labels_agreeing is None:
            raise BundleError(_with_source(bundle, replay))
    known_good.remember(bundle, artifacts, engine)


def verify(bundle: Bundle) -> Verification:
    """Check every file's SHA-256 and replay the golden outputs, in a child unless the bundle is known good.

    Raises:
        BundleError, MissingPackageError: see `verify_bundle`; what an untrusted network does is a failed replay.
    """
    names = [name for name in bundle.manifest.artifacts if engine_of(name) in installed_engines()]
    if not names or known_good.is_known_good(bundle, names):
        verification = verify_bundle(bundle)
    else:
        bundle.verify_checksums()
        bundle.known_scorer()
        head_items = replay_head(bundle)
        trial = try_bundle(bundle, list(bundle.manifest.artifacts))
        verification = Verification.of(bundle, trial.replays, head_items)
        if verification.ok:
            known_good.remember(bundle, names)
    if verification.ok:
        bundle.when_loaded()
    return verification


def try_bundle(
    bundle: Bundle, artifacts: Sequence[ArtifactName], rounds: int = 0, engine: EngineName | None = None
) -> TrialResult:
    """Load networks and replay their golden outputs in a child process.

    Args:
        artifacts: which; the first that ends the child ends the trial.
        rounds: time that many inferences of each that did well.
        engine: which runs them; None: the package's own for each.

    Raises:
        BundleError: the golden pictures are not what the manifest describes, so that nothing could be tried.
    """
    started = time.monotonic()
    memory_bytes = memory_limit(bundle.manifest, artifacts)
    command = [
        *(sys.executable, "-P", "-m", "waste_edge.engines.trial.child"),
        *(str(bundle.source), bundle.digest, str(memory_bytes), str(TRIAL_CPU_S), str(rounds)),
        *(engine or "", *artifacts),
    ]
    child = _Child(command, memory_bytes)
    replays: dict[ArtifactName, Replay] = {}
    latency_ms: dict[ArtifactName, float] = {}
    doing, current = "starting", artifacts[0]
    with contextlib.closing(child):
        for word in child.words():
            doing, current = word.doing or doing, word.artifact or current
            if word.replay is not None:
                replays[word.replay.artifact] = word.replay
            latency_ms |= word.latency_ms
    if child.complaint:
        raise BundleError(child.complaint)
    if child.ending and current not in replays:
        remedy = "install another version of it" if doing.startswith("importing") else "do not use this bundle here"
        reason = f"{child.ending} while {doing}; {remedy}"
        replays[current] = not_replayed(bundle.manifest, current, "failed", reason)
    for name in artifacts:
        if name not in replays:
            replays[name] = not_replayed(bundle.manifest, name, "skipped", f"not tried, because of {current}")
    return TrialResult(
        replays=[replays[name] for name in artifacts],
        latency_ms=latency_ms,
        seconds=round(time.monotonic() - started, 2),
        peak_mb=round(child.peak_bytes / 1e6, 1),
    )


def memory_limit(manifest: Manifest, artifacts: Sequence[ArtifactName]) -> int:
    """Bytes that a child may have: an engine's own, and what networks of these sizes may well need."""
    largest = max(manifest.artifacts[name].size_bytes for name in artifacts)
    floats = 4 * 3 * manifest.input.width_px * manifest.input.height_px
    return TRIAL_BASE_BYTES + TRIAL_NETWORK_FILES * largest + TRIAL_INPUTS * floats


class _Child:
    """The child process, heard out with patience, and ended when it takes too much.

    Attributes:
        ending: how it ended, in words; empty while it runs and if it ended well.
        complaint: what is wrong with the bundle, if it could not begin.
        peak_bytes: the most memory it was seen to have.
    """

    def __init__(self, command: Sequence[str], memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self.ending = ""
        self.complaint = ""
        self.peak_bytes = 0
        self._stderr = b""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )

    def words(self) -> Iterator[ChildReport]:
        """Yield the child's messages until it has ended; `ending` is set then."""
        pending, deadline = b"", time.monotonic() + TRIAL_PATIENCE_S
        for chunk in self._chunks():
            pending += chunk
            *lines, pending = pending.split(b"\n")
            for line in lines:
                deadline = time.monotonic() + TRIAL_PATIENCE_S
                yield msgspec.json.decode(line, type=ChildReport)
            self.peak_bytes = max(self.peak_bytes, _resident_bytes(self._process.pid))
            if self.peak_bytes > self._memory_bytes + TRIAL_SHARED_BYTES:
                self.ending = f"took more than {self._memory_bytes >> 20} MiB of memory"
            elif time.monotonic() > deadline:
                self.ending = f"gave no answer within {TRIAL_PATIENCE_S:g} s"
            elif len(pending) > _MAX_REPORT_BYTES:
                self.ending = "wrote nonsense"
            if self.ending:
                return
        self.ending = self._ended(self._process.wait())

    def close(self) -> None:
        """End it and all that it may have started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _chunks(self) -> Iterator[bytes]:
        """Yield what comes from its stdout, empty at each tick, until it is closed; stderr is kept for `ending`."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        out, complaints = self._process.stdout.fileno(), self._process.stderr.fileno()
        with selectors.DefaultSelector() as selector:
            for handle in (out, complaints):
                os.set_blocking(handle, False)
                selector.register(handle, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(_TICK_S):
                    chunk = os.read(key.fd, 1 << 16)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif key.fd == out:
                        yield chunk
                    else:
                        self._stderr = (self._stderr + chunk)[-_MAX_COMPLAINT_BYTES:]
                yield b""

    def _ended(self, code: int) -> str:
        if code == 0:
            return ""
        said = self._stderr.decode("utf-8", "replace").strip().splitlines()
        if code == -signal.SIGXCPU:
            return f"took more than {TRIAL_CPU_S} s of processor time"
        if b"bad_alloc" in self._stderr or b"MemoryError" in self._stderr:
            return f"took more than {self._memory_bytes >> 20} MiB of memory"
        if code == -signal.SIGILL:
            return "died of SIGILL, an instruction that this processor lacks,"
        if code < 0:
            return f"died of {signal.Signals(-code).name}"
        if code == 2 and said:
            self.complaint = said[-1]
        return f"ended with {said[-1][:200]}" if said else f"ended with exit code {code}"


def _environment() -> dict[str, str]:
    """Build the child's environment: what it needs to find its libraries, without secrets."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return ONE_THREAD | kept | NO_TELEMETRY | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _with_source(bundle: Bundle, replay: Replay) -> str:
    source = str(bundle.source)
    said = replay.reason if replay.reason.startswith(source) else f"{source}: {replay.artifact}: {replay.reason}"
    return f"{said} (tried in a process of its own)"
