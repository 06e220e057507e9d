"""Context of an export's steps: the run, its pictures, the progress callbacks; and what no export goes on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import Dataset, Part, Photo, group_near_duplicates, open_dataset, split
from waste_edge.engines.graph.report import check_file
from waste_edge.engines.graph.rules import default_target, read_target
from waste_edge.errors import DataError, GraphError, RunError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.export.domains import ExportDomains, open_export_domains
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.quantization import calibrate
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.runs import Run


def refuse_bad_weights(network: nn.Module, source: Path) -> None:
    """Raise RunError naming the first tensor of `network` with a NaN or an infinity; `source` is the run's folder."""
    for name, tensor in network.state_dict().items():
        bad = int((~torch.isfinite(tensor)).sum()) if tensor.is_floating_point() else 0
        if bad:
            raise RunError(
                f"{source}: {bad} of {tensor.numel()} numbers in {name} are NaN or infinite; "
                "the training diverged: lower learning_rate in its recipe and train again"
            )


def refuse_foreign_graph(path: Path, artifact: ArtifactName, float_layers: bool = False) -> None:
    """Raise GraphError, naming operator and target, unless a file is made for the target of its kind.

    Args:
        path: the file just written.
        artifact: which artifact it is.
        float_layers: the recipe left layers in float on purpose.

    Raises:
        GraphError: an operator the target lacks, or a broken rule; the message counts the others.
    """
    target = read_target(default_target(artifact))
    findings = check_file(path, artifact, target, float_layers)
    if not findings:
        return
    first, others = findings[0], len(findings) - 1
    more = f" (and {others} more)" if others else ""
    raise GraphError(f"{artifact} for {target.name}: operator {first.operator} at {first.place}: {first.message}{more}")


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
