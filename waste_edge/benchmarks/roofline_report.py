"""A report with its roofline: which of the measured rows have one, and where their files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

from waste_edge.benchmarks.baseline import SUFFIXES
from waste_edge.benchmarks.candidates import Given
from waste_edge.benchmarks.measure import StepProgress
from waste_edge.benchmarks.roofline.model import Measured, roofline
from waste_edge.benchmarks.schema import BenchReport, Row
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.engines.names import ENGINES


def with_roofline(report: BenchReport, given: Sequence[Given], progress: StepProgress) -> BenchReport:
    """The same report with the roofs of its rows: those through our interface, and lone files of a known precision.

    Args:
        report: of what was given.
        given: in the order of the report's subjects.
        progress: is told what is being done.

    Raises:
        BundleError: a file is damaged.
    """
    sources = {subject.name: one for subject, one in zip(report.subjects, given, strict=True)}
    networks = [network for row in report.rows if (network := _measured(row, sources[row.subject])) is not None]
    done = roofline(networks, lambda count, total: progress("roofline", count, total))
    return msgspec.structs.replace(report, roofline=done)


def _measured(row: Row, source: Given) -> Measured | None:
    if row.latency is None or not row.precision:
        return None
    if isinstance(source, Path):
        kind = ENGINES[SUFFIXES[source.suffix]].format
        return Measured(row.key, source, cast(ArtifactName, f"{kind}-{row.precision}"), row.threads, row.latency.p50_ms)
    if row.kind == "bare" or row.key.split("/")[-3] not in ENGINES:  # a plug-in's peak is not measured
        return None
    artifact = cast(ArtifactName, row.artifact)
    return Measured(row.key, source.artifact(artifact), artifact, row.threads, row.latency.p50_ms)
