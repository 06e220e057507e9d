"""Engine protocol, the list of installed engines, and loading."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from waste_edge.bundle.files import NetworkFile, read_network
from waste_edge.bundle.manifest import ArtifactName, Manifest
from waste_edge.engines.interface import Engine as Engine
from waste_edge.engines.interface import Output as Output
from waste_edge.engines.names import LITERT_MODULES as LITERT_MODULES
from waste_edge.engines.names import EngineName as EngineName
from waste_edge.engines.names import Precision as Precision
from waste_edge.errors import BundleError, EngineError, MissingPackageError

ENGINE_NAMES: tuple[EngineName, ...] = ("litert", "onnx")  # in the order `auto` prefers them


def engine_of(artifact: ArtifactName) -> EngineName:
    """The engine that runs an artifact: ONNX files run on ONNX Runtime, TFLite files on LiteRT."""
    return "onnx" if artifact.startswith("onnx") else "litert"


def artifact_of(engine: EngineName, precision: Precision) -> ArtifactName:
    """The artifact an engine runs at a precision."""
    if engine == "onnx":
        return "onnx-int8" if precision == "int8" else "onnx-fp32"
    return "tflite-int8" if precision == "int8" else "tflite-fp32"


def modules_of(engine: EngineName) -> tuple[str, ...]:
    """The modules of which an engine needs one, the preferred first."""
    return LITERT_MODULES if engine == "litert" else ("onnxruntime",)


def import_engine(engine: EngineName) -> None:
    """Import an engine's library, which may end the process on a processor that it was not built for.

    Raises:
        MissingPackageError: it is not installed.
        ImportError: it is, and a library that it needs is not.
    """
    require_engine(engine)
    if engine == "onnx":
        importlib.import_module("waste_edge.engines.onnx")
    else:
        importlib.import_module("waste_edge.engines.litert").find_interpreter()


def installed_engines() -> list[EngineName]:
    """Engines whose package is installed, preferred first; nothing is imported."""
    return [name for name in ENGINE_NAMES if any(importlib.util.find_spec(module) for module in modules_of(name))]


def require_engine(wanted: EngineName) -> None:
    """Raise MissingPackageError, naming what to install, unless the engine's package is installed."""
    if wanted not in installed_engines():
        package = "onnxruntime" if wanted == "onnx" else "ai-edge-litert"
        raise MissingPackageError(f"engine {wanted}: not installed here; pip install {package}")


def open_engine(network: Path | NetworkFile, artifact: ArtifactName, threads: int = 1) -> Engine:
    """Load a network: the bytes that were read from a bundle, or a file of our own making.

    Raises:
        MissingPackageError: the engine is not installed.
        BundleError: the file does not load, or its input and outputs are not what an artifact has.
    """
    require_engine(engine_of(artifact))
    file = network if isinstance(network, NetworkFile) else read_network(network)
    if engine_of(artifact) == "onnx":
        from waste_edge.engines.onnx import OnnxEngine

        return OnnxEngine(file, threads)
    from waste_edge.engines.litert import LiteRtEngine

    return LiteRtEngine(file, threads)


def load_engine(network: Path | NetworkFile, artifact: ArtifactName, manifest: Manifest, threads: int = 1) -> Engine:
    """Load a network and check that it is the one the manifest describes.

    Whether it may be loaded in this process is not asked here; see `trial.load_artifact`.

    Raises:
        MissingPackageError, BundleError: see `open_engine`; also where labels or features do not match.
        EngineError: the engine failed while running it.
    """
    engine = open_engine(network, artifact, threads)
    _check_outputs(engine, network.path if isinstance(network, NetworkFile) else network, manifest)
    return engine


def _check_outputs(engine: Engine, path: Path, manifest: Manifest) -> None:
    spec = manifest.input
    try:
        output = engine.infer(np.full((spec.height_px, spec.width_px, 3), 128, np.uint8))
    except EngineError as error:
        raise BundleError(
            f"{path}: the network does not take the manifest's {spec.width_px}x{spec.height_px} pixels ({error})"
        ) from error
    if output.logits.shape != (len(manifest.labels),):
        raise BundleError(
            f"{path}: the network gives {output.logits.size} logits, the manifest has "
            f"{len(manifest.labels)} labels; the two do not belong together"
        )
    if output.features.shape != (manifest.features,):
        raise BundleError(
            f"{path}: the network gives {output.features.size} features, the manifest says {manifest.features}"
        )
