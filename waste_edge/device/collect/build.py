"""A station's collector, built from its configuration."""

from __future__ import annotations

from pathlib import Path

from waste_edge.bundle.manifest import Manifest
from waste_edge.device.clock import Clock
from waste_edge.device.collect.collector import PART, Collector, CollectPlace
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.disk import DiskLimits
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError


def collector_of(
    config: CollectConfig, state: Path | None, disk: DiskLimits, bundle: Manifest, services: tuple[Health, Clock]
) -> Collector | None:
    """Build the collector of a `[collect]` table; None, with a condition that says why, for a bundle of whole views.

    Args:
        config: the table.
        state: the station's folder.
        disk: the table `[disk]`.
        bundle: manifest of the bundle that sees the crops.
        services: health and clock of the station.

    Raises:
        ConfigError: there is no folder to keep crops in.
    """
    health, clock = services
    if state is None:
        raise ConfigError("[collect]: needs a folder where crops are kept: give --state DIR, or the key `state`")
    if bundle.input.view.kind != "item":
        text = (
            f"{bundle.name} is shown whole views, and whole frames are never kept: nothing is collected; take a "
            "bundle whose manifest says input.view.kind = item, or leave [collect] out"
        )
        health.set(Condition(PART, Level.WARN, text))
        return None
    return Collector(CollectPlace(state, config, disk), health, clock)
