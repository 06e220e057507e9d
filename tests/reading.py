"""Miniatures of models that read: DistilBERT's very classes with a few words, and pictures with texts."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from waste_edge.training.runs import RunInfo

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "old"]
WORDS += ["can", "jar", "box", "crimson", "leafy", "navy"]
COLOUR_WORDS = {"blue": "navy", "green": "leafy", "red": "crimson"}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like DistilBERT's own, without weights."""
    from transformers import DistilBertConfig

    folder = tmp_path_factory.mktemp("encoder")
    config = DistilBertConfig(
        vocab_size=len(WORDS), dim=32, hidden_dim=64, n_layers=1, n_heads=2, max_position_embeddings=16
    )
    config.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def talking_photos(tmp_path_factory: pytest.TempPathFactory, colour_photos: Path) -> Path:
    """A CSV of the colour photos, with a text of each that says its colour in a word."""
    folder = tmp_path_factory.mktemp("talking")
    shutil.copytree(colour_photos / "images", folder / "images")
    lines = ["path,label,group,text"]
    for label, word in COLOUR_WORDS.items():
        for index in range(10):
            thing = ("can", "jar", "box")[index % 3]
            lines.append(f"images/{label}/{index}.png,{label},{label}-{index // 2},the old {word} {thing}")
    (folder / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "photos.csv"


@pytest.fixture(scope="session")
def reading_recipes(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A folder of recipes: looks.toml, reads.toml, both.toml (concatenated) and fused.toml (weighted)."""
    folder = tmp_path_factory.mktemp("recipes")
    text = f'[text]\nencoder = "{tiny_encoder}"\npretrained = false\nsource = "column"\nmax_tokens = 16\n'
    model = '[model]\narchitecture = "cnn4"\nwidth = 0.25\ndropout = 0.0\n[input]\nwidth_px = 32\nheight_px = 32\n'
    fit = "[fit]\nepochs = 12\nbatch_size = 6\nlearning_rate = 1e-2\nwarmup_epochs = 0.5\n"
    mild = "[augment]\nmin_area = 0.8\ncolour_jitter = 0.1\n"
    split = "[split]\nval_fraction = 0.2\ntest_fraction = 0.2\n"
    longer = fit.replace("epochs = 12", "epochs = 15")
    recipes = {
        "looks": model + fit + mild,
        "reads": text + longer,
        "both": model + text + "[fusion]\nprojection = 24\nhidden = 32\n" + fit + mild,
        "fused": '[weighted_fusion]\nimage = "looks"\ntext = "reads.toml"\n' + split,
    }
    for name, lines in recipes.items():
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n{lines}', encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def fused_run(tmp_path_factory: pytest.TempPathFactory, reading_recipes: Path, talking_photos: Path) -> Path:
    """A weighted fusion, trained with both its members. Copy it to change it."""
    out = tmp_path_factory.mktemp("runs") / "fused"
    train_miniature(reading_recipes / "fused.toml", talking_photos, out)
    return out


class Silent:
    """A watcher that says nothing."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, epoch: int, loss: float, scores: object) -> None: ...

    def warn(self, sentence: str) -> None: ...


def train_miniature(recipe: Path, data: Path, out: Path, *changes: str, **more: Any) -> RunInfo:
    """Train by a recipe's file as the command line does; returns the run's facts."""
    from waste_edge.training.recipe import read_recipe
    from waste_edge.training.train import train
    from waste_edge.training.train_request import TrainRequest

    return train(
        TrainRequest(
            recipe=read_recipe(str(recipe), changes),
            data=data,
            out=out,
            watch=lambda _: nullcontext(Silent()),
            beside=recipe.parent,
            **more,
        )
    )
