"""Inputs of networks: a picture, the tokens of a text, or both; one definition for training, scoring and use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from waste_edge.dataset import Photo
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec, prepare
from waste_edge.training.networks import normalize

Tokenize = Callable[[Sequence[str]], tuple[Tensor, Tensor]]  # texts to int64 token ids and mask, both (B, T)


class Inputs(NamedTuple):
    """A batch as networks take it; what a model does not look at has no columns.

    Attributes:
        pixels: float (B, 3, H, W) in [-1, 1).
        tokens: int64 (B, T) token ids.
        mask: int64 (B, T), 1 where there is a token.
    """

    pixels: Tensor
    tokens: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Inputs:
        """The same on another device, pictures in the layout in which convolutions are fast."""
        pixels = self.pixels.to(device)
        if pixels.ndim == 4:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return Inputs(pixels, self.tokens.to(device), self.mask.to(device))


def run_network(network: nn.Module, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Logits (B, C) and features (B, F) of a network, given what it reads: its `reads`, else the pixels."""
    reads: tuple[str, ...] = getattr(network, "reads", ("pixels",))
    logits, features = network(*(getattr(inputs, name) for name in reads))
    return logits, features


def nothing(rows: int) -> Tensor:
    """Make the stand-in for an absent input: int64 (rows, 0)."""
    return torch.zeros((rows, 0), dtype=torch.int64)


@dataclass(frozen=True)
class InputReader:
    """Turns photographs into a model's inputs, exactly as a device would.

    Attributes:
        sees: preprocessing of pictures; None for a model of text alone.
        tokenize: None for a model of pictures alone.
        text_of: the text that goes with a photograph.
    """

    sees: InputSpec | None
    tokenize: Tokenize | None = None
    text_of: Callable[[Photo], str] = lambda photo: photo.text

    def read(self, photos: Sequence[Photo]) -> Inputs:
        """Inputs of photographs, on the CPU.

        Raises:
            PictureError: one of them cannot be read.
        """
        pictures = [photo.pixels() for photo in photos] if self.sees else []
        return self.inputs(pictures, [self.text_of(photo) for photo in photos])

    def inputs(self, pictures: Sequence[Pixels], texts: Sequence[str]) -> Inputs:
        """Inputs of pictures of any size and the texts that go with them."""
        rows = max(len(pictures), len(texts))
        pixels = nothing(rows)
        if self.sees:
            prepared = np.stack([prepare(picture, self.sees) for picture in pictures])
            pixels = normalize(torch.from_numpy(prepared).permute(0, 3, 1, 2))
        tokens, mask = self.tokenize(texts) if self.tokenize else (nothing(rows), nothing(rows))
        return Inputs(pixels, tokens, mask)


@dataclass(frozen=True)
class RememberingReader(InputReader):
    """A reader that keeps what it read, for the same photographs asked for again and again, in the same batches."""

    kept: dict[tuple[str, ...], Inputs] = field(default_factory=dict, compare=False)

    def read(self, photos: Sequence[Photo]) -> Inputs:
        key = tuple(photo.key for photo in photos)
        if key not in self.kept:
            self.kept[key] = super().read(photos)
        return self.kept[key]
