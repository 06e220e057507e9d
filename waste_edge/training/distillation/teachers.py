"""Teachers of a student: one finished run, or several that answer together."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from waste_edge.dataset import Dataset
from waste_edge.errors import ConfigError, RunError
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.input_pipeline.inputs import InputReader, Inputs, run_network
from waste_edge.training.networks.layers import channels_last
from waste_edge.training.recipe import Recipe
from waste_edge.training.runs import Run


class Teachers:
    """Several runs as one teacher: their probabilities are averaged, and the logarithm of that is its logits."""

    def __init__(self, runs: Sequence[Run], device: torch.device) -> None:
        self.runs = list(runs)
        self._networks = [channels_last(run.as_trained().to(device)).eval() for run in runs]
        self._said: dict[Hashable, tuple[Tensor, Tensor]] = {}

    def answer(self, inputs: Inputs, views: Sequence[Hashable] = ()) -> tuple[Tensor, Tensor]:
        """Logits (B, C), and the first one's features (B, F), for the student's own augmented views.

        Args:
            inputs: the views.
            views: a name of each, if they come again: then what was said of them is remembered.
        """
        if views and all(view in self._said for view in views):
            logits, features = zip(*(self._said[view] for view in views), strict=True)
            return torch.stack(logits), torch.stack(features)
        said = self._answer(inputs)
        if views:
            self._said.update(zip(views, zip(*said, strict=True), strict=True))
        return said

    @torch.no_grad()
    def _answer(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        answers = [
            run_network(network, _at_its_size(inputs, run.info.recipe.input))
            for network, run in zip(self._networks, self.runs, strict=True)
        ]
        features = answers[0][1].float()
        if len(answers) == 1:
            return answers[0][0].float(), features
        together = torch.stack([functional.log_softmax(logits.float(), dim=1) for logits, _ in answers])
        return together.logsumexp(dim=0) - math.log(len(answers)), features

    def reading_for(self, student: InputReader) -> InputReader:
        """The student's reader, which also reads the text that a teacher needs: the station has none, training has.

        Raises:
            RunError: student and teachers read texts in different ways.
        """
        texts = [run for run in self.runs if run.tokenize]
        if len(texts) > 1 or (texts and student.tokenize):
            raise RunError(f"{texts[-1].folder}: only one model of a distillation can read text; leave out the others")
        if not texts:
            return student
        return replace(student, tokenize=texts[0].tokenize, text_of=texts[0].reader().text_of)

    def words(self) -> str:
        """Describe the teachers: names and checksums of their weights."""
        return ", ".join(f"{run.info.recipe.name} sha256:{run.info.weights_sha256}" for run in self.runs)


def check_teachers(recipe: Recipe, teachers: Sequence[Run], dataset: Dataset) -> None:
    """Raise ConfigError or RunError unless these runs can teach by this recipe."""
    if not teachers:
        return
    if recipe.distill is None:
        raise ConfigError(f"recipe {recipe.name!r} has no [distill] part; add temperature and alpha, or use train")
    for run in teachers:
        if tuple(run.info.labels) != dataset.labels:
            raise RunError(
                f"{run.folder}: the teacher's labels ({', '.join(run.info.labels)}) are not "
                f"the data's ({', '.join(dataset.labels)}); train a teacher on these data"
            )
        own = run.info.recipe
        if own.input and not recipe.input:
            raise RunError(f"{run.folder}: the teacher looks at pictures, recipe {recipe.name!r} does not")
        if reads_column(run) and not dataset.has_text:
            raise RunError(
                f"{run.folder}: the teacher reads the data's texts, and there are none; give data with a text column"
            )
        if run.info.data_fingerprint == dataset.fingerprint() and own.split != recipe.split:
            raise RunError(
                f"{run.folder}: was trained with another [split], so it has seen pictures that this recipe would "
                "validate on; copy its split part into the recipe"
            )


def reads_column(run: Run) -> bool:
    """Return whether a run, or a member of it, reads texts that come with the data."""
    text = run.info.recipe.text
    return bool(text and text.source == "column") or any(reads_column(member) for member in run.members.values())


def _at_its_size(inputs: Inputs, sees: InputSpec | None) -> Inputs:
    """The same views, resized to what a teacher looks at."""
    if sees is None or inputs.pixels.ndim != 4 or inputs.pixels.shape[2:] == (sees.height_px, sees.width_px):
        return inputs
    size = (sees.height_px, sees.width_px)
    resized = functional.interpolate(inputs.pixels, size, mode="bilinear", antialias=True, align_corners=False)
    return inputs._replace(pixels=resized.contiguous(memory_format=torch.channels_last))
