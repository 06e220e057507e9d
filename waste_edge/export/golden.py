"""Golden inputs: a few pictures the project renders itself, and what every artifact answers to them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.manifest import ArtifactName, Golden, Tolerance
from waste_edge.engines.engine import Engine
from waste_edge.files.atomic import sha256_of, write_atomically
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec, prepare
from waste_edge.rendering.items.sprites import ITEM_LABELS
from waste_edge.rendering.scene import render_view

GOLDEN_NAME = "golden.npz"
_SEED = 20_261_121
# Other processors round and sum in another order; INT8 kernels may differ by a few steps a layer. The FP32
# bound is far above what rounding does and far below what a wrong preprocessing or a swapped channel does.
_FP32 = Tolerance(logits=0.01, features=0.01)
_INT8_SHARE_OF_RANGE = 0.05


def golden_inputs(spec: InputSpec) -> list[Pixels]:
    """One rendered view for each kind of item, prepared, uint8 (H, W, 3) each."""
    views = [
        render_view(label, np.random.default_rng([_SEED, index]), 320, 240) for index, label in enumerate(ITEM_LABELS)
    ]
    return [prepare(view, spec) for view in views]


def write_golden(folder: Path, engines: Mapping[ArtifactName, Engine], spec: InputSpec) -> Golden:
    """Ask every engine about the golden inputs, write the answers, and say how far others may be off."""
    inputs = golden_inputs(spec)
    arrays: dict[str, NDArray[Any]] = {"pixels": np.stack(inputs)}
    tolerance: dict[ArtifactName, Tolerance] = {}
    for name, engine in engines.items():
        answers = [engine.infer(pixels) for pixels in inputs]
        logits, features = np.stack([a.logits for a in answers]), np.stack([a.features for a in answers])
        arrays |= {f"{name}.logits": logits, f"{name}.features": features}
        tolerance[name] = (
            _FP32 if name.endswith("fp32") else Tolerance(logits=_steps(logits), features=_steps(features))
        )
    packed = io.BytesIO()
    # numpy 2 has a keyword before the arrays, which its type stub takes them for.
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    path = folder / GOLDEN_NAME
    write_atomically(path, packed.getvalue())
    return Golden(
        file=GOLDEN_NAME,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        pictures=len(inputs),
        tolerance=tolerance,
    )


def _steps(values: NDArray[np.float32]) -> float:
    """A twentieth of the range of values: about a dozen INT8 steps."""
    return round(float(np.ptp(values)) * _INT8_SHARE_OF_RANGE, 4)
