"""Graphs read by their format's reader and looked through for a target: what `waste-edge inspect --graph` shows."""

from __future__ import annotations

from pathlib import Path

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.files import NetworkFile, read_network
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.graph.graph import ByteCount, Graph
from waste_edge.engines.graph.rules import Finding, Target, check_graph, default_target, read_target
from waste_edge.engines.graph.untrusted import check_network
from waste_edge.engines.names import format_of
from waste_edge.errors import MissingPackageError, UserError
from waste_edge.files.strict import Strict


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


class GraphReport(Strict, frozen=True):
    """Report on one artifact's graph.

    Attributes:
        artifact: its name in the manifest.
        target: what it was checked for; empty if it was not.
        operators: how many of each kind.
        findings: what should not be there; empty is well.
        size: what its bytes are for; None if it was not read.
        bytes_per_parameter: the file's size by the network's parameters; None if it was not read.
        skipped: why it was not checked; empty if it was.
    """

    artifact: ArtifactName
    target: str
    operators: dict[str, int]
    findings: list[Finding]
    size: ByteCount | None
    bytes_per_parameter: float | None
    skipped: str


def report_graphs(bundle: Bundle, target: Target | None = None) -> list[GraphReport]:
    """Look through every artifact, each for the target it is made for if none is given.

    Raises:
        BundleError: a file is damaged.
        UserError: the bundle holds nothing that runs on the target.
    """
    reports = [_report(bundle, artifact, target) for artifact in bundle.manifest.artifacts]
    if target is not None and not any(artifact in target.artifacts for artifact in bundle.manifest.artifacts):
        raise UserError(
            f"{bundle.source}: has none of the artifacts that {target.name} runs ({', '.join(target.artifacts)}); "
            "name another --target"
        )
    return reports


def check_file(path: Path, artifact: ArtifactName, target: Target, float_layers: bool = False) -> list[Finding]:
    """Check one file; see `check_graph`."""
    return check_graph(read_graph(path, artifact), artifact, target, float_layers)


def _report(bundle: Bundle, artifact: ArtifactName, target: Target | None) -> GraphReport:
    chosen = target or read_target(default_target(artifact))
    if artifact not in chosen.artifacts:
        return _unread(artifact, f"not for {chosen.name}")
    network = bundle.artifact(artifact)
    check_network(network, artifact, bundle.manifest)
    try:
        graph = read_graph(network, artifact)
    except MissingPackageError as error:
        return _unread(artifact, str(error))
    return GraphReport(
        artifact=artifact,
        target=chosen.name,
        operators=graph.counts(),
        findings=check_graph(graph, artifact, chosen),
        size=graph.size,
        bytes_per_parameter=round(len(network.content) / bundle.manifest.parameters, 4),
        skipped="",
    )


def _unread(artifact: ArtifactName, reason: str) -> GraphReport:
    return GraphReport(
        artifact=artifact, target="", operators={}, findings=[], size=None, bytes_per_parameter=None, skipped=reason
    )
