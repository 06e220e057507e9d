"""Peak rates of this machine: multiply-accumulates through each engine, and bytes to and from memory.

The engines' peak is that of their own kernels on a chain of 1x1 convolutions, which suits them best: the roof that a
network is held against is one that the same library reaches here, not a data sheet's. Of many short calls the fastest
counts, since other work on the machine only ever makes one slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waste_edge.benchmarks.roofline.probe_networks import MACS, ONNX_SHAPE, TFLITE_SHAPE, onnx_network, tflite_network
from waste_edge.engines.names import EngineName, Precision

_CALLS, _LEAST_S = 20, 0.25  # of a probe, at least so many and so long
_COPY_S, _COPY_ROUNDS = 0.002, 40  # short, so that some round is left alone on a busy machine
_SMALLEST_BYTES, _STEP = 1 << 16, 4  # sizes that are tried: these many bytes, 4 times as many, and so on


@cache
def peak_gmacs_per_s(engine: EngineName, precision: Precision, threads: int) -> float:
    """Billions of multiply-accumulates a second, once a process.

    Raises:
        MissingPackageError: the engine, or for LiteRT its schema, is not installed.
    """
    call = _CALL_OF[engine](precision, threads)
    return MACS / fastest_s(call) / 1e9


def memory_gb_per_s(working_bytes: int, threads: int) -> float:
    """Billions of bytes a second, read and written, when so many are copied over and over: caches help as they can.

    Of a few sizes, the largest one that is not above `working_bytes`: caches are never thought smaller than they are.

    Args:
        working_bytes: of both ends of the copy together.
        threads: that share the work, each with its own part.
    """
    size = _SMALLEST_BYTES
    while size * _STEP <= working_bytes:
        size *= _STEP
    return _copied_gb_per_s(size, threads)


@cache
def _copied_gb_per_s(working_bytes: int, threads: int) -> float:
    part = max(4096, working_bytes // 2 // threads)
    blocks = [(np.ones(part, np.uint8), np.zeros(part, np.uint8)) for _ in range(threads)]
    once_s = fastest_s(lambda: np.copyto(blocks[0][1], blocks[0][0]), least_s=0.02)
    copies = max(1, round(_COPY_S / once_s))
    moved_bytes = 2 * part * threads * copies

    def copy(block: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
        for _ in range(copies):
            np.copyto(block[1], block[0])

    if threads == 1:
        taken_s = fastest_s(lambda: copy(blocks[0]), calls=_COPY_ROUNDS, least_s=0.0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            taken_s = fastest_s(lambda: list(pool.map(copy, blocks)), calls=_COPY_ROUNDS, least_s=0.0)
    together = moved_bytes / taken_s / 1e9
    # Two cores are not slower than one: if they seem so, the hand-over between them was measured.
    return together if threads == 1 else max(together, _copied_gb_per_s(working_bytes, 1))


def fastest_s(
    call: Callable[[], object],
    calls: int = _CALLS,
    least_s: float = _LEAST_S,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> float:
    """Seconds of the fastest of so many calls, and more until `least_s` have passed; the first call is not counted."""
    call()
    begun = clock()
    best_ns = done = 0
    while done < calls or clock() - begun < least_s * 1e9:
        started = clock()
        call()
        taken_ns = max(1, clock() - started)
        best_ns = min(best_ns or taken_ns, taken_ns)
        done += 1
    return best_ns / 1e9


def _onnx_call(precision: Precision, threads: int) -> Callable[[], object]:
    from waste_edge.engines.engine import require_engine

    require_engine("onnx")
    from waste_edge.engines.onnx import open_session

    session = open_session(onnx_network(precision), threads)
    given = {"x": _values(ONNX_SHAPE, np.uint8 if precision == "int8" else np.float32)}
    return lambda: session.run(["y"], given)


def _litert_call(precision: Precision, threads: int) -> Callable[[], object]:
    from waste_edge.engines.litert import find_interpreter
    from waste_edge.libraries import without_greeting

    module, _ = find_interpreter()
    with without_greeting():
        interpreter = module.Interpreter(model_content=tflite_network(precision), num_threads=threads)
        interpreter.allocate_tensors()
    given = _values(TFLITE_SHAPE, np.int8 if precision == "int8" else np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], given)
    return lambda: interpreter.invoke()


_CALL_OF = {"onnx": _onnx_call, "litert": _litert_call}


def _values(shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
    generator = np.random.default_rng(1)
    if kind == np.float32:
        return generator.standard_normal(shape).astype(np.float32)
    limits = np.iinfo(kind)
    return generator.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
