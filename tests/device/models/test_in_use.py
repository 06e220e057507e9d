"""The model that a station uses, with and without an installed one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.device.models.conftest import MakeVersion
from waste_edge.bundle.manifest import Manifest
from waste_edge.device.models.in_use import ModelWish, chosen_bundle, load_model
from waste_edge.device.models.roles import Entry
from waste_edge.device.models.store import ModelStore
from waste_edge.device.system.condition import Level
from waste_edge.errors import ConfigError
from waste_edge.site import Site


@pytest.fixture
def install(version: MakeVersion, store: ModelStore) -> Callable[[str], Entry]:
    """Puts a version of the tiny bundle in charge; on probation if it ends with p."""

    def put(number: str) -> Entry:
        entry = store.add(version(number))
        store.activate(entry, "for a test", on_probation=number.endswith("p"))
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
    assert store.history()[-1].reason == "taken back by the station: it cannot be loaded: the network does not load"
    assert store.current() == before
    assert not store.path(entry).exists()


def test_a_site_that_does_not_fit_is_the_users_to_mend(wish: ModelWish, install: Callable[[str], Entry]) -> None:
    def misfit(manifest: Manifest) -> Site:
        raise ConfigError("site.toml: no stream for red")

    entry = install("2.0")
    with pytest.raises(ConfigError, match="no stream for red"):
        load_model(replace(wish, site_of=misfit))
    assert ModelStore(wish.state or Path()).current() == entry


def test_one_with_which_the_station_ends_again_and_again_is_taken_back(
    wish: ModelWish, install: Callable[[str], Entry], store: ModelStore
) -> None:
    before, entry = install("2.0"), install("3.0p")
    for _ in range(3):
        with (model := load_model(wish, starting=True)).bundle:
            assert model.entry == entry
    with (model := load_model(wish, starting=True)).bundle:
        assert model.entry == before
    assert (
        store.history()[-1].reason == "taken back by the station: the station ended 3 times while it was on probation"
    )


def test_reading_the_configuration_again_counts_no_start(wish: ModelWish, install: Callable[[str], Entry]) -> None:
    entry = install("3.0p")
    for _ in range(5):
        with (model := load_model(wish)).bundle:
            assert model.entry == entry


def test_an_installed_model_of_a_key_that_is_required_no_more_is_not_run(
    wish: ModelWish, install: Callable[[str], Entry], tmp_path: Path, store: ModelStore
) -> None:
    from tests.device.models.keys import make_keys, sign

    old, new = make_keys(tmp_path / "old"), make_keys(tmp_path / "new")
    entry, configured = install("2.0"), tmp_path / "configured"
    shutil.copytree(wish.bundle, configured)
    wish = replace(wish, bundle=str(configured))
    sign(store.path(entry), old)
    sign(configured, new)
    assert load_model(replace(wish, require_key=old.public)).title == "tiny 2.0"
    model = load_model(replace(wish, require_key=new.public))
    assert model.title == "tiny 1.0"
    assert "signed by another key" in model.fault
