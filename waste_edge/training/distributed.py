"""One training on several processes, started by torchrun: each takes its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from waste_edge.errors import WasteEdgeError

_FAILED = "waste_edge/failed"  # in torchrun's store: how many processes failed of themselves
_PATIENCE = timedelta(seconds=10)
_WAIT = timedelta(days=1)  # while one of them looks at pictures or makes views; that it died is seen at once


class OtherProcessError(WasteEdgeError, RuntimeError):
    """End of another process of this training, whose own message gives the reason."""


@dataclass(frozen=True)
class ProcessGroup:
    """Rank of this process and size of its group."""

    rank: int = 0
    size: int = 1

    @property
    def is_main_process(self) -> bool:
        """True if this process writes the run and tells how it goes."""
        return self.rank == 0

    def wrap_ddp(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes."""
        if self.size == 1 or not any(one.requires_grad for one in network.parameters()):
            return network
        return DistributedDataParallel(network)

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            distributed.barrier()

    def broadcast(self, value: float) -> float:
        """The leader's number, for all."""
        if self.size == 1:
            return value
        told = _number(value)
        distributed.broadcast(told, 0)
        return float(told)

    def mean(self, value: float) -> float:
        """The mean of all processes' numbers, for all; no number if one of them has none."""
        if self.size == 1:
            return value
        told = _number(value)
        distributed.all_reduce(told)
        return float(told) / self.size


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started; alone if it did not. Within another one it is that one.

    Where processes fail, the first one's error passes and the others end without a word: one trouble, one line.

    Raises:
        OtherProcessError: another process is gone, and it left no message.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ProcessGroup()
        return
    if distributed.is_initialized():
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_WAIT)
    try:
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    except Exception as error:
        _one_speaks(error)
        raise
    finally:
        distributed.destroy_process_group()


def local_world_size() -> int:
    """Count the processes of this training on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _number(value: float) -> torch.Tensor:
    told = torch.tensor(value, dtype=torch.float64)
    return told.cuda() if distributed.get_backend() == "nccl" else told


def _one_speaks(error: Exception) -> None:
    """Return in the process whose error is to be told; the others end here.

    Raises:
        OtherProcessError: nobody else has told why this one was left alone.
    """
    store = distributed.distributed_c10d._get_default_store()
    left_alone = isinstance(error, OtherProcessError) or _lost_another(error)
    try:
        if not left_alone and store.add(_FAILED, 1) == 1:
            return
        store.wait([_FAILED], _PATIENCE)
    except distributed.DistError:  # nobody told, or the store itself is gone
        gone = "another process of this training ended (was it killed?); --resume goes on from the last whole epoch"
        raise OtherProcessError(gone) from error
    raise SystemExit(getattr(error, "exit_code", 1)) from None


def _lost_another(error: Exception) -> bool:
    """Return whether an error is that of a connection to another process."""
    words = str(error)
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in words or "closed by peer" in words or "reset by peer" in words)
    )
