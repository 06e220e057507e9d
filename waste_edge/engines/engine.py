"""What an engine is, which are installed, and how one is loaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.manifest import ArtifactName, Manifest
from waste_edge.engines.names import EngineName as EngineName
from waste_edge.engines.names import Precision as Precision
from waste_edge.errors import BundleError, EngineError, MissingPackageError
from waste_edge.imaging.frames import Pixels

ENGINE_NAMES: tuple[EngineName, ...] = ("litert", "onnx")  # in the order `auto` prefers them
LITERT_MODULES = ("ai_edge_litert", "tflite_runtime")  # same Interpreter, the maintained one first


class Output(NamedTuple):
    """One picture's answer: `logits` float32 (C,) and pooled `features` float32 (F,)."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class Engine(Protocol):
    """A loaded network. `name` says which library, with its version, runs it."""

    name: str

    def infer(self, pixels: Pixels) -> Output:
        """Answer for uint8 (H, W, 3) RGB of exactly the network's input size."""
        ...


def engine_of(artifact: ArtifactName) -> EngineName:
    """The engine that runs an artifact: ONNX files run on ONNX Runtime, TFLite files on LiteRT."""
    return "onnx" if artifact.startswith("onnx") else "litert"


def artifact_of(engine: EngineName, precision: Precision) -> ArtifactName:
    """The artifact an engine runs at a precision."""
    if engine == "onnx":
        return "onnx-int8" if precision == "int8" else "onnx-fp32"
    return "tflite-int8" if precision == "int8" else "tflite-fp32"


def installed_engines() -> list[EngineName]:
    """Engines whose package is installed, preferred first; nothing is imported."""
    present: dict[EngineName, bool] = {
        "litert": any(importlib.util.find_spec(module) for module in LITERT_MODULES),
        "onnx": importlib.util.find_spec("onnxruntime") is not None,
    }
    return [name for name in ENGINE_NAMES if present[name]]


def require_engine(wanted: EngineName) -> None:
    """Raise MissingPackageError, naming what to install, unless the engine's package is installed."""
    if wanted not in installed_engines():
        package = "onnxruntime" if wanted == "onnx" else "ai-edge-litert"
        raise MissingPackageError(f"engine {wanted}: not installed here; pip install {package}")


def open_engine(path: Path, artifact: ArtifactName, threads: int = 1) -> Engine:
    """Load an artifact's file.

    Raises:
        MissingPackageError: the engine is not installed.
        BundleError: the file does not load, or its input and outputs are not what an artifact has.
    """
    require_engine(engine_of(artifact))
    if engine_of(artifact) == "onnx":
        from waste_edge.engines.onnx import OnnxEngine

        return OnnxEngine(path, threads)
    from waste_edge.engines.litert import LiteRtEngine

    return LiteRtEngine(path, threads)


def load_engine(path: Path, artifact: ArtifactName, manifest: Manifest, threads: int = 1) -> Engine:
    """Load an artifact's file and check that it is the network the manifest describes.

    Raises:
        MissingPackageError, BundleError: see `open_engine`; also where labels or features do not match.
        EngineError: the engine failed while running it.
    """
    engine = open_engine(path, artifact, threads)
    _check_outputs(engine, path, manifest)
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
