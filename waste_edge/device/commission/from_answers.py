"""Shots from answers that people gave later: asked, corrected and audited items, by what the outbox kept of them.

The station keeps what the network said of each item, and no picture. So the checks are those that need none: the item
was seen well, a person named a label, the network is the very one, and nothing like it was taken before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.commission.records import Answer, Picture, Records
from waste_edge.device.commission.shooting import LOOKS, Verdict
from waste_edge.device.outbox.looks import KeptLooks
from waste_edge.device.outbox.read_only import KeptItem, KeptItems
from waste_edge.device.station import OUTBOX_NAME
from waste_edge.device.vision.inspection import Visibility
from waste_edge.errors import DataError
from waste_edge.rejection import unit
from waste_edge.taxonomy import UNKNOWN

SAME_COSINE = 0.9995  # between features: of two looks at an item that was not touched; of two items, less
_PREFIX = "answer "


def shots_of_answers(state: Path, bundle: Bundle, records: Records) -> Iterator[Verdict]:
    """Add each answered item that is not among the records yet; gives what became of each.

    Args:
        state: the station's folder; the station may be running.
        bundle: that the commissioning starts from: its network must have answered.
        records: where shots are kept.

    Raises:
        DataError: there is no outbox, or no features are kept in it.
        ConfigError: another version of the program made it.
        UserError: see `Records.add`.
    """
    items = KeptItems(state, OUTBOX_NAME)
    if not items.has_features:
        raise DataError(f"{state}: no features of items are kept there ([outbox] features = false?); use --shots")
    seen = {shot.source for shot in records.shots}
    for item in items:
        source = f"{_PREFIX}{item.id}"
        if item.answer is None or source in seen:
            continue
        label = item.answer.event.get("label")
        if label is None:
            continue  # a stream alone was told, which may be that of several labels
        yield _added(item, str(label), source, bundle, records)


def _added(item: KeptItem, label: str, source: str, bundle: Bundle, records: Records) -> Verdict:
    looks = item.looks
    reason = _refused(item, label, bundle, records)
    if reason or looks is None:
        return Verdict(label, 0, reason, source)
    answers = [Answer(one.logits, one.features) for one in looks.outputs[:LOOKS]]
    if (other := _like(answers[0].features, records)) is not None:
        return Verdict(label, 0, f"looks just like item {other}, which was taken before", source)
    return Verdict(label, records.add(label, answers, Picture(source=source)), "", source)


def _refused(item: KeptItem, label: str, bundle: Bundle, records: Records) -> str:
    """Reason for which an answered item is no shot; empty if it is one."""
    if label not in (*records.setup.all_labels, UNKNOWN):
        return f"was answered with {label!r}, which is no label here; --own {label}=LABEL makes it one"
    if item.looks is None:
        return "what the network said of it is no longer kept"
    if not _answered_by(bundle, item.looks):
        return "another network answered"
    visibility = item.record.event.get("visibility", Visibility.WELL)
    if visibility != Visibility.WELL:
        return f"was not seen well ({visibility})"
    return "" if item.looks.outputs else "the network was not asked"


def _answered_by(bundle: Bundle, looks: KeptLooks) -> bool:
    """Return whether the network that answered is one of the bundle's, of the same input."""
    networks, model = {entry.sha256 for entry in bundle.manifest.artifacts.values()}, looks.setting.model
    return model is not None and model.network in networks and model.input == bundle.manifest.input


def _like(features: NDArray[np.float32], records: Records) -> int | None:
    """The number of the kept item whose features are the same; None if there is none."""
    known, strangers = records.known(), records.strangers()
    kept = [(known.features, [shot.item for shot in records.shots if shot.label != UNKNOWN])]
    if strangers is not None:
        kept.append((strangers.features, [shot.item for shot in records.shots if shot.label == UNKNOWN]))
    for rows, items in kept:
        if len(items):
            alike = unit(rows) @ unit(features[None])[0]
            if float(alike.max()) >= SAME_COSINE:
                return items[int(alike.argmax())]
    return None
