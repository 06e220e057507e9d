"""What every artifact of the default bundle answers to the golden pictures, as JSON; two Pythons run it."""

from __future__ import annotations

import contextlib
import json
import platform
from importlib.metadata import version

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.engines.engine import load_engine
from waste_edge.engines.verify import read_golden
from waste_edge.errors import WasteEdgeError
from waste_edge.files.resources import DEFAULT_BUNDLE
from waste_edge.metrics.classification import softmax

answers: dict[str, list[list[float]]] = {}
with contextlib.closing(open_bundle(find_bundle(DEFAULT_BUNDLE), None)) as bundle:
    golden = read_golden(bundle)
    for artifact in bundle.manifest.artifacts:
        with contextlib.suppress(WasteEdgeError):  # `verify` says why
            engine = load_engine(bundle.artifact(artifact), artifact, bundle.manifest)
            logits = [engine.infer(picture).logits for picture in golden.pixels]
            answers[artifact] = [softmax(row, bundle.manifest.calibration.temperature).tolist() for row in logits]
libraries = ("numpy", "onnxruntime", "ai-edge-litert", "opencv-python-headless")
print(
    json.dumps(
        {
            "machine": platform.machine(),
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in libraries},
            "labels": list(bundle.manifest.labels),
            "probabilities": answers,
        }
    )
)
