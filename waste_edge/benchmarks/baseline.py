"""Plain ONNX Runtime and plain LiteRT: the loop anybody would write, as the floor under ours, and for any file.

An engine here takes what its file takes, made ready beforehand, and gives all outputs as they come.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.scenario import make_pictures
from waste_edge.bundle.files import NetworkFile, read_network
from waste_edge.engines.engine import require_engine
from waste_edge.engines.names import EngineName
from waste_edge.errors import BundleError, EngineError
from waste_edge.files.limits import MAX_INPUT_NUMBERS
from waste_edge.files.text import first_line
from waste_edge.imaging.preprocess import InputSpec

SUFFIXES: dict[str, EngineName] = {".onnx": "onnx", ".tflite": "litert"}
_ONNX_TYPES = {"uint8": np.uint8, "int8": np.int8, "float": np.float32, "float16": np.float16}
_TAKEN = ("uint8", "int8", "float32", "float16")
_SIDES_PX = range(8, 2049)

Array = NDArray[Any]


class Plain(Protocol):
    """A file loaded by its engine and nothing around it.

    Attributes:
        name: the library and its version.
        inputs: shape and type of each, in order; the batch is 1.
    """

    name: str
    inputs: list[tuple[tuple[int, ...], np.dtype[Any]]]

    def infer(self, values: list[Array]) -> list[Array]:
        """All outputs for one value an input."""
        ...


class PlainOnnx:
    """ONNX Runtime, as its documentation shows it, with our number of threads and no spinning.

    A pool that spins would go on for a while in the next row's time.
    """

    def __init__(self, network: NetworkFile, threads: int) -> None:
        import onnxruntime

        path = network.path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(network.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen classes that share no base but Exception
            raise BundleError(f"{path}: ONNX Runtime cannot load it ({first_line(error)})") from error
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        entries = self._session.get_inputs()
        self._names = [entry.name for entry in entries]
        self.inputs = [
            (_fixed(path, entry.shape), _dtype(path, entry.type.removeprefix("tensor(").removesuffix(")")))
            for entry in entries
        ]

    def infer(self, values: list[Array]) -> list[Array]:
        outputs: list[Array] = self._session.run(None, dict(zip(self._names, values, strict=True)))
        return outputs


class PlainLiteRt:
    """LiteRT's interpreter: set, invoke, get."""

    def __init__(self, network: NetworkFile, threads: int) -> None:
        from waste_edge.engines.litert import find_interpreter
        from waste_edge.libraries import without_greeting

        path, (module, self.name) = network.path, find_interpreter()
        try:
            with without_greeting():
                self._interpreter = module.Interpreter(model_content=network.content, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{path}: {self.name} cannot load it ({first_line(error)})") from error
        entries = self._interpreter.get_input_details()
        self._inputs = [entry["index"] for entry in entries]
        self._outputs = [entry["index"] for entry in self._interpreter.get_output_details()]
        self.inputs = [
            (_fixed(path, entry["shape"].tolist()), _dtype(path, np.dtype(entry["dtype"]).name)) for entry in entries
        ]

    def infer(self, values: list[Array]) -> list[Array]:
        for index, value in zip(self._inputs, values, strict=True):
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


# The engines whose plain loop is a floor under ours; a plug-in's rows have none beside them.
PLAIN: dict[EngineName, Callable[[NetworkFile, int], Plain]] = {"onnx": PlainOnnx, "litert": PlainLiteRt}


def open_plain(network: Path | NetworkFile, threads: int) -> Plain:
    """Load a network and ask it once.

    Raises:
        MissingPackageError: its engine is not installed.
        BundleError: it does not load, or takes what no picture can be made into.
        EngineError: it loads and does not run.
    """
    file = network if isinstance(network, NetworkFile) else read_network(network)
    engine = SUFFIXES[file.path.suffix]
    require_engine(engine)
    plain = PLAIN[engine](file, threads)
    for shape, _ in plain.inputs:
        if len(shape) == 4 and shape[0] != 1:
            raise BundleError(
                f"{file.path}: takes {shape[0]} pictures at once; a device has one: export it with a batch of 1"
            )
        if math.prod(shape) > MAX_INPUT_NUMBERS:
            raise BundleError(f"{file.path}: an input of {shape} numbers; at most {MAX_INPUT_NUMBERS:,} are tried")
    try:
        plain.infer([np.zeros(shape, dtype) for shape, dtype in plain.inputs])  # whether it runs, not how fast
    except Exception as error:  # whatever an engine raises for a network it cannot run
        raise EngineError(f"{file.path}: {plain.name} failed: {first_line(error)}") from error
    return plain


def picture_size(plain: Plain) -> tuple[int, int] | None:
    """Width and height of the picture that the first input takes; None if it takes no picture."""
    shape = plain.inputs[0][0]
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        return None
    height, width = shape[1:3] if shape[3] == 3 else shape[2:4]
    return (width, height) if width in _SIDES_PX and height in _SIDES_PX else None


def inputs_for(plain: Plain, count: int, seed: int, pictures: Array | None = None) -> list[list[Array]]:
    """`count` times what the network takes: rendered pictures where it takes them, else random numbers.

    Args:
        pictures: uint8 (count, H, W, 3) of its size, if there are some already.
    """
    generator = np.random.default_rng(seed)
    size = picture_size(plain)
    if pictures is None and size is not None:
        pictures = make_pictures(InputSpec(width_px=size[0], height_px=size[1]), count, seed)
    made = []
    for index in range(count):
        values = [_random(generator, shape, dtype) for shape, dtype in plain.inputs]
        if pictures is not None and size is not None:
            values[0] = as_input(pictures[index], *plain.inputs[0])
        made.append(values)
    return made


def as_input(picture: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A picture, uint8 (H, W, 3), as a network takes it: the layout its shape asks for, floats in [-1, 1)."""
    batch = picture[np.newaxis]
    if shape[3] != 3:
        batch = batch.transpose(0, 3, 1, 2)
    if dtype == np.int8:
        batch = (batch ^ np.uint8(0x80)).view(np.int8)
    elif dtype != np.uint8:
        batch = ((batch.astype(np.float32) - 128) / 128).astype(dtype)
    return np.ascontiguousarray(batch)


def _random(generator: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "f":
        return generator.normal(0, 0.5, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max + 1, shape).astype(dtype)


def _fixed(path: Path, shape: list[Any]) -> tuple[int, ...]:
    """The shape with a batch of 1; any other size that is left open cannot be guessed."""
    sizes = [1 if index == 0 and not _is_size(size) else size for index, size in enumerate(shape)]
    if not all(_is_size(size) for size in sizes):
        raise BundleError(f"{path}: the input's shape is {shape}; export it with a fixed size")
    return tuple(int(size) for size in sizes)


def _is_size(size: Any) -> bool:
    return isinstance(size, int) and size > 0


def _dtype(path: Path, told: str) -> np.dtype[Any]:
    dtype = np.dtype(_ONNX_TYPES.get(told, told if told in _TAKEN else np.void))
    if dtype.name not in _TAKEN:
        raise BundleError(f"{path}: an input is {told}; expected {', '.join(_TAKEN)}")
    return dtype
