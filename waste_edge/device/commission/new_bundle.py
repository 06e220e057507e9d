"""A bundle with a station's head: the same network files, new labels, thresholds and golden outputs, and its origin."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import HEAD_ITEMS, Bundle, open_bundle
from waste_edge.bundle.manifest import (
    MANIFEST_NAME,
    ArtifactName,
    Calibration,
    FileEntry,
    Golden,
    Metrics,
    StationHead,
    Tolerance,
)
from waste_edge.bundle.signing import SIGNATURE_NAME, Signer
from waste_edge.device.commission.outcome import Outcome
from waste_edge.device.commission.records import Records
from waste_edge.engines.interface import Output, as_kept, headed
from waste_edge.engines.verify import read_golden
from waste_edge.files.atomic import sha256_of, telling_a_full_disk, write_atomically
from waste_edge.files.strict import to_json
from waste_edge.files.text import in_markdown
from waste_edge.heads import Head, Shots, fingerprints
from waste_edge.metrics.significance import Interval
from waste_edge.rejection import IN_WORDS

NOT_BETTER = "although it is not shown to be better (--despite)"
HEAD_NAME, CARD_NAME, KNOWN_NAME = "head.npz", "MODEL_CARD.md", "known_score.npz"
_GOLDEN_SHARE = 0.05  # of the head's range on golden pictures: as far as INT8 logits may be off on another machine
_FP32_SHARE = 2e-3
_MOST_HEAD_ITEMS = 32  # of the station's own, whose answers are kept beside the head: 90 kB of 1,280 features


@dataclass(frozen=True)
class Origin:
    """Origin of a new bundle.

    Attributes:
        name, version: of the new bundle.
        site: the station's name.
        now: of the station's clock, with its zone.
        signer: the private key to sign with; None: not signed.
    """

    name: str
    version: str
    site: str
    now: datetime | None = None
    signer: Signer | None = None

    @property
    def created(self) -> str:
        """The time, as manifests write it."""
        return (self.now or datetime.now(UTC)).isoformat(timespec="seconds")


def write_bundle(parent: Bundle, records: Records, outcome: Outcome, origin: Origin, folder: Path) -> Bundle:
    """Write a bundle with the station's head into an empty folder, and open it.

    Args:
        parent: whose network files it gets.
        records, outcome: what was shown, and the head.
        origin: see there.
        folder: an empty one.

    Raises:
        BundleError: a file of the parent is damaged, or its golden file is not what its manifest says.
        UserError: the disk is full.
    """
    with telling_a_full_disk("free some space; nothing was installed"):
        own, labels = parent.manifest, records.setup.all_labels
        for entry in own.artifacts.values():
            write_atomically(folder / entry.file, parent.read(entry))
        head = _rounded(outcome.fit.head)
        layer = {"carry": head.carry, "weights": head.weights, "bias": head.bias}
        _write_arrays(folder / HEAD_NAME, layer | _head_items(records.known(), head))
        manifest = msgspec.structs.replace(
            own,
            name=origin.name,
            version=origin.version,
            created=origin.created,
            labels=labels,
            tree=own.tree | records.setup.own,
            golden=_golden(parent, head, folder),
            calibration=_calibration(parent, outcome, origin, folder),
            metrics=_metrics(parent),
            head=_station_head(parent, records, outcome, origin, folder),
            extra_files=_extra_files(parent, records, outcome, origin, folder),
        )
        content = to_json(manifest).encode()
        write_atomically(folder / MANIFEST_NAME, content)
        if origin.signer is not None:
            write_atomically(folder / SIGNATURE_NAME, origin.signer.sign(content))
    return open_bundle(folder)


def _station_head(parent: Bundle, records: Records, outcome: Outcome, origin: Origin, folder: Path) -> StationHead:
    own = parent.manifest
    return StationHead(
        **_entry(folder / HEAD_NAME),
        network_labels=own.labels,
        site=origin.site,
        created=origin.created,
        parent=f"{own.name} {own.version}",
        parent_digest=parent.digest,
        items={label: count for label in records.setup.all_labels if (count := records.items(label))},
        shots=outcome.assessment.shots,
        strangers=outcome.strangers,
        assessment=outcome.assessment,
        kept_items=min(outcome.assessment.items, _MOST_HEAD_ITEMS),
    )


def _head_items(shots: Shots, head: Head) -> dict[str, NDArray[Any]]:
    """Answers of the head to a look at each of some items, labels in turn, as `Bundle.head_items` reads it."""
    _, first = np.unique(shots.item, return_index=True)
    place_in_label = np.zeros(len(first), np.int64)
    for label in np.unique(shots.truth[first]):
        of_label = shots.truth[first] == label
        place_in_label[of_label] = np.arange(of_label.sum())
    rows = first[np.argsort(place_in_label, kind="stable")][:_MOST_HEAD_ITEMS]
    logits, features = shots.logits[rows].astype(np.float32), as_kept(shots.features[rows].astype(np.float32))
    outputs = [headed(Output(*row), head).logits for row in zip(logits, features, strict=True)]
    items: dict[str, NDArray[Any]] = {"logits": logits, "features": features.astype(np.float16)}
    items |= {"outputs": np.stack(outputs), "fitted": fingerprints(shots.features)}
    return {HEAD_ITEMS + name: value for name, value in items.items()}


def _metrics(parent: Bundle) -> Metrics:
    own = parent.manifest
    protocol = f"of {own.name} {own.version} with the head that it was shipped with, not the station's: "
    return msgspec.structs.replace(own.metrics, protocol=protocol + own.metrics.protocol)


def _golden(parent: Bundle, head: Head, folder: Path) -> Golden:
    """The parent's golden pictures, with what the new head makes of each artifact's answers where it was exported."""
    golden = read_golden(parent)
    arrays: dict[str, NDArray[Any]] = {"pixels": golden.pixels}
    tolerance: dict[ArtifactName, Tolerance] = {}
    for name, answers in golden.outputs.items():
        rows = [headed(Output(*row), head) for row in zip(answers.logits, answers.features, strict=True)]
        logits = np.stack([row.logits for row in rows])
        arrays |= {f"{name}.logits": logits, f"{name}.features": answers.features}
        before = parent.manifest.golden.tolerance[name]
        share = _FP32_SHARE if name.endswith("fp32") else _GOLDEN_SHARE
        allowed = max(share * float(np.ptp(logits)), _carried(before, answers, head))
        tolerance[name] = Tolerance(logits=round(allowed, 4), features=before.features)
    path = folder / parent.manifest.golden.file
    _write_arrays(path, arrays)
    return Golden(**_entry(path), pictures=len(golden.pixels), tolerance=tolerance)


def _carried(before: Tolerance, answers: Output, head: Head) -> float:
    """The deviation behind the head of the parent's own tolerances, if each number were off by a random sign of it."""
    length = max(float(np.median(np.linalg.norm(answers.features, axis=1))), 1e-6)
    of_logits = before.logits * float(np.sqrt((head.carry**2).sum(axis=0)).max())
    of_features = before.features / length * float(np.sqrt((head.weights**2).sum(axis=0)).max())
    return float(np.hypot(of_logits, of_features))


def _calibration(parent: Bundle, outcome: Outcome, origin: Origin, folder: Path) -> Calibration:
    before, found = parent.manifest.calibration, outcome.confidence
    parameters = before.known_parameters
    if found.is_own and found.scorer.learnt is not None:
        learnt = found.scorer.learnt
        _write_arrays(folder / KNOWN_NAME, {one.name: getattr(learnt, one.name) for one in fields(learnt)})
        parameters = FileEntry(**_entry(folder / KNOWN_NAME))
    elif parameters is not None:
        write_atomically(folder / parameters.file, parent.read(parameters))
    own = f", {IN_WORDS[found.scorer.name]} of them" if found.is_own else ""
    return Calibration(
        temperature=found.temperature,
        min_confidence=found.min_confidence,
        min_known_score=found.min_known_score,
        fitted_on=f"{outcome.assessment.items} items of {origin.site}, each by a head fitted without it{own}",
        known_score=found.scorer.name,
        known_parameters=parameters,
    )


def _extra_files(parent: Bundle, records: Records, outcome: Outcome, origin: Origin, folder: Path) -> list[FileEntry]:
    """The parent's further files; its card says first whose head this is, and what it is worth."""
    found = []
    for entry in parent.manifest.extra_files:
        content = parent.read(entry)
        if entry.file == CARD_NAME:
            content = _card(parent, records, outcome, origin).encode() + b"\n" + content
        write_atomically(folder / entry.file, content)
        found.append(FileEntry(**_entry(folder / entry.file)))
    if all(entry.file != CARD_NAME for entry in parent.manifest.extra_files):
        write_atomically(folder / CARD_NAME, _card(parent, records, outcome, origin))
        found.append(FileEntry(**_entry(folder / CARD_NAME)))
    return found


def _card(parent: Bundle, records: Records, outcome: Outcome, origin: Origin) -> str:
    own, assessment = parent.manifest, outcome.assessment
    rows = [
        f"| {in_markdown(one.label)} | {one.items} | {_share(one.accuracy)} | {_share(one.shipped)} |"
        for one in assessment.labels
    ]
    table = "\n".join(["| label | items shown | accuracy | shipped head |", "|---|---:|---:|---:|", *rows])
    added = ", ".join(f"{in_markdown(label)} (with {in_markdown(other)})" for label, other in records.setup.own.items())
    despite = "" if outcome.better else f"\n**It was made {NOT_BETTER}**: {in_markdown(outcome.verdict)}.\n"
    return f"""# {in_markdown(origin.name)} {in_markdown(origin.version)}: commissioned

The networks of {in_markdown(own.name)} {in_markdown(own.version)} (manifest SHA-256 `{parent.digest}`), unchanged, with
a head that the station {in_markdown(origin.site)} learnt from its own items on {origin.created[:10]}. Licence:
{in_markdown(own.licence)}, as the parent's. Labels of its own: {added or "none"}.

Shown were {assessment.items} items ({assessment.shots} shots) and {outcome.strangers} shots of none of the labels.
Accuracy on items left out, mean of the labels: {_share(assessment.accuracy)}; the shipped head on the same items:
{_share(assessment.shipped)}. It holds for this station alone: on others use {in_markdown(own.name)}.
{despite}
{table}

Everything below is the card of {in_markdown(own.name)} {in_markdown(own.version)}, with its own head.
"""


def _share(value: Interval | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Interval):
        return f"{value.value:.0%} ({value.low:.0%} to {value.high:.0%})"
    return f"{value:.0%}"


def _rounded(head: Head) -> Head:
    """As float32, which is what the file holds."""
    return Head(*(np.asarray(part, np.float32).astype(np.float64) for part in (head.carry, head.weights, head.bias)))


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.npz` as bundles have it, wide numbers as float32."""
    narrow = {
        name: np.asarray(value, np.float32 if np.asarray(value).dtype == np.float64 else None, order="C")
        for name, value in arrays.items()
    }
    content = io.BytesIO()
    # numpy 2 has a keyword before the arrays, which its type stub takes them for.
    np.savez_compressed(content, **narrow)  # type: ignore[arg-type]
    write_atomically(path, content.getvalue())


def _entry(path: Path) -> dict[str, Any]:
    return {"file": path.name, "size_bytes": path.stat().st_size, "sha256": sha256_of(path)}
