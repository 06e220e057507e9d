"""Inputs of a training besides its data: pictures of other sources, a device, a place for its views."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from waste_edge.dataset import Dataset, Domains, Photo, open_domains, refuse_measuring
from waste_edge.dataset.near_duplicates import find_copies, refuse_copies
from waste_edge.errors import ConfigError, UserError
from waste_edge.evaluation.evaluate import Progress, without_progress
from waste_edge.training.recipe import Recipe

DeviceChoice = Literal["auto", "cpu", "cuda"]
ProgressBarFactory = Callable[[str], AbstractContextManager[Progress]]  # a progress bar of this title


def no_bar(_title: str) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(without_progress)


@dataclass(frozen=True)
class TrainOptions:
    """Options besides recipe and data.

    Attributes:
        domains: a CSV file of pictures from other sources, see `dataset.open_domains`; those that may teach do.
        leave_out: sources in it to keep away.
        device: where to train; `auto` takes a GPU if torch sees one.
        stock: folder of the views that a recipe with a [stock] part keeps, shared by trainings on the same pictures;
            None: `stock` in the run's own folder.
        bar: gives the progress bar of what comes before the first epoch.
    """

    domains: Path | None = None
    leave_out: tuple[str, ...] = ()
    device: DeviceChoice = "auto"
    stock: Path | None = None
    bar: ProgressBarFactory = no_bar

    def torch_device(self) -> torch.device:
        """Choose the device to train on.

        Raises:
            UserError: a GPU was asked for, and torch sees none.
        """
        available = torch.cuda.is_available()
        if self.device == "cuda" and not available:
            raise UserError("--device cuda: torch sees no GPU here (torch.cuda.is_available() is false); use cpu")
        return torch.device("cuda" if available and self.device != "cpu" else "cpu")


@dataclass(frozen=True)
class OtherSources:
    """Pictures of other sources that a network is taught with.

    Attributes:
        known: with one of the data's labels.
        strange: with another one: things that the network is taught to be unsure of.
        sources: how many pictures of each source, known or not.
        fingerprint: over names, labels and contents; empty if there are none.
    """

    known: tuple[Photo, ...] = ()
    strange: tuple[Photo, ...] = ()
    sources: tuple[tuple[str, int], ...] = ()
    fingerprint: str = ""


def read_other_sources(
    extra: TrainOptions, recipe: Recipe, dataset: Dataset, training: Sequence[Photo]
) -> OtherSources:
    """The pictures of other sources, without the groups that a split holds out of them.

    Args:
        extra: names the file.
        recipe: its split holds groups out; its label map is applied.
        dataset: whose labels are known.
        training: the data's own training part, looked at too: nothing that is for measuring may be among it.

    Raises:
        ConfigError: the recipe has no place for them.
        DataError: the file is wrong, a picture is for measuring only, or one that teaches has a near-copy among those
            that are held out.
    """
    refuse_measuring(training)
    if extra.domains is None:
        if extra.leave_out:
            raise ConfigError("--leave-out names sources of --domains, which was not given")
        return OtherSources()
    if recipe.text or recipe.input is None:
        raise ConfigError(f"--domains: recipe {recipe.name!r} reads texts, which these pictures have not")
    allowed = open_domains(extra.domains).teaching(leave_out=extra.leave_out)
    teach, held_out = allowed.divided(recipe.split)
    known = tuple(teach.named(dataset.labels, recipe.labels).photos)
    strange = tuple(teach.strange(dataset.labels, recipe.labels).photos)
    refuse_measuring([*known, *strange])
    if not recipe.split.allow_leak:
        _refuse_copies(dataset, training, teach, held_out)
    total = hashlib.sha256()
    for photo in (*known, *strange):
        total.update(f"{photo.key}\0{photo.label}\0{photo.sha256()}\n".encode())
    return OtherSources(known, strange, tuple(teach.pictures_by_source().items()), total.hexdigest())


def _refuse_copies(dataset: Dataset, training: Sequence[Photo], teach: Domains, held_out: Domains) -> None:
    """Raise DataError where a picture that teaches is the same as one held out of another collection.

    Within a collection its groups say what belongs together.
    """
    keys = {photo.key for photo in training}
    kept_back = [photo for photo in dataset.photos if photo.key not in keys]
    source_of = {row.photo: row.source for row in (*teach.rows, *held_out.rows)}  # none of them: the data
    copies = [
        copy
        for copy in find_copies([*training, *teach.photos], [*kept_back, *held_out.photos])
        if source_of.get(copy.taught) != source_of.get(copy.judged)
    ]
    refuse_copies(copies, "take one of each two away, or go on with --allow-leak")
