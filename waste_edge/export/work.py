"""Context of an export's steps: the run, its pictures, and the progress callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from waste_edge.dataset import Dataset, Part, Photo, group_near_duplicates, open_dataset, split
from waste_edge.errors import DataError, RunError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.export.check import refuse_bad_weights
from waste_edge.export.domains import ExportDomains, open_export_domains
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.quantization import calibrate
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.runs import Run


@dataclass(frozen=True, eq=False)
class Work:
    """A run opened for export.

    Attributes:
        network: the run's, in evaluation mode, batch norms folded.
        parts: its photographs, divided as they were for training.
        step: told what is being done, in words.
        progress: told pictures done and in all.
        domains: other sources' pictures, if there are such.
    """

    run: Run
    network: nn.Module
    dataset: Dataset
    parts: dict[Part, list[Photo]]
    step: Callable[[str], None]
    progress: Progress
    domains: ExportDomains | None = None

    @property
    def spec(self) -> InputSpec:
        """Input specification that pictures are prepared by."""
        return self.run.info.recipe.sees

    @property
    def validation(self) -> list[Photo]:
        """The pictures that accuracy is measured on."""
        return self.parts["val"]

    def calibration(self, recipe: ExportRecipe) -> list[Photo]:
        """The training pictures that set a recipe's ranges; raises DataError as `choose_calibration` does."""
        held_out = [*self.parts["val"], *self.parts["test"]]
        return calibrate.choose_calibration(self.dataset, self.parts["train"], held_out, recipe)

    def prepared(self, photos: Sequence[Photo]) -> list[Pixels]:
        """The pictures as a device would hand them over, uint8 (H, W, 3) each."""
        return calibrate.prepared(photos, self.spec)


def open_work(
    run: Run, data: Path, step: Callable[[str], None], progress: Progress, domains: Path | None = None
) -> Work:
    """Find the run's own pictures again, and those of other sources.

    Raises:
        RunError: not a run of one network that looks at pictures alone, or a weight is NaN or infinite.
        DataError: other data than the run's, or no validation part.
    """
    reads_text, kind = "tokens" in getattr(run.network, "reads", ()), run.info.recipe.kind
    if reads_text or kind != "network":
        what = "reads text, which a bin has not" if reads_text else f"is a {kind}, not one network"
        raise RunError(
            f"{run.folder}: its model {what}; teach a student of pictures alone and export that: "
            "waste-edge distill RECIPE --teacher RUN"
        )
    refuse_bad_weights(run.network, run.folder)
    dataset = open_dataset(data, run.info.labels, run.info.recipe.labels)
    if dataset.fingerprint() != run.info.data_fingerprint:
        raise DataError(
            f"{data}: not the pictures {run.folder} was trained on (their fingerprint differs), so training and "
            "validation pictures cannot be told apart; give the same --data as in training"
        )
    parts = split(group_near_duplicates(dataset), run.info.recipe.split)
    if not parts["val"]:
        raise DataError(
            f"{data}: the run kept no validation part; set split.val_fraction in its recipe and train again"
        )
    others = open_export_domains(domains, run.info) if domains else None
    return Work(run, fold_batch_norms(run.network), dataset, parts, step, progress, others)
