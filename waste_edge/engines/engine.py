"""List of installed engines, and loading; the table of engines is in `names.py`.

Also the quick latency of each artifact on this machine, shown beside sizes. `waste-edge bench` measures properly.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import numpy as np

from waste_edge.bundle.files import NetworkFile, read_network
from waste_edge.bundle.manifest import ArtifactName, Manifest
from waste_edge.engines.interface import Engine as Engine
from waste_edge.engines.interface import HeadedEngine, Opener
from waste_edge.engines.interface import Output as Output
from waste_edge.engines.names import ENGINES, engine_spec, format_of
from waste_edge.engines.names import EngineName as EngineName
from waste_edge.engines.names import Precision as Precision
from waste_edge.errors import BundleError, ConfigError, EngineError, MissingPackageError
from waste_edge.imaging.frames import Pixels
from waste_edge.plugins import resolve

ENGINE_NAMES: tuple[EngineName, ...] = tuple(ENGINES)
NOT_FINITE = "numbers that are not finite (NaN or infinite); this network cannot be used"
Name = TypeVar("Name")


def engine_of(artifact: ArtifactName) -> EngineName:
    """The package's own engine that runs an artifact: ONNX files run on ONNX Runtime, TFLite files on LiteRT."""
    return next(spec.name for spec in ENGINES.values() if spec.format == format_of(artifact))


def artifact_of(engine: EngineName, precision: Precision) -> ArtifactName:
    """The artifact an engine runs at a precision."""
    return cast(ArtifactName, f"{engine_spec(engine).format}-{precision}")


def modules_of(engine: EngineName) -> tuple[str, ...]:
    """The modules of which an engine needs one, the preferred first."""
    return engine_spec(engine).modules


def import_engine(engine: EngineName) -> None:
    """Import an engine's library, which may end the process on a processor that it was not built for.

    Raises:
        MissingPackageError: it is not installed.
        ImportError: it is, and a library that it needs is not.
    """
    require_engine(engine)
    spec = engine_spec(engine)
    resolve(spec.opener)
    if spec.importer:
        cast(Callable[[], object], resolve(spec.importer))()


def installed_engines() -> list[EngineName]:
    """The package's engines whose library is installed, preferred first; nothing is imported."""
    return [name for name in ENGINE_NAMES if is_installed(name)]


def is_installed(engine: EngineName) -> bool:
    """Return whether an engine's library is installed; it is not imported."""
    return any(importlib.util.find_spec(module) for module in modules_of(engine))


def require_engine(wanted: EngineName) -> None:
    """Raise MissingPackageError, naming what to install, unless the engine's package is installed."""
    if not (wanted in installed_engines() if wanted in ENGINES else is_installed(wanted)):
        raise MissingPackageError(f"engine {wanted}: not installed here; pip install {engine_spec(wanted).package}")


def open_engine(
    network: Path | NetworkFile, artifact: ArtifactName, threads: int = 1, engine: EngineName | None = None
) -> Engine:
    """Load a network: the bytes that were read from a bundle, or a file of our own making.

    Args:
        network: the file.
        artifact: what it is.
        threads: of the engine.
        engine: which one; None: the package's own for such artifacts.

    Raises:
        MissingPackageError: the engine is not installed.
        BundleError: the file does not load, or its input and outputs are not what an artifact has.
        ConfigError: the engine runs no such artifacts, or is a plug-in that cannot be loaded.
    """
    name = engine or engine_of(artifact)
    require_engine(name)
    spec = engine_spec(name)
    if spec.format != format_of(artifact):
        raise ConfigError(f"engine {name}: runs {spec.format} networks, and {artifact} is none")
    file = network if isinstance(network, NetworkFile) else read_network(network)
    opener = cast(Opener, resolve(spec.opener))
    return opener(file, threads)


def load_engine(
    network: Path | NetworkFile,
    artifact: ArtifactName,
    manifest: Manifest,
    threads: int = 1,
    engine: EngineName | None = None,
) -> Engine:
    """Load a network and check that it is the one the manifest describes; with the station's head if there is one.

    Whether it may be loaded in this process is not asked here; see `trial.load_artifact`.

    Raises:
        MissingPackageError, BundleError, ConfigError: see `open_engine`; also where labels or features do not match.
        EngineError: the engine failed while running it.
    """
    loaded = open_engine(network, artifact, threads, engine)
    file = network if isinstance(network, NetworkFile) else NetworkFile(network, b"")
    _check_outputs(loaded, file.path, manifest)
    if (file.head is None) is bool(manifest.head):
        raise BundleError(f"{file.path}: was read without the head that the manifest names; open it through its bundle")
    return loaded if file.head is None else HeadedEngine(loaded, file.head)


def _check_outputs(engine: Engine, path: Path, manifest: Manifest) -> None:
    spec = manifest.input
    try:
        output = engine.infer(np.full((spec.height_px, spec.width_px, 3), 128, np.uint8))
    except EngineError as error:
        raise BundleError(
            f"{path}: the network does not take the manifest's {spec.width_px}x{spec.height_px} pixels ({error})"
        ) from error
    if output.logits.shape != (len(manifest.network_labels),):
        raise BundleError(
            f"{path}: the network gives {output.logits.size} logits, the manifest has "
            f"{len(manifest.network_labels)} labels; the two do not belong together"
        )
    if output.features.shape != (manifest.features,):
        raise BundleError(
            f"{path}: the network gives {output.features.size} features, the manifest says {manifest.features}"
        )
    if not is_finite(output):
        raise BundleError(f"{path}: the network gives {NOT_FINITE}")


def is_finite(output: Output) -> bool:
    """Return whether all numbers of an answer can be compared with a threshold: a NaN would pass every one."""
    return bool(np.isfinite(output.logits).all() and np.isfinite(output.features).all())


class Taken(NamedTuple):
    """Milliseconds by the clock, and those that the calling thread worked: far fewer where others took the core.

    On a busy machine taking turns is not enough: a call of many milliseconds is interrupted, one of half a
    millisecond hardly ever.
    """

    wall_ms: float
    cpu_ms: float


def median_latencies_ms(
    engines: Mapping[ArtifactName, Engine], pixels: Pixels, rounds: int = 60, warm_up: int = 5
) -> dict[ArtifactName, float]:
    """Median milliseconds of one inference by artifact, in turn so that other work on the machine meets all alike.

    Args:
        engines: opened with the threads to measure.
        pixels: one prepared picture, uint8 (H, W, 3).
        rounds: timed ones.
        warm_up: rounds before them, not timed.
    """
    calls = {name: partial(engine.infer, pixels) for name, engine in engines.items()}
    return {name: taken.wall_ms for name, taken in times_in_turn(calls, rounds, warm_up).items()}


def times_in_turn(calls: Mapping[Name, Callable[[], object]], rounds: int = 60, warm_up: int = 5) -> dict[Name, Taken]:
    """Median times of each call, which runs on one thread, the calls taking turns; arguments as above."""
    taken_ms: dict[Name, list[Taken]] = {name: [] for name in calls}
    for turn in range(warm_up + rounds):
        for name, call in calls.items():
            started, worked = time.perf_counter_ns(), time.thread_time_ns()
            call()
            worked = time.thread_time_ns() - worked
            if turn >= warm_up:
                taken_ms[name].append(Taken((time.perf_counter_ns() - started) / 1e6, worked / 1e6))
    return {
        name: Taken(*(float(np.median(taken)) for taken in zip(*all_, strict=True))) for name, all_ in taken_ms.items()
    }
