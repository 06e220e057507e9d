"""Context of an export's steps: the run, its pictures, the progress callbacks; and what no export goes on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import Photo
from waste_edge.engines.graph.report import check_file
from waste_edge.engines.graph.rules import default_target, read_target
from waste_edge.errors import GraphError, RunError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.export.domains import Origin
from waste_edge.export.formats.graphs import fold_batch_norms
from waste_edge.export.material import Material, open_pictures
from waste_edge.export.quantization import calibrate
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Work(Material):
    """A run opened for export.

    Attributes:
        network: the run's, in evaluation mode, batch norms folded.
    """

    run: Run
    network: nn.Module

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
    info = run.info
    reads_text, kind = "tokens" in getattr(run.network, "reads", ()), info.recipe.kind
    if reads_text or kind != "network":
        what = "reads text, which a bin has not" if reads_text else f"is a {kind}, not one network"
        raise RunError(
            f"{run.folder}: its model {what}; teach a student of pictures alone and export that: "
            "waste-edge distill RECIPE --teacher RUN"
        )
    refuse_bad_weights(run.network, run.folder)
    origin = Origin(info.labels, info.recipe.labels, info.recipe.split, info.data_fingerprint, info.data, info.left_out)
    dataset, parts, others = open_pictures(run.folder, origin, data, domains)
    return Work(
        source=run.folder,
        origin=origin,
        spec=info.recipe.sees,
        dataset=dataset,
        parts=parts,
        step=step,
        progress=progress,
        domains=others,
        run=run,
        network=fold_batch_norms(run.network),
    )
