"""Answers that people gave become shots: once, of the same network, and with a label that there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.device.commission.pictures import picture
from tests.device.replay.conftest import live_pictures
from tests.device.replay.test_compare import answered
from waste_edge.device.commission.from_answers import shots_of_answers
from waste_edge.device.commission.session import Session, opened_session
from waste_edge.device.commission.shooting import Verdict
from waste_edge.device.config import StationConfig
from waste_edge.engines.classifier import load_classifier
from waste_edge.errors import DataError
from waste_edge.site import site_of_labels

LABELS = ("red", "green", "blue")


@pytest.fixture
def session(station: StationConfig) -> Iterator[Session]:
    """A station that has decided a few pictures of each colour."""
    with opened_session(station, {}) as opened:
        site = site_of_labels(opened.bundle.manifest.labels)
        shown = [picture(label, number) for number in range(3) for label in LABELS]
        live_pictures(opened.state, load_classifier(opened.bundle, "onnx"), site, shown)
        yield opened


def ids(state: Path) -> list[str]:
    from waste_edge.device.outbox.read_only import KeptItems

    return [item.id for item in KeptItems(state)]


def added(session: Session) -> list[Verdict]:
    return list(shots_of_answers(session.state, session.bundle, session.records))


def test_answered_items_are_taken_once(session: Session) -> None:
    items = ids(session.state)
    answered(session.state, {items[0]: ("red", "red"), items[1]: ("green", "green"), items[2]: (None, "blue")})
    assert [(one.label, one.item, one.reason) for one in added(session)] == [("red", 1, ""), ("green", 2, "")]
    assert added(session) == [], "a second time there is nothing new"
    answered(session.state, {items[4]: ("green", "green")})
    assert [one.item for one in added(session)] == [3]
    kept = session.records.known()
    output = session.classifier.engine.infer(picture("red", 0, 16))
    assert kept.features.shape == (3, output.features.size)


def test_what_cannot_be_taken_is_said(session: Session) -> None:
    items = ids(session.state)
    answered(session.state, {items[0]: ("coffee_cup", "trash"), items[1]: ("unknown", "residual")})
    first, second = added(session)
    assert "--own coffee_cup=LABEL makes it one" in first.reason
    assert (second.label, second.item) == ("unknown", 1)


def test_answers_to_another_network_teach_nothing(session: Session) -> None:
    items = ids(session.state)
    answered(session.state, {items[0]: ("red", "red")})
    manifest = session.bundle.manifest
    other = {name: msgspec.structs.replace(entry, sha256="0" * 64) for name, entry in manifest.artifacts.items()}
    session.bundle.manifest = msgspec.structs.replace(manifest, artifacts=other)
    assert [one.reason for one in added(session)] == ["another network answered"]


def test_the_very_item_shown_before_is_not_taken_again(session: Session) -> None:
    from waste_edge.device.commission.shooting import keep

    shutter = session.shutter(live=False)
    keep(session.records, shutter.picture(picture("red", 0), "shown"), "red")
    answered(session.state, {ids(session.state)[0]: ("red", "red")})
    assert "looks just like item 1" in added(session)[0].reason


def test_without_kept_features_there_is_nothing_to_learn_from(station: StationConfig) -> None:
    from waste_edge.device.outbox.outbox import Outbox
    from waste_edge.rehearsal.play import VideoClock

    with opened_session(station, {}) as session:
        with pytest.raises(DataError, match=r"no outbox there; give the station's --state DIR$"):
            added(session)
        outbox = Outbox(session.state / "outbox.sqlite", "bin 1", VideoClock())
        outbox.tend()
        outbox.close()
        if (session.state / "outbox.sqlite").exists():
            with pytest.raises(DataError, match="no features of items are kept"):
                added(session)


def test_a_head_is_fitted_to_answers_alone(session: Session) -> None:
    from waste_edge.device.commission.outcome import evaluate

    items = ids(session.state)
    answered(session.state, {item: (LABELS[number % 3],) * 2 for number, item in enumerate(items)})
    taken = sum(not one.reason for one in added(session))
    assert taken >= 6, "some are alike to a network with three features"
    outcome = evaluate(session.records, session.bundle, session.site)
    assert outcome.assessment.items == taken
    assert outcome.assessment.accuracy.value > outcome.assessment.shipped.value
    assert np.isfinite(outcome.fit.head.weights).all()
