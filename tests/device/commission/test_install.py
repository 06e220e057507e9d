"""From shots to an installed bundle, and back, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.device.commission.pictures import COLOURS, picture, write_site
from tests.device.replay.conftest import live_pictures
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.signing import read_required_key, read_signer
from waste_edge.device.commission.install import Installation, check_signer, name_of, undo, version_after
from waste_edge.device.commission.outcome import Outcome, concerns, evaluate, missing, reject_cost
from waste_edge.device.commission.session import Session, opened_session
from waste_edge.device.commission.shooting import items_of_folder, shoot_folder
from waste_edge.device.config import StationConfig
from waste_edge.device.models.store import ModelStore
from waste_edge.device.outbox.read_only import KeptItems
from waste_edge.device.replay.decide import Replay
from waste_edge.engines.classifier import load_classifier
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import ConfigError, UserError
from waste_edge.site import site_of_labels


def show(session: Session, folder: Path) -> list[str]:
    """Show a folder; returns the reasons of what was refused."""
    items = items_of_folder(folder, session.records.setup.all_labels)
    verdicts = list(shoot_folder(session.shutter(live=False), session.records, items))
    return [verdict.reason for verdict in verdicts if verdict.reason]


def installation(session: Session, **values: object) -> Installation:
    return Installation(session.state, session.config.name, session.site, **values)  # type: ignore[arg-type]


@pytest.fixture
def shown(session: Session, tmp_path: Path) -> tuple[Session, Outcome]:
    assert show(session, write_site(tmp_path / "shots", 8)) == []
    return session, evaluate(session.records, session.bundle, session.site)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_foreign_site_is_learnt_installed_and_undone(shown: tuple[Session, Outcome], tiny_bundle: Path) -> None:
    session, outcome = shown
    assert outcome.assessment.better
    before = digests(tiny_bundle)
    entry = installation(session).install(session.bundle, session.records, outcome)
    assert (entry.name, entry.version) == ("tiny-Lobby-2nd-floor", "1.0.1")
    with ModelStore(session.state).open(entry) as bundle:
        head = bundle.manifest.head
        assert head
        assert (head.site, head.parent, head.parent_digest) == ("Lobby, 2nd floor", "tiny 1.0", session.bundle.digest)
        assert head.items == dict.fromkeys(COLOURS, 8)
        assert verify_bundle(bundle).ok
        classifier = load_classifier(bundle, "onnx")
        named = [classifier.classify(picture(label, 90)).best for label in COLOURS]
        assert named == list(COLOURS), "new pictures, by every path that loads the bundle"
        assert bundle.read(bundle.manifest.artifacts["onnx-int8"]) == session.bundle.read(
            session.bundle.manifest.artifacts["onnx-int8"]
        ), "the same network"
        card = bundle.read(bundle.manifest.extra_files[-1]).decode()
    assert "commissioned" in card
    assert "tiny 1.0" in card
    assert undo(session.state) is None
    assert digests(tiny_bundle) == before
    with pytest.raises(UserError, match="no installed model is in charge"):
        undo(session.state)


def test_a_second_one_is_a_newer_version_and_undone_leaves_the_first(shown: tuple[Session, Outcome]) -> None:
    session, outcome = shown
    first = installation(session).install(session.bundle, session.records, outcome)
    before = digests(ModelStore(session.state).path(first))
    second = installation(session).install(session.bundle, session.records, outcome)
    assert (first.version, second.version) == ("1.0.1", "1.0.2")
    assert undo(session.state) == first
    assert digests(ModelStore(session.state).path(first)) == before


def test_a_head_that_is_no_better_is_not_installed(session: Session, tmp_path: Path) -> None:
    """Two items of a label, which the network names rightly already: nothing can be gained."""
    for label, colour in (("red", "green"), ("blue", "red")):
        for number in range(3):
            (tmp_path / "s" / label).mkdir(parents=True, exist_ok=True)
            from PIL import Image

            Image.fromarray(picture(colour, number)).save(tmp_path / "s" / label / f"{number}.png")
    show(session, tmp_path / "s")
    outcome = evaluate(session.records, session.bundle, session.site)
    assert not outcome.assessment.better
    with pytest.raises(UserError, match="not installed: the new head is"):
        installation(session).install(session.bundle, session.records, outcome)
    assert ModelStore(session.state).current() is None
    assert any("not shown" in line for line in concerns(outcome, session.records.setup.labels))
    entry = installation(session, despite=True).install(session.bundle, session.records, outcome)
    assert ModelStore(session.state).current() == entry


def test_two_items_of_one_label_are_too_few(session: Session, tmp_path: Path) -> None:
    show(session, write_site(tmp_path / "shots", 2, ("red",)))
    assert missing(session.records, 10) == ["2 items of each of 2 labels at least; shown so far: 2 of red"]
    with pytest.raises(UserError, match="nothing can be fitted yet"):
        evaluate(session.records, session.bundle, session.site)


def test_an_own_label_goes_where_another_one_goes(station: StationConfig, tmp_path: Path) -> None:
    labels = ("red", "blue", "coffee_cup")
    with opened_session(station, {"coffee_cup": "blue"}) as session:
        show(session, write_site(tmp_path / "shots", 8, labels))
        outcome = evaluate(session.records, session.bundle, session.site)
        entry = installation(session).install(session.bundle, session.records, outcome)
        with ModelStore(session.state).open(entry) as bundle:
            assert bundle.manifest.labels[-1] == "coffee_cup"
            assert bundle.manifest.tree["coffee_cup"] == "blue"
            site = site_of_labels(session.bundle.manifest.labels)
            assert site.stream_of("coffee_cup", bundle.manifest.tree) == "blue"
            site.check_covers(bundle.manifest.labels, bundle.manifest.tree)
            named = load_classifier(bundle, "onnx").classify(picture("coffee_cup", 77))
        assert named.best == "coffee_cup"
    with pytest.raises(ConfigError, match="was commissioned itself, from tiny 1"):  # noqa: SIM117
        with opened_session(msgspec.structs.replace(station, bundle=str(ModelStore(session.state).path(entry))), {}):
            pass


def test_what_was_shown_is_not_shown_again(shown: tuple[Session, Outcome], tmp_path: Path) -> None:
    session, _ = shown
    reasons = show(session, tmp_path / "shots")
    assert len(reasons) == 24
    assert all("near-copy of item" in reason for reason in reasons)


def test_views_in_a_folder_are_one_item(session: Session, tmp_path: Path) -> None:
    folder = write_site(tmp_path / "shots", 4, ("red",))
    (folder / "red" / "cup").mkdir()
    for name in ("00.png", "01.png", "02.png"):
        (folder / "red" / name).rename(folder / "red" / "cup" / name)
    show(session, folder)
    assert session.records.items("red") == 2
    assert len(session.records.shots) == 8, "two looks at each of four pictures"


def test_a_signed_bundle_where_a_key_is_required(
    shown: tuple[Session, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private, public = tmp_path / "station.key", tmp_path / "station.pub"
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    session, outcome = shown
    signer = read_signer(private)
    check_signer(signer, public)
    entry = installation(session, signer=signer).install(session.bundle, session.records, outcome)
    with open_bundle(ModelStore(session.state).path(entry), read_required_key(public)):
        pass
    with pytest.raises(ConfigError, match="give its private key: --sign KEY"):
        check_signer(None, public)
    private.write_bytes(other.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    with pytest.raises(ConfigError, match="is not the private key of"):
        check_signer(read_signer(private), public)
    check_signer(None, None)


def test_a_bundle_is_written_elsewhere_and_nothing_is_installed(shown: tuple[Session, Outcome], tmp_path: Path) -> None:
    session, outcome = shown
    installation(session).write(session.bundle, session.records, outcome, tmp_path / "out")
    with open_bundle(tmp_path / "out") as bundle:
        assert verify_bundle(bundle).ok
    assert ModelStore(session.state).current() is None
    with pytest.raises(UserError, match="exists already"):
        installation(session).write(session.bundle, session.records, outcome, tmp_path / "out")


@pytest.mark.parametrize(
    ("parent", "newest", "expected"),
    [("3", "", "3.1"), ("3", "3.9", "3.10"), ("3", "2.4", "3.1"), ("3", "5", "5.1"), ("1.0", "1.0.4", "1.0.5")],
)
def test_versions_rise_whatever_the_clock_says(parent: str, newest: str, expected: str) -> None:
    assert version_after(parent, newest) == expected


def test_a_name_is_made_of_the_stations(session: Session) -> None:
    assert name_of(session.bundle.manifest, "../ Küche №1") == "tiny-Küche-1"
    assert name_of(session.bundle.manifest, "///") == "tiny-station"


def test_costs_of_a_site_choose_a_threshold() -> None:
    site = site_of_labels(["a", "b"])
    assert reject_cost(site, 0.5) is None
    costly = msgspec.structs.replace(site, costs={"a": {"residual": 0.2}, "b": {"residual": 0.4}})
    assert reject_cost(costly, 0.5) == pytest.approx(0.3)


def test_probabilities_of_a_headed_bundle_are_of_all_labels(shown: tuple[Session, Outcome], tmp_path: Path) -> None:
    session, outcome = shown
    installation(session).write(session.bundle, session.records, outcome, tmp_path / "out")
    with open_bundle(tmp_path / "out") as bundle:
        prediction = load_classifier(bundle, "onnx").classify(picture("red", 5))
    assert prediction.probabilities.shape == (3,)
    np.testing.assert_allclose(prediction.probabilities.sum(), 1.0)


def test_a_station_with_the_fitted_head_is_replayed_to_the_bit(shown: tuple[Session, Outcome], tmp_path: Path) -> None:
    """What was decided live by the installed head is decided again from what was kept: every number is the same."""
    session, outcome = shown
    entry = installation(session).install(session.bundle, session.records, outcome)
    others = [picture(label, number) for label in COLOURS for number in range(40, 48)]
    with ModelStore(session.state).open(entry) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        events = live_pictures(tmp_path / "live", load_classifier(bundle, "onnx"), site, others)
        replay = Replay(bundle, site)
        redone = [replay.redo(item) for item in KeptItems(tmp_path / "live")]
    assert [one.after for one in redone] == [event.decision for event in events]
    assert all(one.after == one.before for one in redone)
    assert {decision.label for decision in (event.decision for event in events)} >= set(COLOURS)
    shipped = Replay(session.bundle, site)
    moved = [shipped.redo(item).after.label for item in KeptItems(tmp_path / "live")]
    assert moved != [event.decision.label for event in events], "and the shipped head would have named them otherwise"
