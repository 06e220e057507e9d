"""Verification of a bundle on this machine: checksums, then every golden output is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Manifest, Tolerance
from waste_edge.engines.engine import (
    ENGINE_NAMES,
    NOT_FINITE,
    Output,
    engine_of,
    installed_engines,
    is_finite,
    load_engine,
    require_engine,
)
from waste_edge.engines.interface import headed
from waste_edge.errors import BundleError, EngineError, MissingPackageError
from waste_edge.files.strict import Strict
from waste_edge.imaging.frames import Pixels

_HEAD_SHARE = 1e-5  # of the largest logit: float32 logits of sums whose order another machine may choose


class Replay(Strict, frozen=True):
    """One artifact, replayed on its engine.

    Attributes:
        artifact: its name in the manifest.
        engine: the engine that runs it here, with its version once it has loaded.
        status: `ok`; `failed`, it differs or does not run; `skipped`, its engine is not installed.
        reason: why it failed or was skipped; empty if it is ok.
        pictures: how many golden pictures there are.
        labels_agreeing: how many of them still get the same best label; None if it did not run.
        logits_difference, features_difference: largest absolute differences; None if it did not run.
        tolerance: how large the differences may be.
    """

    artifact: ArtifactName
    engine: str
    status: Literal["ok", "failed", "skipped"]
    reason: str
    pictures: int
    labels_agreeing: int | None
    logits_difference: float | None
    features_difference: float | None
    tolerance: Tolerance


class Verification(Strict, frozen=True):
    """A bundle whose checksums are right, and how its artifacts replayed; or why it could not be opened: `error`.

    `head_items` is the number of its station's own items that a commissioned bundle's head was replayed on.
    """

    bundle: str
    name: str = ""
    version: str = ""
    files: int = 0
    artifacts: list[Replay] = msgspec.field(default_factory=list)
    error: str = ""
    head_items: int = 0

    @classmethod
    def of(cls, bundle: Bundle, replays: list[Replay], head_items: int = 0) -> Verification:
        """Verify a bundle's artifacts from their replays."""
        manifest = bundle.manifest
        return cls(
            bundle=str(bundle.source),
            name=manifest.name,
            version=manifest.version,
            files=len(manifest.files()),
            artifacts=replays,
            head_items=head_items,
        )

    @property
    def ok(self) -> bool:
        """At least one artifact replayed, and none failed."""
        statuses = {replay.status for replay in self.artifacts}
        return "ok" in statuses and "failed" not in statuses


@dataclass(frozen=True, eq=False)
class GoldenSet:
    """The golden inputs, uint8 (N, H, W, 3), and each artifact's outputs, float32 (N, C) and (N, F)."""

    pixels: Pixels
    outputs: dict[ArtifactName, Output]


def verify_bundle(bundle: Bundle) -> Verification:
    """Check every file's SHA-256 and replay the golden outputs of every artifact whose engine is installed.

    In this process: `trial.verify` is for bundles that are not known good.

    Raises:
        BundleError: a file is damaged, or the golden file, or the known score's, is not what the manifest describes.
        MissingPackageError: no engine is installed, so nothing can be replayed.
    """
    bundle.verify_checksums()
    bundle.known_scorer()
    head_items = replay_head(bundle)
    golden = read_golden(bundle)
    if not installed_engines():
        require_engine(ENGINE_NAMES[0])
    replays = [_replay(bundle, artifact, golden) for artifact in bundle.manifest.artifacts]
    return Verification.of(bundle, replays, head_items)


def replay_head(bundle: Bundle) -> int:
    """Replay a station's head on what the network said of that station's own items; returns how many there are.

    The golden pictures are the parent's, and seldom come near what a station learnt; these items do. No network runs,
    so it must come out the same but for the order in which the machine adds.

    Raises:
        BundleError: it comes out otherwise, or its file is damaged.
    """
    head, items = bundle.head(), bundle.head_items()
    if head is None or items is None:
        return 0
    outputs = [headed(Output(*row), head).logits for row in zip(items.logits, items.features, strict=True)]
    off, allowed = _largest_difference(np.stack(outputs), items.outputs), _HEAD_SHARE * np.abs(items.outputs).max()
    if not off <= allowed:  # so that a NaN fails
        raise BundleError(
            f"{bundle.source}: its head answers its station's items otherwise than there (by {off:.3g}, more than "
            f"{allowed:.3g}); commission that station again"
        )
    return len(items.outputs)


def read_golden(bundle: Bundle) -> GoldenSet:
    """Read the golden file and check every array's type and shape; the layout is in `manifest.Golden`.

    Raises:
        BundleError: damaged, an array is missing, or one is not of the expected type and shape.
    """
    manifest = bundle.manifest
    arrays = bundle.golden()
    count, spec = manifest.golden.pictures, manifest.input
    shapes = {"logits": (count, len(manifest.labels)), "features": (count, manifest.features)}

    def take(name: ArtifactName, kind: str) -> NDArray[np.float32]:
        return np.asarray(arrays.take(f"{name}.{kind}", shapes[kind], np.float32), np.float32)

    pixels = np.asarray(arrays.take("pixels", (count, spec.height_px, spec.width_px, 3), np.uint8), np.uint8)
    outputs = {name: Output(take(name, "logits"), take(name, "features")) for name in manifest.artifacts}
    return GoldenSet(pixels, outputs)


def _replay(bundle: Bundle, artifact: ArtifactName, golden: GoldenSet) -> Replay:
    try:
        engine = load_engine(bundle.artifact(artifact), artifact, bundle.manifest)
        answers = [engine.infer(picture) for picture in golden.pixels]
    except MissingPackageError as error:
        return not_replayed(bundle.manifest, artifact, "skipped", str(error))
    except (BundleError, EngineError) as error:
        return not_replayed(bundle.manifest, artifact, "failed", str(error))
    return compare(bundle.manifest, artifact, engine.name, answers, golden.outputs[artifact])


def not_replayed(
    manifest: Manifest, artifact: ArtifactName, status: Literal["skipped", "failed"], reason: str
) -> Replay:
    """One that did not come to its golden pictures' end, and why."""
    return Replay(
        artifact=artifact,
        engine=engine_of(artifact),
        status=status,
        reason=reason,
        pictures=manifest.golden.pictures,
        labels_agreeing=None,
        logits_difference=None,
        features_difference=None,
        tolerance=manifest.golden.tolerance[artifact],
    )


def compare(
    manifest: Manifest, artifact: ArtifactName, engine: str, answers: Sequence[Output], expected: Output
) -> Replay:
    """One that answered its golden pictures, held against what it answered where it was exported."""
    if not all(map(is_finite, answers)):
        return not_replayed(manifest, artifact, "failed", f"a golden picture gives {NOT_FINITE}")
    tolerance = manifest.golden.tolerance[artifact]
    logits = np.stack([answer.logits for answer in answers])
    features = np.stack([answer.features for answer in answers])
    off_logits, off_features = (
        _largest_difference(logits, expected.logits),
        _largest_difference(features, expected.features),
    )
    complaints = [
        f"{what} differ by {off:.3g}, more than {allowed:.3g}"
        for what, off, allowed in (
            ("logits", off_logits, tolerance.logits),
            ("features", off_features, tolerance.features),
        )
        if not off <= allowed  # so that a NaN fails
    ]
    return Replay(
        artifact=artifact,
        engine=engine,
        status="failed" if complaints else "ok",
        reason="; ".join(complaints),
        pictures=len(answers),
        labels_agreeing=int((logits.argmax(axis=1) == expected.logits.argmax(axis=1)).sum()),
        logits_difference=off_logits,
        features_difference=off_features,
        tolerance=tolerance,
    )


def _largest_difference(here: NDArray[np.float32], there: NDArray[np.float32]) -> float:
    return float(np.abs(here.astype(np.float64) - there.astype(np.float64)).max())
