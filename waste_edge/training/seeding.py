"""Random state of a training, from nothing but the seed and the place, so that a repeated one is the same."""

from __future__ import annotations

import random

import numpy as np
import torch


def mixed_seed(*numbers: int) -> int:
    """One seed of several numbers, 0 or more each."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_epoch(seed: int, epoch: int, rank: int = 0) -> None:
    """Begin an epoch's chances anew, so that one that is repeated after a kill is the same one.

    Args:
        seed: the recipe's.
        epoch: from 1; 0 is before the first.
        rank: of the process, so that not all drop out the same features.
    """
    mixed = mixed_seed(seed, epoch, rank)
    random.seed(mixed)
    np.random.seed(mixed)  # torchvision and other libraries draw from the global generators
    torch.manual_seed(mixed)
