"""A station's collector, built from its configuration; nothing of it is imported where none is configured."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.bundle.manifest import Manifest
from waste_edge.device.clock import Clock
from waste_edge.device.collect.config import PART, CollectConfig
from waste_edge.device.loop import Listener
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.disk import DiskLimits
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    from waste_edge.device.answers.review import ReviewQueue


@contextlib.contextmanager
def crops_collected(
    config: CollectConfig | None,
    place: tuple[Path | None, DiskLimits],
    bundle: Manifest,
    reviews: ReviewQueue | None,
    services: tuple[Health, Clock],
) -> Iterator[list[Listener]]:
    """The listener that collects crops, for as long as the block lasts; none without the table `[collect]`.

    There is none either, and health says why, with a bundle that is shown whole views.

    Args:
        config: the table.
        place: the station's folder, and the table `[disk]`.
        bundle: manifest of the bundle that is shown the crops.
        reviews: whose answers label the crops; None where nobody answers.
        services: health and clock of the station.

    Raises:
        ConfigError: there is no folder to keep crops in.
    """
    (state, disk), (health, clock) = place, services
    if config is None:
        _say_what_is_left(state, health)
        yield []
        return
    if state is None:
        raise ConfigError("[collect]: needs a folder where crops are kept: give --state DIR, or the key `state`")
    if bundle.input.view.kind != "item":
        text = (
            f"{bundle.name} is shown whole views, and whole frames are never kept: nothing is collected; take a "
            "bundle whose manifest says input.view.kind = item, or leave [collect] out"
        )
        health.set(Condition(PART, Level.WARN, text))
        yield []
        return
    from waste_edge.device.collect.collector import Collector, CollectPlace

    collector = Collector(CollectPlace(state, config, disk), health, clock)
    collector.start()
    try:
        if reviews is not None:
            from waste_edge.device.collect.answers import follow

            follow(collector, reviews)
        yield [collector]
    finally:
        collector.close()


def _say_what_is_left(state: Path | None, health: Health) -> None:
    """Say that crops from before it was switched off are still there: nothing deletes them any more."""
    if state is not None and (state / "collect" / "index.sqlite").exists():
        text = f"switched off, and crops from before lie in {state / 'collect'}; delete: waste-edge collect purge"
        health.set(Condition(PART, Level.WARN, text))
