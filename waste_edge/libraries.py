"""Settings of libraries, by the environment variables that they read when they are first imported, and their chatter.

Telemetry is switched off when `waste_edge` is first imported, which every verb, child process and test does before
anything else; children inherit it. Nothing of ours phones home.

What the engines' C++ writes to stderr is kept off it: errors come as exceptions, and stderr holds lines of ours.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, MutableMapping

# From 1.32 on ONNX Runtime's Linux wheels carry telemetry that is on unless this variable is set when the library is
# imported: a device id and an event database below ~/.cache, $TMPDIR/.ses, an upload host looked up after half a
# minute. huggingface_hub and transformers, on a workstation, read the other three.
NO_TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}

# OpenMP, numpy's OpenBLAS and OpenCV would start a thread a core, each with buffers of its own; small pictures gain
# nothing from it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}


def switch_off_telemetry(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set every library's switch in an environment, whatever it held before."""
    environment.update(NO_TELEMETRY)


@contextlib.contextmanager
def without_greeting() -> Iterator[None]:
    """Hold back what a library writes to the process's stderr: a greeting each time it loads, a missing GPU."""
    try:
        stderr = os.dup(2)
    except OSError:  # a process without stderr has nothing to hold back
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
