"""The last look at a finished bundle: pictures that no choice was made on, and what boards meet beside such."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import Photo, group_near_duplicates
from waste_edge.errors import DataError
from waste_edge.evaluation.comparison.build import ReportExtras, build_report
from waste_edge.evaluation.comparison.held_out import pictures_for_all
from waste_edge.evaluation.comparison.models import model_of_bundle
from waste_edge.evaluation.domains.measure import Home, measure_domains
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.evaluation.rendered_pictures import RENDERED, ShiftedPictures, open_unknown, shift_backgrounds
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.evaluation.robustness.measure import measure_robustness
from waste_edge.evaluation.robustness.report import RobustnessReport
from waste_edge.export.material import Material

SHOWN: tuple[ArtifactName, ArtifactName] = ("tflite-fp32", "tflite-int8")


class FinalEvaluation(NamedTuple):
    """Results on the test part: of the bundle's TFLite files in the order of `SHOWN`; of INT8 also by source."""

    artifacts: tuple[ArtifactName, ...]
    report: ComparisonReport
    robustness: RobustnessReport
    domains: DomainsReport | None = None


def check_test_part(material: Material) -> None:
    """Raise DataError if the run kept no test part."""
    if not material.parts["test"]:
        raise DataError(
            f"{material.source}: kept no test part for a last look; set split.test_fraction in its recipe and train "
            "again, or leave out --last-look"
        )


def evaluate_on_test_part(folder: Path, material: Material) -> FinalEvaluation:
    """Score a bundle on its run's test part: as it is, spoiled, elsewhere, and against rendered strangers.

    Args:
        folder: the bundle's, whole but for its card.
    """
    dataset = group_near_duplicates(material.dataset)
    with open_bundle(folder) as bundle:
        artifacts = tuple(artifact for artifact in SHOWN if artifact in bundle.manifest.artifacts)
        models = [model_of_bundle(bundle, artifact, bundle.manifest.name) for artifact in artifacts]
        pictures = pictures_for_all(models, dataset)
        material.step("the last look: the test part, stand-ins for the unknown, items elsewhere")
        report = build_report(
            models,
            dataset,
            pictures,
            lambda _: material.progress,
            ReportExtras(open_unknown(RENDERED), _elsewhere(pictures.scored, material)),
        )
        material.step("the last look: the test part, spoiled")
        robustness = measure_robustness(models, dataset, pictures.scored, pictures.protocol, material.progress)
        domains = None
        if material.domains is not None:
            material.step("the last look: other sources")
            home = Home(dataset.name, pictures.scored, pictures.protocol)
            domains = measure_domains([models[-1]], home, material.domains.everything, lambda _: material.progress)
    return FinalEvaluation(artifacts, report, robustness, domains)


def _elsewhere(photos: Sequence[Photo], material: Material) -> ShiftedPictures | None:
    """Shift the items to other backgrounds; None where no item can be told from its own."""
    try:
        return shift_backgrounds(photos, material.progress)
    except DataError as error:
        material.step(f"  {error}")
        return None
