"""Parts of `tools.size_trial` that no command does alone: a training's first step, embeddings without a probe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from waste_edge.cli.common import progress_bar

SIZE_PX, EMBEDDING = 32, 512


class _FirstStep(Exception):  # noqa: N818  # no error: it ends the training
    """End of a training's first step."""


class _Stops:
    """A watcher that ends the training after its first step."""

    def warn(self, sentence: str) -> None:
        """Say it."""
        print(sentence)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """End."""
        raise _FirstStep(f"{steps} steps in an epoch, first loss {loss:.3f}")

    def epoch(self, epoch: int, loss: float, scores: object) -> None:
        """Never come here."""
        raise AssertionError


def first_step(data: Path, out: Path, recipe: str) -> None:
    """Train a recipe up to the end of its first step."""
    from waste_edge.training.loop.fit import fit
    from waste_edge.training.recipe import read_recipe
    from waste_edge.training.train_options import TrainOptions

    try:
        fit(read_recipe(recipe, []), data, out, _Stops(), extra=TrainOptions(device="cpu", bar=progress_bar))
    except _FirstStep as ended:
        print(ended)


def embed(data: Path, encoder: Path) -> None:
    """Embed every picture of a data set with a random CLIP, which is made in `encoder` if it is not there."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from waste_edge.dataset import open_dataset
    from waste_edge.imaging.preprocess import InputSpec
    from waste_edge.training.composites.probe import embed_photos
    from waste_edge.training.input_pipeline.inputs import InputReader
    from waste_edge.training.networks.clip import ClipProbe, load_encoder
    from waste_edge.training.networks.hub import quiet_transformers
    from waste_edge.training.recipe import ProbeSpec

    if not encoder.exists():
        torch.manual_seed(0)
        small = CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIZE_PX,
            patch_size=16,
            projection_dim=EMBEDDING,
        )
        with quiet_transformers():
            CLIPVisionModelWithProjection(small).save_pretrained(encoder)
    dataset = open_dataset(data)
    network = ClipProbe(load_encoder(ProbeSpec(encoder=str(encoder))), len(dataset.labels))
    reader = InputReader(InputSpec(width_px=SIZE_PX, height_px=SIZE_PX))
    with progress_bar("embedding") as progress:
        rows = embed_photos(network, reader, dataset.photos, 64, progress)
    print(rows.shape, float(rows[:1000].std()))  # of all it would take as much memory again as the embeddings do


STAGES: dict[str, Callable[..., None]] = {"train": first_step, "embed": embed}

if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    name, data, out, *more = sys.argv[1:]
    STAGES[name](Path(data), Path(out), *more)
