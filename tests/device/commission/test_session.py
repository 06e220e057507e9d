"""From which bundle a commissioning starts, and which head it has to beat: what is in charge decides."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.device.commission.pictures import write_site
from tests.device.commission.test_install import installation, show
from waste_edge.device.commission.install import undo
from waste_edge.device.commission.outcome import evaluate
from waste_edge.device.commission.session import opened_session
from waste_edge.device.config import StationConfig
from waste_edge.device.models.store import ModelStore
from waste_edge.errors import ConfigError, UserError

Edit = Callable[[Path, str, Any], None]


@pytest.fixture
def other(tiny_bundle: Path, tmp_path: Path, edit_manifest: Edit) -> Path:
    """Another model than the one that the station is configured with."""
    folder = tmp_path / "other"
    shutil.copytree(tiny_bundle, folder)
    edit_manifest(folder, "name", "other")
    edit_manifest(folder, "version", "4")
    return folder


def put_in_charge(state: Path, bundle: Path) -> None:
    store = ModelStore(state)
    store.activate(store.add(bundle), "a person installed it")


def commissioned(station: StationConfig, shots: Path, **values: object) -> tuple[str, str, str]:
    """Show a folder and install; gives the new bundle's title, its parent's, and the session's note."""
    with opened_session(station, {}, **values) as session:  # type: ignore[arg-type]
        show(session, shots)
        outcome = evaluate(session.records, session.bundle, session.site, session.incumbent)
        entry = installation(session, despite=True).install(session.bundle, session.records, outcome)
        with ModelStore(session.state).open(entry) as bundle:
            assert bundle.manifest.head
            return entry.title, bundle.manifest.head.parent, session.start


def test_it_starts_from_the_model_in_charge_and_again_from_the_same(
    station: StationConfig, other: Path, tmp_path: Path
) -> None:
    state = Path(str(station.state))
    put_in_charge(state, other)
    first = commissioned(station, write_site(tmp_path / "a", 8))
    assert first[:2] == ("other-Lobby-2nd-floor 4.1", "other 4")
    assert first[2] == "starts from other 4, which is installed and in charge"
    for number in (2, 3):  # by then the bundle that they start from has no role of its own in the store
        again = commissioned(station, write_site(tmp_path / f"b{number}", 1))
        assert again[:2] == (f"other-Lobby-2nd-floor 4.{number}", "other 4")
        assert "other 4, which other-Lobby-2nd-floor 4." in again[2]
    assert undo(state) is not None
    assert undo(state) is None
    with opened_session(station, {}, restart=True) as session:
        assert (session.bundle.manifest.name, session.start, session.incumbent) == ("tiny", "", None)


def test_what_was_shown_to_another_network_is_not_gone_on_with(
    station: StationConfig, other: Path, tmp_path: Path
) -> None:
    commissioned(station, write_site(tmp_path / "a", 8))
    put_in_charge(Path(str(station.state)), other)
    with pytest.raises(ConfigError, match=r"was begun with tiny 1\.0, and the station now starts from other 4"):  # noqa: SIM117
        with opened_session(station, {}):
            pass


def test_a_bundle_that_is_named_is_started_from_and_what_is_in_charge_is_told(
    station: StationConfig, other: Path
) -> None:
    put_in_charge(Path(str(station.state)), other)
    with opened_session(station, {}, bundle_named=True) as session:
        assert session.bundle.manifest.name == "tiny"
        assert session.start == "other 4 is in charge, and is not compared: --bundle was given"
        assert session.incumbent is None


def test_a_head_whose_networks_are_found_nowhere_is_not_installed_over(
    station: StationConfig, other: Path, tmp_path: Path
) -> None:
    elsewhere = msgspec.structs.replace(station, bundle=str(other), state=str(tmp_path / "elsewhere"))
    with opened_session(elsewhere, {}) as session:
        show(session, write_site(tmp_path / "a", 8))
        outcome = evaluate(session.records, session.bundle, session.site)
        installation(session).write(session.bundle, session.records, outcome, tmp_path / "out")
    put_in_charge(Path(str(station.state)), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"and other 4, which it was commissioned from, is neither configured nor"):  # noqa: SIM117
        with opened_session(station, {}):
            pass
    named = msgspec.structs.replace(station, bundle=str(other))
    with opened_session(named, {}, bundle_named=True) as session:
        assert session.incumbent is not None, "the same networks: compared, although the bundle was named"


def test_a_second_head_is_compared_with_the_first_on_what_that_was_not_fitted_to(
    station: StationConfig, tmp_path: Path
) -> None:
    commissioned(station, write_site(tmp_path / "a", 8))
    with opened_session(station, {}) as session:
        assert session.incumbent is not None
        same = evaluate(session.records, session.bundle, session.site, session.incumbent)
        assert same.comparison is not None
        assert (same.comparison.items, same.comparison.fitted, same.better) == (0, 24, True)
        assert "not compared with tiny-Lobby-2nd-floor 1.0.1, which is in charge" in same.verdict
        show(session, write_site(tmp_path / "b", 12))  # the first eight of each are near-copies
        outcome = evaluate(session.records, session.bundle, session.site, session.incumbent)
        assert outcome.comparison is not None
        assert (outcome.comparison.items, outcome.comparison.fitted) == (12, 24)
        assert outcome.assessment.better, "than the shipped head"
        assert not outcome.better, "the first head names these rightly, too"
        assert "but no better than tiny-Lobby-2nd-floor 1.0.1, which is in charge, on the 12 items" in outcome.verdict
        before = ModelStore(session.state).current()
        with pytest.raises(UserError, match=r"not installed: the new head is better than the shipped head.*but no"):
            installation(session).install(session.bundle, session.records, outcome)
        assert ModelStore(session.state).current() == before


def test_undo_leaves_a_model_that_a_person_installed(station: StationConfig, other: Path) -> None:
    state = Path(str(station.state))
    put_in_charge(state, other)
    with pytest.raises(UserError, match=r"other 4 is in charge, and was not commissioned.*waste-edge model rollback"):
        undo(state)
    current = ModelStore(state).current()
    assert current is not None
    assert current.name == "other"
