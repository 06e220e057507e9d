"""What every artifact of the bundles that are named answers to their golden pictures, as JSON; two Pythons run it.

python answers.py small accurate
"""

from __future__ import annotations

import contextlib
import json
import platform
import sys
from importlib.metadata import version

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.engines.engine import load_engine
from waste_edge.engines.verify import read_golden
from waste_edge.errors import WasteEdgeError
from waste_edge.metrics.classification import softmax

answers: dict[str, list[list[float]]] = {}
for name in sys.argv[1:]:
    with contextlib.closing(open_bundle(find_bundle(name), None)) as bundle:
        golden = read_golden(bundle)
        for artifact in bundle.manifest.artifacts:
            with contextlib.suppress(WasteEdgeError):  # `verify` says why
                engine = load_engine(bundle.artifact(artifact), artifact, bundle.manifest)
                logits = [engine.infer(picture).logits for picture in golden.pixels]
                temperature = bundle.manifest.calibration.temperature
                answers[f"{name} {artifact}"] = [softmax(row, temperature).tolist() for row in logits]
libraries = ("numpy", "onnxruntime", "ai-edge-litert", "opencv-python-headless")
print(
    json.dumps(
        {
            "machine": platform.machine(),
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in libraries},
            "probabilities": answers,
        }
    )
)
