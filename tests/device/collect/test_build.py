"""A collector from a station's configuration, and where there is none."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from tests.device.collect.crops import NO_FLOOR, crop_event, id_of
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import Manifest
from waste_edge.device.clock import SystemClock
from waste_edge.device.collect.build import crops_collected
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.collect.store import CropStore
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError
from waste_edge.imaging.preprocess import View


@pytest.fixture
def manifest(tiny_bundle: Path) -> Manifest:
    with open_bundle(tiny_bundle) as opened:
        return opened.manifest


def for_items(manifest: Manifest) -> Manifest:
    """The same, shown crops of items."""
    return msgspec.structs.replace(manifest, input=msgspec.structs.replace(manifest.input, view=View(kind="item")))


def test_a_bundle_that_is_shown_whole_views_has_no_collector_and_it_is_said(manifest, tmp_path: Path, clock) -> None:
    assert manifest.input.view.kind != "item", "the tiny bundle takes whole pictures"
    health = Health()
    with crops_collected(CollectConfig(), (tmp_path, NO_FLOOR), manifest, None, (health, clock)) as listeners:
        assert listeners == []
    (condition,) = health.now()
    assert (condition.part, condition.level) == ("collect", Level.WARN)
    assert "whole frames are never kept" in condition.text
    assert list(tmp_path.iterdir()) == []


def test_a_collector_lives_as_long_as_the_block(manifest, tmp_path: Path) -> None:
    services = Health(), SystemClock()
    with crops_collected(CollectConfig(), (tmp_path, NO_FLOOR), for_items(manifest), None, services) as (collector,):
        collector.decided(crop_event(1))
    assert (tmp_path / "collect" / f"{id_of(1)}.jpg").exists()
    assert "collect" not in {thread.name for thread in threading.enumerate()}


def test_without_a_folder_it_is_the_users_mistake(manifest, clock) -> None:
    with (
        pytest.raises(ConfigError, match=r"\[collect\]: needs a folder where crops are kept"),
        crops_collected(CollectConfig(), (None, NO_FLOOR), for_items(manifest), None, (Health(), clock)),
    ):
        pass


def test_switched_off_what_is_left_is_said(manifest, tmp_path: Path, clock) -> None:
    health = Health()
    for there in (False, True):
        if there:
            CropStore(tmp_path).close()
        with crops_collected(None, (tmp_path, NO_FLOOR), manifest, None, (health, clock)) as listeners:
            assert listeners == []
        assert [condition.level for condition in health.now()] == ([Level.WARN] if there else [])


@pytest.mark.parametrize(
    "wrong",
    [{"keep": ()}, {"keep": ("asked", "asked")}, {"max_days": 0}, {"max_mb": -1}, {"max_days": 1e9}, {"max_mb": 1e9}],
    ids=str,
)
def test_a_table_that_makes_no_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CollectConfig(**wrong)
