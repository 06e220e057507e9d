"""Keeps off stderr what the engines' C++ writes there; errors come as exceptions, and stderr holds lines of ours."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


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
