"""LiteRT (or its elder, tflite-runtime) behind the engine interface."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import mmap
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.files import NetworkFile
from waste_edge.engines.interface import Output
from waste_edge.engines.names import LITERT_MODULES
from waste_edge.errors import BundleError, EngineError, MissingPackageError
from waste_edge.files.text import first_line
from waste_edge.imaging.frames import Pixels
from waste_edge.libraries import without_greeting

_PINNED_SCALE = 1 / 128  # the INT8 input's scale: its pixels are the camera's, seen as signed


class LiteRtEngine:
    """A TFLite file: input uint8 or int8 (1, H, W, 3), outputs logits and features, float or int8."""

    def __init__(self, network: NetworkFile, threads: int) -> None:
        path, (module, self.name) = network.path, find_interpreter()
        try:
            with without_greeting():
                self._interpreter = _interpreter(module, network, threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{path}: {self.name} cannot load it ({first_line(error)})") from error
        entries = self._interpreter.get_input_details()
        self._input = entries[0]
        self._signed = self._input["dtype"] == np.int8
        if len(entries) != 1 or len(self._input["shape"]) != 4 or self._input["dtype"] not in (np.uint8, np.int8):
            raise BundleError(f"{path}: expected one uint8 or int8 NHWC input, got {_describe(entries)}")
        if self._signed and self._input["quantization"] != (_PINNED_SCALE, 0):
            raise BundleError(
                f"{path}: expected an INT8 input of scale 1/128 and zero point 0, got {self._input['quantization']}"
            )
        self._shape = tuple(int(size) for size in self._input["shape"])
        self._signed_pixels = np.empty(self._shape, np.uint8)
        self._outputs = [(int(one["index"]), _steps(path, one)) for one in _find_outputs(path, self._interpreter)]

    def infer(self, pixels: Pixels) -> Output:
        """See `Engine.infer`."""
        batch = pixels[np.newaxis]
        if batch.shape != self._shape:
            raise EngineError(f"{self.name}: expected pixels {self._shape[1:]}, got {pixels.shape}")
        if self._signed:
            # Subtracts 128 without leaving eight bits.
            batch = np.bitwise_xor(batch, np.uint8(0x80), out=self._signed_pixels).view(np.int8)
        try:
            self._interpreter.set_tensor(self._input["index"], batch)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"{self.name} failed: {first_line(error)}") from error
        return Output(*(self._read(index, steps) for index, steps in self._outputs))

    def _read(self, index: int, steps: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """One output as float32 (N,), dequantized if need be."""
        values: NDArray[Any] = self._interpreter.get_tensor(index).reshape(-1)
        return values if steps is None else steps[values.view(np.uint8)]


def _interpreter(module: Any, network: NetworkFile, threads: int) -> Any:
    """Load from the file's own pages where that is safe, so that the stations of one board share them; else a copy."""
    with mapped_file(network, os.geteuid()) as handle:
        # By the handle, not the path: the very file that was compared. The library maps it, shared and read-only.
        path = Path(f"/proc/self/fd/{handle}")
        if handle is None or not path.exists():
            return module.Interpreter(model_content=network.content, num_threads=threads)
        return module.Interpreter(model_path=str(path), num_threads=threads)


@contextlib.contextmanager
def mapped_file(network: NetworkFile, user: int) -> Iterator[int | None]:
    """An open handle of the network's file, if that may take the place of the bytes that were checked.

    It may if it holds these very bytes and nobody but root can change them, least of all this process: pages that
    change beneath an engine would be a network that nobody checked, and a file cut short the end of the process.

    Args:
        network: what was read, and from where; a path inside an archive is no file.
        user: id of the user that this process runs as; root's own files are open to root, so root gets None.
    """
    try:
        handle = os.open(network.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield handle if _lasts(handle, user) and _holds(handle, network.content) else None
    finally:
        os.close(handle)


def _lasts(handle: int, user: int) -> bool:
    state = os.fstat(handle)
    return stat.S_ISREG(state.st_mode) and state.st_uid == 0 != user and not state.st_mode & 0o022


def _holds(handle: int, content: bytes) -> bool:
    if not content or os.fstat(handle).st_size != len(content):
        return False
    try:
        with mmap.mmap(handle, len(content), prot=mmap.PROT_READ) as pages, memoryview(pages) as seen:
            return seen == content
    except OSError:  # a file system that maps nothing
        return False


def find_interpreter() -> tuple[Any, str]:
    """The module that holds Interpreter, and its name with version."""
    for package in LITERT_MODULES:
        if importlib.util.find_spec(package) is None:
            continue
        module = importlib.import_module(f"{package}.interpreter")
        title = "LiteRT" if package == "ai_edge_litert" else "tflite-runtime"
        return module, f"{title} {_version(package)}".rstrip()
    raise MissingPackageError("engine litert: not installed here; pip install ai-edge-litert")


def _version(package: str) -> str:
    """Read the version from the package itself; asking the installation costs a station a tenth of its start."""
    said = getattr(sys.modules[package], "__version__", "")
    if said:
        return str(said)
    import importlib.metadata

    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package.replace("_", "-"))
    return ""


def _find_outputs(path: Path, interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The details of logits and features, told apart by the names that export gave them in the signature."""
    details = {int(detail["index"]): detail for detail in interpreter.get_output_details()}
    signatures = interpreter.get_signature_list()
    names = interpreter._get_full_signature_list() if signatures else {}
    outputs = next(iter(names.values()))["outputs"] if names else {}
    if not {"logits", "features"} <= set(outputs):
        raise BundleError(f"{path}: expected a signature with the outputs logits and features, got {sorted(outputs)}")
    return details[outputs["logits"]], details[outputs["features"]]


def _steps(path: Path, detail: dict[str, Any]) -> NDArray[np.float32] | None:
    """Compute the value of each of an output's 256 bytes (unsigned), float32 (256,); None for float outputs.

    Looked up, not computed each time: between two frames numpy's code goes cold, and five calls of it cost a small
    network a tenth of its time.
    """
    dtype = np.dtype(detail["dtype"])
    if dtype == np.float32:
        return None
    if dtype.itemsize != 1:
        raise BundleError(f"{path}: output {detail['name']}: expected float32, int8 or uint8, got {dtype.name}")
    scale, zero_point = detail["quantization"]
    values = np.arange(256).astype(np.uint8).view(dtype).astype(np.int32)
    return np.asarray((values - zero_point) * np.float32(scale), np.float32)


def _describe(entries: list[dict[str, Any]]) -> str:
    return ", ".join(f"{np.dtype(entry['dtype']).name} {list(entry['shape'])}" for entry in entries)
