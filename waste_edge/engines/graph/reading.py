"""Read a network's graph from its file, by the reader of its format."""

from __future__ import annotations

from pathlib import Path

from waste_edge.bundle.files import NetworkFile, read_network
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.graph.graph import Graph
from waste_edge.engines.names import format_of


def read_graph(network: Path | NetworkFile, artifact: ArtifactName) -> Graph:
    """Read a network: the bytes that were read from a bundle, or a file.

    Raises:
        BundleError: it is not a readable file of its kind.
        MissingPackageError: a TFLite file, and ai-edge-litert is not installed (tflite-runtime brings no schema).
    """
    file = network if isinstance(network, NetworkFile) else read_network(network)
    if format_of(artifact) == "onnx":
        from waste_edge.engines.graph.onnx_reader import read_onnx

        return read_onnx(file)
    from waste_edge.engines.graph.tflite_reader import read_tflite

    return read_tflite(file)
