"""The keeper: hot swap between two items, promotion by answers, probation."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.device.conftest import FakeClock
from tests.device.models.conftest import MakeVersion
from waste_edge.device.decision.item_tracker import Event, PictureItemTracker
from waste_edge.device.loop import ModelChange
from waste_edge.device.models import keeper as keeping
from waste_edge.device.models.config import ModelsConfig
from waste_edge.device.models.figures import Seen, ShadowFigures, WatchFigures, count_start, read_figures
from waste_edge.device.models.in_use import ModelInUse, load_model
from waste_edge.device.models.install import Installer, keep_refusal
from waste_edge.device.models.keeper import KeeperParts, ModelKeeper
from waste_edge.device.models.probation import Watch, fault_of, take_back_failed
from waste_edge.device.models.promotion import Tally, judge
from waste_edge.device.models.store import ModelStore
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.errors import BundleError, EngineError
from waste_edge.imaging.frames import Frame


class Station:
    """A station of pictures around a keeper whose looks a test takes itself."""

    def __init__(self, installer: Installer) -> None:
        self.model = load_model(installer.wish)
        self.items = PictureItemTracker(self.model.policy, self.model.classifier.classify)
        self.health, self.exchanged, self.told = Health(), list[ModelInUse](), list[ModelChange]()
        parts = KeeperParts(installer, self.items, self.health, self.exchanged.append, still_images=True)
        self.keeper = ModelKeeper(parts, self.model, FakeClock())
        self.keeper.look_around()
        self.number = 0

    def turn(self) -> str:
        """One look of the keeper, one step of the loop."""
        self.keeper.look_around()
        return self.keeper.step(self.told.append)

    def show(self, colour: tuple[int, int, int]) -> Event:
        """Decide a picture of one colour."""
        self.number += 1
        frame = Frame(np.full((24, 24, 3), colour, np.uint8), self.number, f"{self.number}.png")
        shown = self.items.see(frame)
        assert shown.event is not None
        self.keeper._watch.look(shown.answers[-1])
        self.keeper.decided(shown.event)
        return shown.event

    def condition(self) -> tuple[Level, str]:
        """What health says of the models."""
        self.keeper.look_around()
        return next((one.level, one.text) for one in self.health.now() if one.part == "model")


@pytest.fixture
def station(installer: Installer) -> Station:
    return Station(installer)


def test_an_installed_model_takes_over_between_two_items_and_back(
    station: Station, installer: Installer, version: MakeVersion
) -> None:
    assert station.turn() == ""
    installed = installer.install(str(version("2.0")), now=True)
    assert station.keeper.used.title == "tiny 1.0"
    assert station.turn() == ""
    assert station.keeper.used.title == "tiny 2.0"
    assert [model.title for model in station.exchanged] == ["tiny 2.0"]
    assert [(one.action, one.model, one.before) for one in station.told] == [
        ("activated", "tiny 2.0", "the configured bundle")
    ]
    assert station.show((220, 30, 30)).decision.label == "red"
    assert station.condition() == (
        Level.OK,
        "tiny 2.0 is in charge, on probation: " + station.keeper._watch.figures.text,
    )
    installer.store.rollback("by hand")
    station.turn()
    assert station.keeper.used.title == "tiny 1.0"
    assert station.told[-1].digest == ""
    assert installed.entry.title not in station.condition()[1]


def test_an_item_that_is_being_looked_at_is_decided_by_the_model_that_saw_it(
    station: Station, installer: Installer, version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer.install(str(version("2.0")), now=True)
    monkeypatch.setattr(PictureItemTracker, "between_items", False)
    station.turn()
    assert station.keeper.used.title == "tiny 1.0"
    monkeypatch.undo()
    station.turn()
    assert station.keeper.used.title == "tiny 2.0"


def test_a_model_of_other_labels_has_the_parts_put_together_anew(
    station: Station, installer: Installer, version: MakeVersion
) -> None:
    installer.install(str(version("2.0", {"labels": ["red", "blue", "green"]})), now=True)
    assert station.turn() == "another model is in charge, with other labels or another site"
    assert station.keeper.anew
    assert station.keeper.used.title == "tiny 1.0"


def test_one_that_is_named_on_the_command_line_is_never_exchanged(installer: Installer, version: MakeVersion) -> None:
    station = Station(replace(installer, wish=replace(installer.wish, bundle_named=True)))
    installer.install(str(version("2.0")), now=True)
    station.turn()
    assert station.keeper.used.title == "tiny 1.0"


def test_one_that_cannot_be_loaded_is_taken_back(
    station: Station, installer: Installer, version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> ModelInUse:
        raise EngineError("out of memory")

    installer.install(str(version("2.0")), now=True)
    monkeypatch.setattr(keeping, "load_installed", refuse)
    station.turn()
    station.turn()
    assert installer.store.current() is None
    assert station.told[-1].reason == "taken back by the station: it cannot be loaded: out of memory"
    level, text = station.condition()
    assert (level, "tiny 2.0 was taken back by the station" in text) == (Level.WARN, True)


@pytest.mark.parametrize(("tally", "action"), [(Tally(wins=12, losses=1), "activated"), (Tally(losses=9), "withdrawn")])
def test_the_verdict_of_the_answers_is_acted_on(
    installer: Installer, version: MakeVersion, monkeypatch: pytest.MonkeyPatch, tally: Tally, action: str
) -> None:
    from waste_edge.device.models.shadow.contests import Contests

    installer.install(str(version("2.0")))
    station = Station(installer)
    assert station.turn() == ""
    station.keeper._contests.stop()
    monkeypatch.setattr(Contests, "judgement", judge(tally, 1000))
    station.turn()
    station.turn()
    assert [one.action for one in station.told] == [action]
    assert station.told[0].reason == judge(tally, 1000).reason
    assert station.keeper.used.title == ("tiny 2.0" if action == "activated" else "tiny 1.0")
    assert installer.store.roles().on_probation == (action == "activated")
    station.keeper.stop()


def on_probation(installer: Installer, version: MakeVersion, before: Seen) -> Station:
    station = Station(installer)
    station.keeper._watch = Watch(WatchFigures(digest="", seen=before))
    installer.install(str(version("2.0")), now=True)
    station.turn()
    return station


def test_a_probation_that_ends_well_is_confirmed(installer: Installer, version: MakeVersion) -> None:
    station = on_probation(
        replace(installer, config=ModelsConfig(probation_items=15)), version, Seen(items=100, unknown=2, look_ms=1.0)
    )
    for _ in range(15):
        station.show((30, 30, 220))
    station.turn()
    station.turn()
    assert station.told[-1].action == "confirmed"
    assert not installer.store.roles().on_probation


def test_many_unknown_items_take_it_back_and_few_do_not(installer: Installer, version: MakeVersion) -> None:
    station = on_probation(installer, version, Seen(items=100, unknown=5, look_ms=1.0))
    for number in range(20):
        station.show((30, 30, 220) if number % 10 else (128, 128, 128))
    assert station.turn() == ""
    assert station.keeper.used.title == "tiny 2.0"
    for _ in range(12):
        assert station.show((128, 128, 128)).decision.label == "unknown"
    station.turn()
    station.turn()
    assert station.keeper.used.title == "tiny 1.0"
    assert "it named 14 of 32 items unknown, more than 5% of the 100 before" in station.told[-1].reason
    assert installer.store.history()[-1].reason == station.told[-1].reason


def test_looks_that_do_not_fit_the_board_take_it_back_unless_the_one_before_was_as_slow() -> None:
    class Answer:
        latency_ms = 200.0

    def watch(before_ms: float) -> Watch:
        watched = Watch(WatchFigures(digest="d", before=Seen(items=50, look_ms=before_ms)))
        for _ in range(20):
            watched.look(Answer())  # type: ignore[arg-type]
            watched._seen = Seen(items=20, unknown=0, look_ms=watched._looks.median_ms())
        return watched

    assert "a look takes 200 ms, the one before 20 ms; 300 ms are there for 2" in fault_of(watch(20.0))
    assert fault_of(watch(190.0)) == ""


def test_a_network_that_fails_under_way_is_taken_back_on_probation_only(
    installer: Installer, version: MakeVersion
) -> None:
    installer.install(str(version("2.0")), now=True)
    assert take_back_failed(installer.wish, EngineError("bus error"))
    assert installer.store.history()[-1].reason == "taken back by the station: its network failed: bus error"
    assert not take_back_failed(installer.wish, EngineError("bus error"))


def test_figures_outlive_a_restart_and_damaged_ones_do_no_harm(
    installer: Installer, version: MakeVersion, store: ModelStore
) -> None:
    entry = installer.install(str(version("2.0")), now=True).entry
    assert [count_start(store.folder, entry) for _ in range(2)] == [1, 2]
    station = Station(installer)
    for _ in range(10):
        station.show((30, 30, 220))
    station.keeper.stop()
    watched = read_figures(store.folder).watched
    assert watched is not None
    assert (watched.digest, watched.seen.items, watched.starts) == (entry.digest, 10, 0)
    again = Station(installer)
    assert again.keeper._watch.figures.seen.items == 10
    (store.folder / "figures.json").write_text("{")
    assert Station(installer).keeper._watch.figures.seen.items == 0


def test_a_disk_that_is_full_leaves_the_model_and_says_so(
    station: Station, installer: Installer, version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waste_edge.device.models import roles
    from waste_edge.errors import UserError

    def full(path: Path, content: object, mode: int = 0) -> None:
        raise UserError(f"{path}: cannot be written (No space left on device); choose another place")

    folder = version("2.0")
    monkeypatch.setattr(roles, "write_atomically", full)
    with pytest.raises(UserError, match="No space left"):
        installer.install(str(folder), now=True)
    assert installer.store.current() is None
    assert station.turn() == ""


def test_a_watched_folder_is_looked_into(installer: Installer, version: MakeVersion, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    station = Station(replace(installer, config=ModelsConfig(watch_folder=str(stick), shadow=False)))
    stick.mkdir()
    version("2.0").rename(stick / "two")
    station.turn()
    assert station.keeper.used.title == "tiny 2.0"
    version("3.0", {"licence": 7}).rename(stick / "three")
    station.turn()
    assert station.keeper.used.title == "tiny 2.0"


def test_a_refusal_that_nobody_saw_is_told_until_a_model_is_taken(installer: Installer, version: MakeVersion) -> None:
    station = Station(installer)
    keep_refusal(installer.store, BundleError("stick/two.zip: not signed\nand more"))
    level, text = station.condition()
    assert level is Level.WARN
    assert text.startswith("tiny 1.0 is in charge; not installed (20")
    assert text.endswith("Z): stick/two.zip: not signed")
    installer.install(str(version("2.0")), now=True)
    assert station.condition()[0] is Level.OK
    keep_refusal(installer.store, BundleError("x" * 10_000))
    assert len(station.condition()[1]) < 1000
    (installer.store.folder / "refused.json").write_text("{")
    assert station.condition()[0] is Level.OK


def test_a_comparison_needs_the_same_pair_to_go_on(
    installer: Installer, version: MakeVersion, store: ModelStore
) -> None:
    from waste_edge.device.models.shadow.contests import Contests

    entry = installer.install(str(version("2.0"))).entry
    model = load_model(installer.wish)
    roles = store.roles()
    pair = {"candidate": entry.digest, "in_charge": model.bundle.digest}
    contests = Contests(installer, ShadowFigures(**pair, proposal=roles.proposal, tally=Tally(both=7)))
    contests.follow(roles, model)
    assert contests.figures is not None
    assert contests.figures.tally.both == 7
    contests.stop()
    other = Contests(installer, ShadowFigures(candidate="x", in_charge="y", tally=Tally(both=7)))
    other.follow(roles, model)
    assert other.figures is not None
    assert other.figures.tally.both == 0
    other.stop()
    model.bundle.close()


def test_one_that_won_and_was_taken_back_must_win_again(
    installer: Installer, version: MakeVersion, store: ModelStore
) -> None:
    from waste_edge.device.models.shadow.contests import Contests

    new = str(version("2.0"))
    installer.install(new)
    model = load_model(installer.wish)
    pair = {"candidate": store.roles().candidate.digest, "in_charge": model.bundle.digest}  # type: ignore[union-attr]
    contests = Contests(installer, ShadowFigures(**pair, proposal=store.roles().proposal, tally=Tally(both=7)))
    contests.follow(store.roles(), model)
    store.withdraw("by hand")
    contests.follow(store.roles(), model)
    installer.install(new)
    contests.follow(store.roles(), model)
    assert contests.figures is not None
    assert contests.figures.tally.both == 0
    contests.stop()
    model.bundle.close()


@pytest.mark.parametrize("how", ["rolled back", "withdrawn"])
def test_a_folder_does_not_bring_back_what_was_taken_back(
    installer: Installer, version: MakeVersion, store: ModelStore, tmp_path: Path, how: str
) -> None:
    folder, new = tmp_path / "watched", version("2.0")
    folder.mkdir()
    shutil.copytree(new, folder / "new")
    config = ModelsConfig(watch_folder=str(folder), shadow=how == "withdrawn")
    watching = replace(installer, config=config)
    station = Station(watching)
    station.turn()
    assert [one.action for one in station.told] == ["proposed" if how == "withdrawn" else "activated"]
    store.withdraw("by hand") if how == "withdrawn" else store.rollback("by hand")
    again = Station(watching)  # as after a restart
    again.turn()
    roles = store.roles()
    assert (roles.current, roles.candidate) == (None, None)
    assert "was taken back at this station before" in again.condition()[1]
    assert watching.install(str(new)).outcome != "unchanged"  # by hand it is taken
    assert store.roles().taken_back == []
