"""Request to train, whatever kind of model its recipe describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from waste_edge.dataset import Dataset, group_near_duplicates, open_dataset
from waste_edge.dataset.looking import cores
from waste_edge.errors import ConfigError
from waste_edge.training.loop.training_loop import TrainingListener
from waste_edge.training.recipe import Recipe, read_recipe
from waste_edge.training.runs import Run
from waste_edge.training.train_options import ProgressBarFactory, TrainOptions, no_bar

ListenerFactory = Callable[
    [Recipe], AbstractContextManager[TrainingListener]
]  # who is told, of each network, how its training goes


@dataclass(frozen=True, eq=False)
class TrainRequest:
    """A recipe, and all that the command line says beside it; see `fit` for what a network does with it.

    Attributes:
        watch: gives the watcher of each network that is trained.
        bar: gives the progress bar of what is not the training of a network.
        beside: folder of the recipe's file, where the recipes that it names may be.
        members: finished runs to take instead of training that part of a model put together from others.
        extra: pictures of other sources, a device, a place for views.
    """

    recipe: Recipe
    data: Path
    out: Path
    watch: ListenerFactory
    bar: ProgressBarFactory = no_bar
    beside: Path = Path()
    weights: Path | None = None
    teachers: Sequence[Run] = ()
    start: Run | None = None
    members: dict[str, Path] = field(default_factory=dict)
    resume: bool = False
    extra: TrainOptions = field(default_factory=TrainOptions)

    def grouped(self) -> Dataset:
        """The data with the recipe's labels, near-duplicates in groups; see `group_near_duplicates`."""
        dataset = open_dataset(self.data, label_map=self.recipe.labels)
        with self.bar("looking for near-duplicates") as progress:
            return group_near_duplicates(dataset, progress, cores())

    def named_recipe(self, given: str) -> Recipe:
        """A recipe that this one names: a file beside it, by name or path, else a path or a shipped one.

        Raises:
            ConfigError: missing or wrong.
        """
        for path in (self.beside / given, self.beside / f"{given}.toml"):
            if path.is_file():
                return read_recipe(str(path))
        return read_recipe(given)

    def check_of_others(self, members: Sequence[str]) -> None:
        """Raise ConfigError where the command line asks of a model put together from others what only a network has.

        Args:
            members: names that `--member` may have.
        """
        kind = self.recipe.kind
        options = {
            "--weights": self.weights,
            "--from": self.start,
            "--teacher": self.teachers,
            "--domains": self.extra.domains,
            "--stock": self.extra.stock,
        }
        if given := [option for option, value in options.items() if value]:
            raise ConfigError(
                f"{given[0]}: recipe {self.recipe.name!r} is a {kind}, put together from others; train these on their "
                "own with it"
            )
        self.check_members(members)

    def check_members(self, members: Sequence[str]) -> None:
        """Raise ConfigError unless every `--member` has one of these names."""
        for name in self.members:
            if name not in members:
                known = f"expected {' or '.join(members)}" if members else "its model has no members; leave it out"
                raise ConfigError(f"--member {name}: unknown to recipe {self.recipe.name!r}; {known}")
