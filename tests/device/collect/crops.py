"""What the tests of collecting share: crops of items, and a collector whose thread is the test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.collect.collector import Collector, CollectPlace
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.system.disk import DiskLimits
from waste_edge.device.system.health import Health
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import Region

NO_FLOOR = DiskLimits(low_mb=0.0, full_mb=0.0)
BOX = Region(left=0.1, top=0.1, right=0.4, bottom=0.5)
Kind = Literal["sure", "unsure", "asked", "audited"]
__all__ = ["BOX", "NO_FLOOR", "crop_event", "id_of", "new_collector", "pixels_of"]


def pixels_of(number: int, side: int = 48) -> Pixels:
    """A crop that looks like no other's: blocks of chance."""
    blocks = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((side // 8, side // 8, 1), np.uint8)).astype(np.uint8)


def crop_event(number: int, kind: Kind = "asked", label: str = "paper") -> Event:
    decision = {
        "sure": Decision("blue", label, 0.9, "sure"),
        "audited": Decision("blue", label, 0.9, "sure"),
        "unsure": Decision("black", "unknown", 0.4, "unsure", "residual"),
        "asked": Decision("ask", "unknown", 0.4, "asks", "ask"),
    }[kind]
    return replace(make_event(number), decision=decision, item_box=BOX, crop=pixels_of(number), audit=kind == "audited")


def new_collector(state: Path, clock, config: CollectConfig | None = None, disk: DiskLimits = NO_FLOOR, wall=None):
    """A collector that was not started, and its health."""
    health = Health()
    place = CollectPlace(state, config or CollectConfig(), disk)
    return Collector(place, health, clock, wall or FakeWall()), health


def run_jobs(collector: Collector) -> None:
    """Do what waits, in this thread."""
    collector._jobs.put_nowait(None)
    collector._run()
