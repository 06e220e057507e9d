"""waste-edge: a waste classifier that deserves trust, on a 35-euro board at a real bin.

    from waste_edge import Classifier

    classifier = Classifier.load("small")
    print(classifier.classify("bottle.jpg").label)

`waste_edge.api` describes every name. Importing `waste_edge` alone imports nothing else: each name is loaded at its
first use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

# From a checkout, or by another interpreter than pip's, this is reached without anybody having asked for the version.
# Nothing above may be newer than Python 3.7.
if sys.version_info < (3, 11) or sys.maxsize < 2**32:
    sys.stderr.write(
        "waste-edge: needs Python 3.11 or later with 64 bits, this is {}.{} with {}; Raspberry Pi OS (64-bit) Bookworm "
        "or later has it\n".format(*sys.version_info[:2], 64 if sys.maxsize > 2**32 else 32)
    )
    raise SystemExit(2)

if TYPE_CHECKING:
    from waste_edge.api import (
        Bundle,
        BundleError,
        CameraError,
        Classifier,
        ConfigError,
        DataError,
        Decision,
        EngineError,
        Evaluation,
        Event,
        GateError,
        GraphError,
        MissingPackageError,
        PictureError,
        Prediction,
        RunError,
        Site,
        Station,
        UserError,
        WasteEdgeError,
        distill,
        evaluate,
        export,
        train,
    )

from waste_edge.libraries import switch_off_telemetry

__version__ = "0.1.0"

switch_off_telemetry()

__all__ = [
    "Bundle",
    "BundleError",
    "CameraError",
    "Classifier",
    "ConfigError",
    "DataError",
    "Decision",
    "EngineError",
    "Evaluation",
    "Event",
    "GateError",
    "GraphError",
    "MissingPackageError",
    "PictureError",
    "Prediction",
    "RunError",
    "Site",
    "Station",
    "UserError",
    "WasteEdgeError",
    "distill",
    "evaluate",
    "export",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562), so that `import waste_edge` stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from waste_edge import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
