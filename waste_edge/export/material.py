"""Pictures that a bundle's confidence is fitted on and that its networks are scored on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from waste_edge.dataset import Dataset, Part, Photo, group_near_duplicates, open_dataset, split
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.export.domains import ExportDomains, Origin, open_export_domains
from waste_edge.imaging.preprocess import InputSpec


@dataclass(frozen=True, eq=False, kw_only=True)
class Material:
    """A network's own pictures, divided as they were for its training, and those of other sources.

    Attributes:
        source: the run's folder or the bundle, for messages.
        origin: what the network was made from.
        spec: how pictures are prepared for it.
        parts: its photographs, by part.
        step: told what is being done, in words.
        progress: told pictures done and in all.
        domains: other sources' pictures, if there are such.
    """

    source: Path
    origin: Origin
    spec: InputSpec
    dataset: Dataset
    parts: dict[Part, list[Photo]]
    step: Callable[[str], None]
    progress: Progress
    domains: ExportDomains | None = None

    @property
    def labels(self) -> list[str]:
        """The network's labels, in its order."""
        return self.origin.labels

    @property
    def validation(self) -> list[Photo]:
        """The pictures that accuracy is measured on."""
        return self.parts["val"]

    @property
    def protocol(self) -> str:
        """Describe the pictures that the scores are of, in words."""
        return (
            f"{len(self.validation)} validation pictures of {self.origin.data}, "
            f"{'grouped by object' if self.dataset.grouped else 'near-duplicates grouped'}, "
            f"seed {self.origin.split.seed}; "
            "temperature and thresholds were fitted on these same pictures, weights were not"
        )


def open_pictures(
    source: Path, origin: Origin, data: Path, domains: Path | None
) -> tuple[Dataset, dict[Part, list[Photo]], ExportDomains | None]:
    """Find a network's own pictures again, divided as for its training, and those of other sources.

    Raises:
        DataError: other data than the network's, no validation part, or nothing of `domains` has a label of it.
    """
    dataset = open_dataset(data, origin.labels, origin.label_map)
    if dataset.fingerprint() != origin.data_fingerprint:
        raise DataError(
            f"{data}: not the pictures {source} was trained on (their fingerprint differs), so training and "
            "validation pictures cannot be told apart; give the same --data as in training"
        )
    parts = split(group_near_duplicates(dataset), origin.split)
    if not parts["val"]:
        raise DataError(
            f"{data}: the run kept no validation part; set split.val_fraction in its recipe and train again"
        )
    return dataset, parts, open_export_domains(domains, origin) if domains else None
