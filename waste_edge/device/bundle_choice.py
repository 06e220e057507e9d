"""`bundle = "auto"`: the most accurate shipped bundle that this board can afford, measured once and remembered.

What a look takes is remembered in `speeds.json`, in the station's folder or else the user's cache, together with what
the machine is. Another machine, another bundle or a damaged file: it is measured again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import MANIFEST_NAME, ArtifactName
from waste_edge.device.system.board import Board
from waste_edge.device.vision.inspection import BUDGET_MS, look_ms_of
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.engine import artifact_of, installed_engines
from waste_edge.engines.names import AUTO, ENGINES, EngineName, Precision
from waste_edge.errors import ConfigError, WasteEdgeError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.resources import AUTO_BUNDLE, BUNDLES
from waste_edge.files.strict import Strict, read_json, to_json

LEAST_LOOKS = 2  # an item's looks that a bundle must manage within the budget
SPEEDS = "speeds.json"
_MAX_KEPT = 32  # measurements remembered


class Speed(Strict, frozen=True):
    """Measured time of one look at an item.

    Attributes:
        manifest: SHA-256 of the bundle's manifest.
        artifact, threads: which network, on how many threads.
        look_ms: the least of some.
        engine: that of a plug-in; empty for the package's own.
    """

    manifest: str
    artifact: str
    threads: int
    look_ms: float
    engine: str = ""


class Speeds(Strict, frozen=True):
    """The file: what was measured, and what the machine was then."""

    machine: str
    speeds: list[Speed]


@dataclass(frozen=True)
class EngineWish:
    """Engine, artifact and threads to run a bundle with, as the options of the same names."""

    engine: EngineName = "auto"
    precision: Precision = "int8"
    threads: int = 1


@dataclass(frozen=True)
class BundleChoice:
    """Chosen bundle and the reason.

    Attributes:
        bundle: its name or path.
        reason: one line for people; empty for one that was named.
        look_ms: what a look takes here; None where that was not needed.
    """

    bundle: str
    reason: str = ""
    look_ms: float | None = None


Opens = Callable[[str], AbstractContextManager[Bundle]]


@dataclass(frozen=True)
class _Tried:
    """A bundle that can be run here, and what a look takes."""

    name: str
    look_ms: float

    @property
    def fits(self) -> bool:
        return LEAST_LOOKS * self.look_ms <= BUDGET_MS


def choose_bundle(
    given: str, opens: Opens, wish: EngineWish, folder: Path | None, remember: bool = True
) -> BundleChoice:
    """Resolve a station's `bundle` option to a bundle.

    Args:
        given: a name or path, which is obeyed; or `auto`.
        opens: opens a bundle by its name.
        wish: how it will be run.
        folder: where measurements are kept; None: the user's cache.
        remember: write what was measured. A folder that cannot be written is no error.

    Raises:
        WasteEdgeError: no shipped bundle can be run; the reason of the most accurate one.
    """
    if given != AUTO_BUNDLE:
        return BundleChoice(given)
    path = (cache_folder() if folder is None else folder) / SPEEDS
    known = _read(path)
    count = len(known)
    tried = _try_in_order(opens, wish, known)
    if remember and len(known) > count:
        with suppress(OSError, WasteEdgeError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, to_json(Speeds(machine=machine_identity(), speeds=known[-_MAX_KEPT:])))
    best = tried[-1] if tried[-1].fits else min(tried, key=lambda one: one.look_ms)
    return BundleChoice(best.name, _reason(best, [one for one in tried if not one.fits]), best.look_ms)


def _try_in_order(opens: Opens, wish: EngineWish, known: list[Speed]) -> list[_Tried]:
    """The shipped bundles from the most accurate one to the first that fits; those that cannot be run left out."""
    tried: list[_Tried] = []
    failed: WasteEdgeError | None = None
    for name in shipped_by_accuracy():
        try:
            with opens(name) as bundle:
                tried.append(_Tried(name, _look_ms(bundle, wish, known)))
        except WasteEdgeError as error:
            failed = failed or error
            continue
        if tried[-1].fits:
            break
    if not tried:
        raise failed or ConfigError(f"bundle auto: no bundle ships with this installation ({BUNDLES}); name one")
    return tried


def shipped_by_accuracy() -> list[str]:
    """The shipped bundles' names, the most accurate first, by the scores in their manifests."""
    folders = [path for path in BUNDLES.iterdir() if (path / MANIFEST_NAME).is_file()] if BUNDLES.is_dir() else []
    return [folder.name for folder in sorted(folders, key=lambda folder: (-_accuracy(folder), folder.name))]


def machine_identity(board: Board | None = None) -> str:
    """Hash what a measurement depends on: board, processor, usable cores and engines; 16 hex digits."""
    readings = (board or Board()).read()
    cores = sorted(os.sched_getaffinity(0))
    facts = (readings.model, readings.cpu, readings.int8_features, cores, installed_engines())
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's cache for this program."""
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "waste-edge"


def _accuracy(folder: Path) -> float:
    """The better of a bundle's INT8 artifacts; 0 if the manifest cannot be read, which opening it will say."""
    try:
        scores = msgspec.json.decode((folder / MANIFEST_NAME).read_bytes())["metrics"]["artifacts"]
        return float(max(one["scores"]["accuracy"] for name, one in scores.items() if name.endswith("int8")))
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return 0.0


def _look_ms(bundle: Bundle, wish: EngineWish, known: list[Speed]) -> float:
    """Remembered, or measured now and added to what is known."""
    digest = bundle.digest
    artifact = _artifact(bundle, wish)
    plugin = "" if wish.engine in (AUTO, *ENGINES) else wish.engine
    for one in known:
        if (one.manifest, one.artifact, one.threads, one.engine) == (digest, artifact, wish.threads, plugin):
            return one.look_ms
    classifier = load_classifier(bundle, wish.engine, wish.precision, wish.threads)
    look_ms = round(look_ms_of(classifier), 3)
    known.append(Speed(digest, classifier.artifact, wish.threads, look_ms, plugin))
    return look_ms


def _artifact(bundle: Bundle, wish: EngineWish) -> ArtifactName | None:
    """Name the network that would be loaded; None if none can be, which loading will report."""
    engines = installed_engines() if wish.engine == AUTO else (wish.engine,)
    names = (artifact_of(engine, wish.precision) for engine in engines)
    return next((name for name in names if name in bundle.manifest.artifacts), None)


def _read(path: Path) -> list[Speed]:
    """Read this machine's remembered speeds; empty if the file is absent, damaged or another machine's."""
    try:
        kept = read_json(path, Speeds)
    except (OSError, WasteEdgeError):
        return []
    sound = all(0 < one.look_ms < 3_600_000 for one in kept.speeds)
    return list(kept.speeds) if sound and kept.machine == machine_identity() else []


def _reason(best: _Tried, slow: list[_Tried]) -> str:
    fits = f"{best.look_ms:.1f} ms a look here, an item may take {BUDGET_MS:.0f} ms"
    if not best.fits:
        return f"auto chose {best.name}: none that ships is quick enough, and it takes the least: {fits}"
    if not slow:
        return f"auto chose {best.name}, the most accurate one: {fits}"
    others = " and ".join(f"{one.name} would take {one.look_ms:.0f} ms" for one in slow)
    return f"auto chose {best.name}: {fits}; {others}"
