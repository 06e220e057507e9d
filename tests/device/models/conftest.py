"""Versions of the tiny bundle, and a station's store to install them into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waste_edge.bundle.manifest import Manifest
from waste_edge.device.bundle_choice import EngineWish
from waste_edge.device.models.in_use import ModelWish
from waste_edge.device.models.install import Installer
from waste_edge.device.models.store import ModelStore
from waste_edge.site import Site, site_of_labels

MakeVersion = Callable[..., Path]


@pytest.fixture
def version(tiny_bundle: Path, tmp_path: Path, edit_manifest: Callable[[Path, str, Any], None]) -> MakeVersion:
    """Makes the tiny bundle in another version, with changes of its manifest by dotted key."""

    def make(number: str, changes: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / "versions" / number
        shutil.copytree(tiny_bundle, folder)
        edit_manifest(folder, "version", number)
        for key, value in (changes or {}).items():
            edit_manifest(folder, key, value)
        return folder

    return make


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The station's folder."""
    return tmp_path / "state"


@pytest.fixture
def store(state: Path) -> ModelStore:
    return ModelStore(state, patience_s=0.1)


def own_streams(manifest: Manifest) -> Site:
    """A stream for each label."""
    return site_of_labels(manifest.labels)


@pytest.fixture
def wish(tiny_bundle: Path, state: Path) -> ModelWish:
    """The wish of a station that is configured with the tiny bundle."""
    return ModelWish(str(tiny_bundle), EngineWish("onnx"), own_streams, state, looks=1)


@pytest.fixture
def installer(wish: ModelWish, state: Path) -> Installer:
    """Of a station where people answer."""
    return Installer(wish, state, has_answers=True)
