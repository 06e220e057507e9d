"""A target: what runs the network at the bin, and the operators it is good at. One `export/targets/*.toml` each."""

from __future__ import annotations

import msgspec

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.names import NetworkFormat, format_of
from waste_edge.files.resources import find
from waste_edge.files.strict import Strict, read_toml

TARGETS_ROOM = "export/targets"
_DEFAULTS: dict[NetworkFormat, str] = {"onnx": "ort-cpu", "tflite": "xnnpack-arm64"}


class Operators(Strict, frozen=True):
    """An allow-list for one precision.

    Attributes:
        operators: may stand anywhere.
        entry: may stand once, on the pixels, before anything else: what turns them into float.
    """

    operators: list[str]
    entry: list[str] = msgspec.field(default_factory=list)


class Target(Strict, frozen=True):
    """Attributes:
    name: as on the command line.
    artifacts: which of a bundle's artifacts can run there.
    based_on: where the lists are from.
    fp32, int8: the lists; None where the target runs no such network.
    """

    name: str
    artifacts: list[ArtifactName]
    based_on: list[str]
    fp32: Operators | None = None
    int8: Operators | None = None

    def __post_init__(self) -> None:
        missing = [artifact for artifact in self.artifacts if self._listed(artifact) is None]
        if missing or not self.artifacts or not self.based_on:
            raise ValueError("a target needs artifacts, a list of operators for each one's precision, and based_on")

    def _listed(self, artifact: ArtifactName) -> Operators | None:
        return self.int8 if artifact.endswith("int8") else self.fp32

    def allowed(self, artifact: ArtifactName) -> Operators:
        """The allow-list for one of the target's own artifacts."""
        listed = self._listed(artifact)
        assert listed is not None, f"{artifact} is not for {self.name}"  # callers ask for `artifacts` only
        return listed


def read_target(given: str) -> Target:
    """Read a target by path or shipped name; raises ConfigError naming what is wrong."""
    return read_toml(find(given, TARGETS_ROOM), Target)


def default_target(artifact: ArtifactName) -> str:
    """The target an artifact is made for where nobody names one."""
    return _DEFAULTS[format_of(artifact)]
