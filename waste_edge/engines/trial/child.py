"""The process in which networks are tried.

    python -m waste_edge.engines.trial.child SOURCE DIGEST BYTES CPU ROUNDS ENGINE ARTIFACT...

ENGINE is empty for the package's own engine of each artifact. The child opens the bundle itself, insists on the digest
that its parent has seen, and writes a line of JSON (`trial.ChildReport`) before each step and after each network. It
ends with 0 however the networks did; that it does not end, or ends otherwise, is what it is for.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.engine import Engine, engine_of, import_engine, load_engine, median_latencies_ms
from waste_edge.engines.graph.untrusted import check_network
from waste_edge.engines.names import EngineName
from waste_edge.engines.trial.trial import ChildReport
from waste_edge.engines.verify import GoldenSet, Replay, compare, not_replayed, read_golden
from waste_edge.errors import BundleError, ConfigError, EngineError, MissingPackageError
from waste_edge.files.limits import TRIAL_FILE_BYTES
from waste_edge.files.strict import encode_json
from waste_edge.files.text import first_line

_WARM_UP = 2


def main(words: list[str]) -> int:
    """Try what was asked for; returns the exit code."""
    source, digest, memory_bytes, cpu_s, rounds, named = words[:6]
    artifacts = cast(list[ArtifactName], words[6:])
    say = _Mouth()
    _limit(int(memory_bytes))
    with open_bundle(Path(source)) as bundle:
        if bundle.digest != digest:
            raise BundleError(f"{source}: was changed while it was opened; try again")
        golden = read_golden(bundle)
        engines: dict[ArtifactName, Engine] = {}
        for artifact in artifacts:
            name = named or engine_of(artifact)
            say(ChildReport(doing=f"importing the engine {name}", artifact=artifact))
            replay = _try(_Attempt(bundle, artifact, name, int(cpu_s)), golden, say, engines)
            say(ChildReport(replay=replay))
    if int(rounds) and engines:
        _limit_cpu(int(cpu_s) * len(engines))
        say(ChildReport(doing="being timed"))
        say(ChildReport(latency_ms=median_latencies_ms(engines, golden.pixels[0], int(rounds), _WARM_UP)))
    return 0


class _Mouth:
    """Writes lines to what was stdout; whatever an engine prints goes to stderr."""

    def __init__(self) -> None:
        self._handle = os.dup(1)
        os.dup2(2, 1)

    def __call__(self, word: ChildReport) -> None:
        os.write(self._handle, encode_json(word) + b"\n")


@dataclass(frozen=True)
class _Attempt:
    """One network that is to be tried, on which engine, and how much processor time that may take."""

    bundle: Bundle
    artifact: ArtifactName
    engine: EngineName
    cpu_s: int


def _try(attempt: _Attempt, golden: GoldenSet, say: _Mouth, engines: dict[ArtifactName, Engine]) -> Replay:
    artifact, manifest = attempt.artifact, attempt.bundle.manifest
    try:
        import_engine(attempt.engine)
        network = attempt.bundle.artifact(artifact)
        _limit_cpu(attempt.cpu_s)
        say(ChildReport(doing="being read"))
        check_network(network, artifact, manifest)
        say(ChildReport(doing="being loaded"))
        engine = load_engine(network, artifact, manifest, engine=attempt.engine)
        say(ChildReport(doing="answering the golden pictures"))
        answers = [engine.infer(picture) for picture in golden.pixels]
    except MissingPackageError as error:
        return not_replayed(manifest, artifact, "skipped", str(error))
    except ImportError as error:
        said = first_line(error)
        return not_replayed(manifest, artifact, "failed", f"its engine cannot be imported ({said}); reinstall it")
    except (BundleError, ConfigError, EngineError) as error:
        return not_replayed(manifest, artifact, "failed", first_line(error))
    except MemoryError:
        return not_replayed(manifest, artifact, "failed", "needs more memory than a network of its size may take")
    replay = compare(manifest, artifact, engine.name, answers, golden.outputs[artifact])
    if replay.status == "ok":
        engines[artifact] = engine
    return replay


def _limit(memory_bytes: int) -> None:
    """Limit the process: no core file, no large file, bounded memory."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, TRIAL_FILE_BYTES),
        (resource.RLIMIT_DATA, memory_bytes),
    ):
        _lower(what, most)


def _limit_cpu(seconds: int) -> None:
    """Limit the processor time to so many seconds from now on; then SIGXCPU ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, resource.RLIM_INFINITY))


def _lower(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BundleError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
