"""Content of an artifact's file: operators, tensors, and the purpose of every byte.

Read without the libraries that made the file, so that a board can look at its own network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from waste_edge.files.strict import Strict


class RefusedNetworkError(Exception):
    """A network holds what no network of ours does."""


@dataclass(frozen=True)
class Tensor:
    """One tensor.

    Attributes:
        name: as the file has it; may be empty.
        dtype: NumPy's name, e.g. `int8`; empty if the file does not say.
        shape: empty for a scalar, and where the file does not say.
        constant: its values are in the file.
        scale, zero_point: quantization of the whole tensor; None without, or per channel.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool
    scale: float | None = None
    zero_point: int | None = None

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


Attribute = tuple[int, ...] | str


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        kind: as the format calls it.
        inputs, outputs: the tensors' keys; an optional input that is left out is missing here too.
        attributes: ONNX's whole numbers and words, such as strides; empty for TFLite, whose tensors have shapes.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


class ByteCount(Strict, frozen=True):
    """Bytes of a file by purpose; they add up to its size.

    Attributes:
        weights: of convolutions and linear layers.
        biases: theirs.
        scales, zero_points: of quantized tensors.
        constants: other numbers the graph needs, such as shapes and axes.
        names: names, strings and metadata.
        structure: tables, offsets, padding.
    """

    weights: int
    biases: int
    scales: int
    zero_points: int
    constants: int
    names: int
    structure: int


@dataclass(frozen=True)
class Graph:
    """A network as a file holds it; operators in the order they run, tensors by a key unique in the file."""

    operators: tuple[Operator, ...]
    tensors: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    size: ByteCount

    def counts(self) -> dict[str, int]:
        """Count the operators of each kind, the most frequent first."""
        return dict(Counter(operator.kind for operator in self.operators).most_common())

    @cached_property
    def producers(self) -> dict[str, Operator]:
        """The operator that computes a tensor."""
        return {output: operator for operator in self.operators for output in operator.outputs}

    def consumers(self, key: str) -> list[Operator]:
        return [operator for operator in self.operators if key in operator.inputs]

    def place(self, operator: Operator) -> str:
        """A name by which a person finds the operator: what it computes."""
        return self.tensors[operator.outputs[0]].name or f"operator {self.operators.index(operator)}"
