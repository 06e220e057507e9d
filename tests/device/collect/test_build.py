"""A collector from a station's configuration, and where there is none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.device.collect.crops import NO_FLOOR
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.collect.build import collector_of
from waste_edge.device.collect.collector import Collector
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError
from waste_edge.imaging.preprocess import View


def test_a_bundle_that_is_shown_whole_views_has_no_collector_and_it_is_said(tiny_bundle: Path, tmp_path, clock) -> None:
    with open_bundle(tiny_bundle) as opened:
        manifest = opened.manifest
    assert manifest.input.view.kind != "item", "the tiny bundle takes whole pictures"
    health = Health()
    assert collector_of(CollectConfig(), tmp_path, NO_FLOOR, manifest, (health, clock)) is None
    (condition,) = health.now()
    assert (condition.part, condition.level) == ("collect", Level.WARN)
    assert "whole frames are never kept" in condition.text
    item = msgspec.structs.replace(manifest, input=msgspec.structs.replace(manifest.input, view=View(kind="item")))
    assert isinstance(collector_of(CollectConfig(), tmp_path, NO_FLOOR, item, (health, clock)), Collector)
    with pytest.raises(ConfigError, match=r"\[collect\]: needs a folder where crops are kept"):
        collector_of(CollectConfig(), None, NO_FLOOR, item, (health, clock))


@pytest.mark.parametrize(
    "wrong",
    [{"keep": ()}, {"keep": ("asked", "asked")}, {"max_days": 0}, {"max_mb": -1}, {"max_days": 1e9}, {"max_mb": 1e9}],
    ids=str,
)
def test_a_table_that_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CollectConfig(**wrong)
