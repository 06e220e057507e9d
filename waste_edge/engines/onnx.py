"""ONNX Runtime behind the engine interface."""

from __future__ import annotations

import numpy as np

from waste_edge.bundle.files import NetworkFile
from waste_edge.engines.interface import Output
from waste_edge.errors import BundleError, EngineError
from waste_edge.files.text import first_line
from waste_edge.imaging.frames import Pixels
from waste_edge.libraries import without_greeting

with without_greeting():
    import onnxruntime


class OnnxEngine:
    """An ONNX file: input uint8 (1, H, W, 3), outputs `logits` and `features` as float32."""

    def __init__(self, network: NetworkFile, threads: int) -> None:
        path = network.path
        try:
            self._session = open_session(network.content, threads)
        except Exception as error:  # onnxruntime raises a dozen classes that share no base but Exception
            raise BundleError(f"{path}: ONNX Runtime cannot load it ({first_line(error)})") from error
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        entries = self._session.get_inputs()
        if len(entries) != 1:
            raise BundleError(f"{path}: expected one uint8 NHWC input, got {len(entries)} inputs")
        entry = entries[0]
        if entry.type != "tensor(uint8)" or len(entry.shape) != 4:
            raise BundleError(f"{path}: expected one uint8 NHWC input, got {entry.type} {entry.shape}")
        self._input = entry.name
        self._outputs = ["logits", "features"]
        names = {output.name for output in self._session.get_outputs()}
        if not set(self._outputs) <= names:
            raise BundleError(f"{path}: expected the outputs logits and features, got {', '.join(sorted(names))}")

    def infer(self, pixels: Pixels) -> Output:
        """See `Engine.infer`."""
        try:
            logits, features = self._session.run(self._outputs, {self._input: pixels[np.newaxis]})
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {first_line(error)}") from error
        return Output(logits[0], features[0])


def open_session(model: str | bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session as every network of ours runs, of a file's path or its content; raises what the library raises."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its errors come as exceptions, its warnings help nobody
    # Between frames a spinning pool would heat the board for nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
