"""Failures of libraries in the middle of a training, turned into one line that says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from waste_edge import errors
from waste_edge.errors import UserError, WasteEdgeError
from waste_edge.training.recipe import Recipe


@contextmanager
def failures_in_words(recipe: Recipe) -> Iterator[None]:
    """Say what to change where memory, a worker or torch.compile fails; any other error passes as it is.

    Raises:
        UserError: with the option to lower or to switch off.
        WasteEdgeError: one that a worker process met, as if it had been met here.
    """
    try:
        yield
    except WasteEdgeError as error:
        if "Original Traceback" in str(error):
            raise _of_worker(error) from error
        raise
    except (MemoryError, RuntimeError) as error:
        if words := _words(recipe, error):
            raise UserError(words) from error
        raise


def _words(recipe: Recipe, error: Exception) -> str:
    said, spec = str(error), recipe.trained
    if "DataLoader worker" in said and ("killed by signal" in said or "exited unexpectedly" in said):
        return f"a worker that reads pictures was killed, likely for its memory; lower fit.workers (now {spec.workers})"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in said:
        size = f" or input.width_px and height_px (now {recipe.input.width_px})" if recipe.input else ""
        batch = f"fit.batch_size (now {spec.batch_size})"
        return f"out of memory while training {recipe.name!r}: lower {batch}{size}"
    if spec.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        why = said.strip().splitlines()[0] if said.strip() else type(error).__name__
        return f"torch.compile failed ({why}); set fit.compile = false"
    return ""


def _of_worker(error: WasteEdgeError) -> WasteEdgeError:
    """A worker's error comes back with its whole traceback as the message; its last line is what it said."""
    name, _, words = str(error).strip().splitlines()[-1].partition(": ")
    kind = getattr(errors, name.rpartition(".")[2], UserError)
    return kind(words or name)
