"""Trainings in processes of their own, which a test may kill or let train together."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import save_file

from waste_edge.errors import WasteEdgeError
from waste_edge.training.distributed import process_group
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import open_run

CONTEXT = multiprocessing.get_context("forkserver")  # one that has imported torch already, and has no threads yet
CONTEXT.set_forkserver_preload(["tests.training.processes"])


class Slow:
    """A watcher that gives a killer time."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s

    def warn(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        time.sleep(self._pause_s)

    def epoch(self, epoch: int, loss: float, scores: object) -> None:
        time.sleep(self._pause_s)


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = CONTEXT.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def train(recipe: bytes, data: Path, out: Path, resume: bool, pause_s: float) -> None:
    """One training, in a child."""
    torch.set_num_threads(1)
    fit(msgspec.json.decode(recipe, type=Recipe), data, out, Slow(pause_s), resume=resume)


def together(processes: int, target: Callable[..., None], *arguments: Any) -> list[int | None]:
    """Exit codes of processes that torchrun could have started."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # as torchrun has one
    started = [start(_member, rank, processes, store.port, target, arguments) for rank in range(processes)]
    for process in started:
        process.join(120)
        assert process.exitcode is not None, "a process hangs"
    return [process.exitcode for process in started]


def _member(rank: int, size: int, port: int, target: Callable[..., None], arguments: Sequence[Any]) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                   "TORCHELASTIC_USE_AGENT_STORE": "True"}  # fmt: skip
    torch.set_num_threads(1)
    told = arguments[0]
    try:
        with process_group():
            target(rank, *arguments)
    except WasteEdgeError as error:
        with (told / "errors.txt").open("a") as stream:
            stream.write(f"{rank}: {error}\n")
        sys.exit(error.exit_code)


def learn(rank: int, told: Path, recipe: bytes, data: Path, out: Path, teacher: Path | None, trouble: str) -> None:
    """One process of several; leaves its first gradients and all weights it ends with in `told`."""
    first: dict[str, torch.Tensor] = {}
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any) -> Any:
        parameters = [one for group in self.param_groups for one in group["params"]]
        if not first:
            first.update({str(n): one.grad.contiguous().clone() for n, one in enumerate(parameters)})
        answer = step(self, *arguments)
        if rank == 1 and trouble == "killed":
            os.kill(os.getpid(), 9)
        if rank == 1 and trouble == "nan":
            parameters[0].data.fill_(torch.nan)
        if rank == 1 and trouble == "memory":
            raise MemoryError
        last.update({str(n): one.detach().contiguous().clone() for n, one in enumerate(parameters)})
        return answer

    last: dict[str, torch.Tensor] = {}
    torch.optim.AdamW.step = watched  # type: ignore[method-assign]
    teachers = [open_run(teacher)] if teacher else []
    fit(msgspec.json.decode(recipe, type=Recipe), data, out, Slow(0), teachers=teachers)
    save_file(first, told / f"first-{rank}.safetensors")
    save_file(last, told / f"last-{rank}.safetensors")
