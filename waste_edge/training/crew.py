"""One training on several processes, started by torchrun: each takes its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Crew:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run and tells how it goes."""
        return self.rank == 0

    def joined(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes."""
        if self.size == 1 or not any(one.requires_grad for one in network.parameters()):
            return network
        return DistributedDataParallel(network)

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            torch.distributed.barrier()

    def agreed(self, value: float) -> float:
        """The leader's number, for all."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64)
        told = told.cuda() if torch.distributed.get_backend() == "nccl" else told
        torch.distributed.broadcast(told, 0)
        return float(told[0])


@contextmanager
def crew() -> Iterator[Crew]:
    """Join the processes that torchrun started; alone if it did not."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Crew()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Crew(torch.distributed.get_rank(), torch.distributed.get_world_size())
    finally:
        torch.distributed.destroy_process_group()
