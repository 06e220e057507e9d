"""Disk and CPU time that the features of decided items take, for each shipped bundle, as a Markdown table.

    python -m tools.feature_bytes                  96 known and 48 unknown rendered items: a minute or two a bundle
    python -m tools.feature_bytes --items 12       quick

Items are rehearsed as `waste-edge rehearse` does it, with eight looks at each. What was decided from is then kept by
the station's own store in a temporary folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.device.clock import SystemClock
from waste_edge.device.decision.item_tracker import Event, Evidence, new_id
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.device.outbox.config import OutboxConfig
from waste_edge.device.outbox.features import FEATURES_NAME, FeatureStore
from waste_edge.device.vision.inspection import Visibility, inspector_of
from waste_edge.engines.classifier import Prediction, load_classifier
from waste_edge.evaluation.station_view import grounds_of
from waste_edge.files.resources import BUNDLES
from waste_edge.item.compose import SceneRanges
from waste_edge.rehearsal.film import ComposedVideo
from waste_edge.rehearsal.items import choose, in_turn, rendered, rendered_unknown
from waste_edge.rehearsal.play import Player
from waste_edge.site import site_of_labels

LOOKS, ITEMS_A_FILM = 8, 16
_PAGE_BYTES = 4096


class _Noted(DecisionPolicy):
    """Decides as a station does, and notes what from."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.events: list[Event] = []

    def decide_seen(self, predictions: Sequence[Prediction], visibility: Visibility, parts: int) -> Decision:
        decision = super().decide_seen(predictions, visibility, parts)
        evidence = Evidence(tuple(predictions), parts, self.site)
        self.events.append(Event(new_id(), 0, 1, decision, frames=5, visibility=visibility, evidence=evidence))
        return decision


@dataclass(frozen=True)
class Taken:
    """Measured for one bundle.

    Attributes:
        bundle: its name.
        features: numbers a look.
        items: decided ones.
        numbers_bytes: compressed logits and features of an item, mean.
        file_bytes: growth of the database's file an item.
        keep_ms: user and system CPU time of keeping one item, mean.
    """

    bundle: str
    features: int
    items: int
    numbers_bytes: float
    file_bytes: float
    keep_ms: float


def measure(bundle: str, items: int) -> Taken:
    """Rehearse a bundle and keep what it decided from."""
    with open_bundle(find_bundle(bundle)) as opened:
        manifest = opened.manifest
        policy = _Noted(manifest, site_of_labels(manifest.labels))
        player = Player(policy, inspector_of(load_classifier(opened), LOOKS))
    rng, grounds, scenery = np.random.default_rng(20), grounds_of(None), SceneRanges()
    known, _ = choose(rendered(manifest.labels, items, 0), items, rng)
    unknown, _ = choose(rendered_unknown(items // 2, 0), items // 2, rng)
    things = list(in_turn(known, unknown, rng))
    for number, first in enumerate(range(0, len(things), ITEMS_A_FILM)):
        _, ground = grounds.ground(np.random.default_rng(number), scenery.width_px, scenery.height_px)
        player.play(ComposedVideo("", ground, things[first : first + ITEMS_A_FILM], [21, number], scenery))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FEATURES_NAME
        store = FeatureStore(path, SystemClock())
        started = time.process_time()
        for event in policy.events:
            store.keep(event)
        keep_ms = (time.process_time() - started) * 1e3
        store.close()
        import sqlite3

        with sqlite3.connect(path) as connection:
            numbers = connection.execute("SELECT sum(length(numbers)) FROM items").fetchone()[0]
            count = connection.execute("SELECT count(*) FROM items").fetchone()[0]
        connection.close()
        size = path.stat().st_size - 5 * _PAGE_BYTES  # the empty tables
    return Taken(bundle, manifest.features, count, numbers / count, size / count, keep_ms / count)


def table(rows: Sequence[Taken]) -> str:
    """The measurements as Markdown, with the items that fit into what 10,000 events leave of the outbox's room."""
    room = OutboxConfig().max_mb * 1e6
    lines = [
        "| bundle | features a look | items | compressed, bytes an item | in the file, bytes an item | items in "
        f"{room / 1e6:g} MB | CPU time of keeping, ms an item |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.bundle} | {row.features:,} | {row.items} | {row.numbers_bytes:,.0f} | {row.file_bytes:,.0f} | "
        f"{room / row.file_bytes:,.0f} | {row.keep_ms:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=96, help="known items; half as many unknown ones come on top")
    given = parser.parse_args()
    bundles = sorted(path.name for path in BUNDLES.iterdir() if path.is_dir())
    print(table([measure(bundle, given.items) for bundle in bundles]))


if __name__ == "__main__":
    main()
