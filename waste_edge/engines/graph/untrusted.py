"""Checks of an untrusted network before an engine sees it.

A classifier's network needs no other file, decides nothing while it runs, and takes the pixels that its manifest says.
External data would be weights that no checksum covers; a loop may never end; a tensor that claims more than the file
holds, or more than any layer of such an input makes, fills the memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from waste_edge.bundle.files import NetworkFile
from waste_edge.bundle.manifest import ArtifactName, Manifest
from waste_edge.engines.graph.graph import RefusedNetworkError
from waste_edge.engines.graph.untrusted_onnx import check_onnx
from waste_edge.engines.graph.untrusted_tflite import check_tflite
from waste_edge.engines.names import NetworkFormat, format_of
from waste_edge.errors import BundleError
from waste_edge.files.limits import MAX_LAYER_BYTES, MAX_LAYER_INPUTS

_CHECKS: dict[NetworkFormat, tuple[Callable[[bytes, tuple[int, ...], int], None], str]] = {
    "onnx": (check_onnx, "ONNX"),
    "tflite": (check_tflite, "TFLite"),
}


def check_network(network: NetworkFile, artifact: ArtifactName, manifest: Manifest) -> None:
    """Look through a network without running it.

    Raises:
        BundleError: it is refused, and why; or it is no whole file of its kind.
    """
    check, kind = _CHECKS[format_of(artifact)]
    shape = (1, manifest.input.height_px, manifest.input.width_px, 3)
    try:
        check(network.content, shape, most_bytes(manifest))
    except RefusedNetworkError as error:
        raise BundleError(f"{network.path}: {error}; this is not a network of ours, do not use it") from error
    except (struct.error, IndexError, ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        what = f"not a whole {kind} file ({error})"
        raise BundleError(f"{network.path}: {what}; export or copy the bundle again") from error


def most_bytes(manifest: Manifest) -> int:
    """Size limit, in bytes, of one tensor that a layer makes."""
    return max(MAX_LAYER_BYTES, MAX_LAYER_INPUTS * 4 * 3 * manifest.input.width_px * manifest.input.height_px)
