"""The state of an unfinished training, written after every epoch and read by `--resume`.

One safetensors file, renamed into place, so that a kill at any moment leaves the last whole one. It holds no state
of random generators: every epoch begins from its own seed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from waste_edge.errors import RunError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import Strict
from waste_edge.files.text import first_line
from waste_edge.metrics.classification import Scores
from waste_edge.training.loop.schedule import RateState
from waste_edge.training.quantization_aware.fake_quantization import TrainedRange

CHECKPOINT_NAME = "checkpoint.safetensors"
_PROGRESS, _SHA256 = "waste_edge", "sha256"  # keys of the header


class EpochLine(Strict, frozen=True):
    """One line of `metrics.jsonl`."""

    epoch: int
    loss: float
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float
    seconds: float


class CheckpointState(Strict, frozen=True):
    """State of a training, without its tensors.

    Attributes:
        job: what is trained, by its fingerprint; another job's checkpoint is refused.
        lines: every epoch's figures.
        schedule: state of the learning rate.
        best_epoch, least_loss: the best validation loss so far.
        scores: on the validation part, of the weights that are kept.
        ranges: of the weights that are kept, if the training is quantization-aware.
        seconds: spent so far.
    """

    job: str
    lines: list[EpochLine]
    schedule: RateState
    best_epoch: int
    least_loss: float | None
    scores: Scores | None
    ranges: list[TrainedRange]
    seconds: float


def save_checkpoint(
    folder: Path, progress: CheckpointState, modules: dict[str, nn.Module], optimizer: Optimizer
) -> None:
    """Write the checkpoint; modules by a name of their own."""
    tensors = {f"{name}/{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer/{index}/{key}": value for key, value in state.items()})
    tensors = _unshared({key: value.cpu().contiguous() for key, value in tensors.items()})
    header = {_PROGRESS: msgspec.json.encode(progress).decode(), _SHA256: _sha256(tensors)}
    write_atomically(folder / CHECKPOINT_NAME, save(tensors, header))


def load_checkpoint(folder: Path, job: str, modules: dict[str, nn.Module], optimizer: Optimizer) -> CheckpointState:
    """Put modules and optimizer back into the state of the last finished epoch.

    Raises:
        RunError: a damaged checkpoint, or one of another job.
    """
    path = folder / CHECKPOINT_NAME
    progress, tensors = _read(path)
    if progress.job != job:
        raise RunError(
            f"{path}: belongs to another training (recipe, --set, data, teachers, starting weights or number of "
            "processes differ); give what it was started with, or another --out"
        )
    try:
        for name, module in modules.items():
            module.load_state_dict(_below(name, tensors))
        _load_optimizer(optimizer, _below("optimizer", tensors))
    except (RuntimeError, LookupError, ValueError) as error:
        why = first_line(error)
        raise RunError(f"{path}: is another version's ({why}); remove {folder} and train again") from error
    return progress


def _read(path: Path) -> tuple[CheckpointState, dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as stream:
            header = stream.metadata() or {}
            tensors = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118  # not a mapping
        progress = msgspec.json.decode(header.get(_PROGRESS, ""), type=CheckpointState)
        if header.get(_SHA256) != _sha256(tensors):
            raise ValueError("its SHA-256 is not the one it names")
    except (SafetensorError, OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise RunError(f"{path}: damaged ({error}); remove {path.parent} and train again") from error
    return progress, tensors


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, what = key.partition("/")
        state.setdefault(int(index), {})[what] = _laid_out_like(parameters[int(index)], value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _sha256(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for key in sorted(tensors):
        total.update(key.encode())
        total.update(tensors[key].reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


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
