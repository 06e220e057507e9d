"""The model that a station uses, with and without an installed one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from waste_edge.bundle.manifest import Manifest
from waste_edge.device.bundle_choice import EngineWish
from waste_edge.device.models.in_use import ModelWish, chosen_bundle, load_model
from waste_edge.device.models.roles import Entry
from waste_edge.device.models.store import ModelStore
from waste_edge.device.system.condition import Level
from waste_edge.errors import ConfigError
from waste_edge.site import Site, site_of_labels


def own_streams(manifest: Manifest) -> Site:
    return site_of_labels(manifest.labels)


@pytest.fixture
def wish(tiny_bundle: Path, tmp_path: Path) -> ModelWish:
    return ModelWish(str(tiny_bundle), EngineWish(), own_streams, tmp_path / "state", looks=1)


@pytest.fixture
def install(
    tiny_bundle: Path, tmp_path: Path, edit_manifest: Callable[[Path, str, Any], None]
) -> Callable[[str], Entry]:
    """Puts a version of the tiny bundle in charge."""

    def put(version: str, **changes: object) -> Entry:
        folder = tmp_path / version
        shutil.copytree(tiny_bundle, folder)
        edit_manifest(folder, "version", version)
        for key, value in changes.items():
            edit_manifest(folder, key, value)
        store = ModelStore(tmp_path / "state")
        entry = store.add(folder)
        store.activate(entry, "for a test", on_probation=version.endswith("p"))
        return entry

    return put


def test_without_an_installed_model_the_configured_bundle_is_used(wish: ModelWish) -> None:
    model = load_model(wish)
    with model.bundle:
        assert (model.title, model.reason, model.entry, model.fault) == ("tiny 1.0", "", None, "")
    assert wish.store is None
    assert model.condition(still_images=True).level is Level.OK


def test_an_installed_model_is_used_in_its_place_and_said(wish: ModelWish, install: Callable[[str], Entry]) -> None:
    entry = install("2.0")
    model = load_model(wish)
    with model.bundle:
        assert (model.title, model.entry) == ("tiny 2.0", entry)
    assert model.reason == "tiny 2.0 is installed (waste-edge model status)"
    assert chosen_bundle(wish).reason == model.reason


def test_a_bundle_of_the_command_line_is_obeyed(wish: ModelWish, install: Callable[[str], Entry]) -> None:
    install("2.0")
    named = replace(wish, bundle_named=True)
    with (model := load_model(named)).bundle:
        assert model.title == "tiny 1.0"
    assert chosen_bundle(named).bundle == wish.bundle


def test_a_damaged_one_gives_way_and_stays_installed(wish: ModelWish, install: Callable[[str], Entry]) -> None:
    entry = install("2.0")
    store = ModelStore(wish.state or Path())
    (store.path(entry) / "onnx-int8.onnx").write_bytes(b"damaged")
    with (model := load_model(wish)).bundle:
        assert model.title == "tiny 1.0"
    assert "onnx-int8.onnx" in model.fault
    condition = model.condition(still_images=True)
    assert condition.level is Level.WARN
    assert condition.text.startswith("tiny 1.0 is used, since ")
    assert store.current() == entry
    assert chosen_bundle(wish).reason.startswith(f"{wish.bundle}, since ")


def test_one_that_cannot_be_loaded_on_probation_is_taken_back(
    wish: ModelWish, install: Callable[[str], Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = install("2.0")
    entry = install("3.0p")
    from waste_edge.device.models import in_use
    from waste_edge.errors import EngineError

    load_classifier = in_use.load_classifier

    def refuse(bundle: Any, *given: Any) -> Any:
        if bundle.manifest.version == "3.0p":
            raise EngineError("the network does not load")
        return load_classifier(bundle, *given)

    monkeypatch.setattr(in_use, "load_classifier", refuse)
    with (model := load_model(wish)).bundle:
        assert model.entry == before
    store = ModelStore(wish.state or Path())
    assert store.history()[-1].reason == "could not be loaded: the network does not load"
    assert store.current() == before
    assert not store.path(entry).exists()


def test_a_site_that_does_not_fit_is_the_users_to_mend(wish: ModelWish, install: Callable[[str], Entry]) -> None:
    def misfit(manifest: Manifest) -> Site:
        raise ConfigError("site.toml: no stream for red")

    entry = install("2.0")
    with pytest.raises(ConfigError, match="no stream for red"):
        load_model(replace(wish, site_of=misfit))
    assert ModelStore(wish.state or Path()).current() == entry
