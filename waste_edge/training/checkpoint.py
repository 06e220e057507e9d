"""The state of an unfinished training, written after every epoch and read by `--resume`.

One safetensors file, renamed into place, so that a kill at any moment leaves the last whole one. It holds no state
of random generators: every epoch begins from its own seed.
"""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from waste_edge.errors import RunError
from waste_edge.files import write_atomically
from waste_edge.metrics import Scores
from waste_edge.strict import Strict

CHECKPOINT_NAME = "checkpoint.safetensors"
_HEADER = "waste_edge"


class EpochLine(Strict, frozen=True):
    """One line of `metrics.jsonl`."""

    epoch: int
    loss: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float


class Progress(Strict, frozen=True):
    """How far a training is, but for its tensors.

    Attributes:
        job: what is trained, by `job_fingerprint`; another job's checkpoint is refused.
        lines: every epoch's figures.
        schedule: state of the learning rate.
        best_epoch, least_loss: the best validation loss so far.
        scores: on the validation part, of the weights that are kept.
        seconds: spent so far.
    """

    job: str
    lines: list[EpochLine]
    schedule: list[float]
    best_epoch: int
    least_loss: float | None
    scores: Scores | None
    seconds: float


def save_checkpoint(folder: Path, progress: Progress, modules: dict[str, nn.Module], optimizer: Optimizer) -> None:
    """Write the checkpoint; modules by a name of their own."""
    tensors = {
        f"{name}/{key}": value.contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    for index, state in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer/{index}/{key}": value.contiguous() for key, value in state.items()})
    header = {_HEADER: msgspec.json.encode(progress).decode()}
    write_atomically(folder / CHECKPOINT_NAME, save(_unshared(tensors), header))


def load_checkpoint(folder: Path, job: str, modules: dict[str, nn.Module], optimizer: Optimizer) -> Progress:
    """Put modules and optimizer back into the state of the last finished epoch.

    Raises:
        RunError: no checkpoint, a damaged one, or one of another job.
    """
    path = folder / CHECKPOINT_NAME
    if not path.is_file():
        raise RunError(f"{folder}: nothing to resume (no {CHECKPOINT_NAME}); train without --resume")
    try:
        with safe_open(path, "pt") as stream:
            progress = msgspec.json.decode((stream.metadata() or {}).get(_HEADER, ""), type=Progress)
            tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, OSError, msgspec.DecodeError) as error:
        raise RunError(f"{path}: damaged ({error}); remove {folder} and train again") from error
    if progress.job != job:
        raise RunError(
            f"{path}: belongs to another training (recipe, data, teachers or starting weights differ); "
            "give what it was started with, or another --out"
        )
    for name, module in modules.items():
        module.load_state_dict(_below(name, tensors))
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below("optimizer", tensors).items():
        index, _, what = key.partition("/")
        state.setdefault(int(index), {})[what] = _laid_out_like(parameters[int(index)], value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress


def seed_epoch(seed: int, epoch: int) -> None:
    """Begin an epoch's chances anew, so that one that is repeated after a kill is the same one."""
    mixed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)  # torchvision and other libraries draw from the global generators
    torch.manual_seed(mixed)


def _below(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """The same numbers in the parameter's memory layout: another one could round otherwise."""
    return torch.empty_like(parameter, device="cpu").copy_(value) if value.shape == parameter.shape else value


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """safetensors refuses tensors that share memory."""
    seen: set[int] = set()
    for key, value in tensors.items():
        if value.data_ptr() in seen:
            tensors[key] = value.clone()
        seen.add(value.data_ptr())
    return tensors
