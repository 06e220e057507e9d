"""Checks before a training begins, and failures in the middle of one, in a line that says what to change."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from waste_edge import errors
from waste_edge.dataset import Dataset, Part, Photo
from waste_edge.errors import ConfigError, DataError, RunError, UserError, WasteEdgeError
from waste_edge.training.distillation.losses import check_tree
from waste_edge.training.loop.checkpoint import CHECKPOINT_NAME
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import RUN_NAME, SPLIT_NAME


def check_out(out: Path, resume: bool, unfinished: Collection[str] = (CHECKPOINT_NAME, SPLIT_NAME)) -> None:
    """Check that a training can begin, or go on, in a folder.

    Args:
        out: the run's folder.
        resume: go on with an unfinished training.
        unfinished: names of which such a training has left at least one; the first is named in the message.

    Raises:
        RunError: it cannot.
    """
    if (out / RUN_NAME).exists():
        raise RunError(f"{out}: holds a finished run; choose another --out")
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file; choose another --out")
    # A kill may leave temporary files, and before the first checkpoint nothing but the split.
    held = {entry.name for entry in out.iterdir() if not entry.name.startswith(".")} if out.exists() else set()
    can_go_on = bool(held & set(unfinished))
    if not resume and held:
        more = "; --resume goes on with the unfinished training in it" if can_go_on else ""
        raise RunError(f"{out}: is not empty; choose another --out or remove it first{more}")
    if resume and not can_go_on and (held or not out.exists()):
        raise RunError(f"{out}: nothing to resume (no {next(iter(unfinished))}); train without --resume")


def check_parts(recipe: Recipe, data: Path, dataset: Dataset, parts: dict[Part, list[Photo]]) -> None:
    """Raise ConfigError or DataError unless a recipe can learn from these data."""
    if len(parts["train"]) < 2:
        raise DataError(f"{data}: {len(parts['train'])} pictures to train on; at least 2 are needed")
    if recipe.input and not dataset.has_pictures:
        raise DataError(f"{data}: texts without pictures, and recipe {recipe.name!r} looks at pictures")
    if recipe.text and recipe.text.source == "column" and not dataset.has_text:
        raise DataError(
            f"{data}: has no texts, and recipe {recipe.name!r} reads them; text.source = 'file_name' reads names"
        )
    if recipe.trained.needs_validation and not parts["val"]:
        raise ConfigError(
            f"recipe {recipe.name!r}: fit.schedule, stop_after or keep look at the validation loss, but the "
            "validation part is empty; raise split.val_fraction"
        )
    if recipe.tree:
        check_tree(recipe.tree, dataset.labels)


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
