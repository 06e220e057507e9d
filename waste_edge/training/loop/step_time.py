"""`python -m waste_edge.training.loop.step_time RECIPE`: how long a training step takes in each precision here."""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn
from torch.nn import functional

from waste_edge.training.networks import build_network
from waste_edge.training.networks.layers import channels_last
from waste_edge.training.recipe import Recipe, read_recipe

_WARM_UP, _LABELS = 2, 6


def step_seconds(recipe: Recipe, precision: str, compiled: bool, steps: int) -> float:
    """The fastest of some steps (forward, backward, update) on random pixels: what others do here only adds to it."""
    if recipe.model is None:
        raise SystemExit(f"recipe {recipe.name!r} has no [model] part")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = channels_last(build_network(recipe.model, _LABELS).to(device))
    trained: nn.Module = torch.compile(network) if compiled else network  # type: ignore[assignment]
    optimizer = torch.optim.AdamW(network.parameters())
    shape = (recipe.trained.batch_size, 3, recipe.sees.height_px, recipe.sees.width_px)
    pixels = torch.rand(shape, device=device).contiguous(memory_format=torch.channels_last)
    truth = torch.zeros(shape[0], dtype=torch.int64, device=device)
    seconds = []
    for _ in range(_WARM_UP + steps):
        began = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = trained(pixels)[0]
        loss = functional.cross_entropy(logits.float(), truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        float(loss.detach())  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    return min(seconds[_WARM_UP:])


def main() -> None:
    """Print one line for each precision, and one for torch.compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="a recipe with a [model]")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--compile", action="store_true", help="also torch.compile the network")
    given = parser.parse_args()
    recipe = read_recipe(given.recipe)
    kinds = [("fp32", False), ("bf16", False), *([("fp32", True)] if given.compile else [])]
    for precision, compiled in kinds:
        milliseconds = 1000 * step_seconds(recipe, precision, compiled, given.steps)
        print(f"{recipe.name}: {precision}{', compiled' if compiled else ''}: {milliseconds:.0f} ms a step")


if __name__ == "__main__":
    main()
