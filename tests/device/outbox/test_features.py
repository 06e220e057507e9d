"""Features of decided items: kept bit for bit, within the room that events leave, and read beside a station."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.device.conftest import FakeClock
from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.decision.answer import Answer
from waste_edge.device.decision.item_tracker import Event, Evidence
from waste_edge.device.outbox.config import OutboxConfig
from waste_edge.device.outbox.features import FEATURES_NAME
from waste_edge.device.outbox.looks import DamagedLooksError, pack, unpack
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.read_only import Damage, KeptItem, KeptItems
from waste_edge.device.outbox.record import event_fields
from waste_edge.device.system.condition import Level
from waste_edge.engines.classifier import ModelId, Prediction
from waste_edge.engines.interface import MOST_FEATURE, as_kept
from waste_edge.errors import ConfigError, DataError
from waste_edge.imaging.preprocess import InputSpec, Region
from waste_edge.site import Site, site_of_labels

LABELS = ("glass", "paper", "metal")
MODEL = ModelId("ab" * 32, "toy 1.0", "tflite-int8", "cd" * 32, InputSpec(96, 96))
SITE = msgspec.structs.replace(site_of_labels(LABELS), region=Region(left=0.1, top=0.0, right=1.0, bottom=1.0))


def predicted(number: int, features: int = 216, model: ModelId | None = MODEL) -> Prediction:
    rng = np.random.default_rng(number)
    logits = rng.normal(0, 3, 3).astype(np.float32)
    pooled = as_kept(rng.exponential(0.5, features).astype(np.float32))
    return Prediction("glass", "glass", 0.5, np.full(3, 1 / 3), 5.0, pooled, 3.0, logits, model)


def seen_event(number: int, looks: int = 4, features: int = 216, site: Site = SITE) -> Event:
    evidence = Evidence(tuple(predicted(10 * number + look, features) for look in range(looks)), 1, site)
    return replace(make_event(number), evidence=evidence)


@pytest.fixture
def open_outbox(tmp_path: Path, clock: FakeClock):
    opened: list[Outbox] = []

    def open_(**config: object) -> Outbox:
        if opened:
            opened.pop().close()
        opened.append(Outbox(tmp_path / "outbox.sqlite", "bin-3", clock, FakeWall(), OutboxConfig(**config)))
        return opened[0]

    yield open_
    for outbox in opened:
        outbox.close()


Open = Callable[..., Outbox]


def same(kept: KeptItem, event: Event) -> bool:
    assert event.evidence is not None
    looks, expected = kept.looks, event.evidence.predictions
    return (
        looks is not None
        and len(looks.outputs) == len(expected)
        and all(
            np.array_equal(one.logits, other.logits) and np.array_equal(one.features, other.features)
            for one, other in zip(looks.outputs, expected, strict=True)
        )
    )


def test_what_was_seen_of_an_item_comes_back_to_the_last_bit(open_outbox: Open, tmp_path: Path) -> None:
    events = [seen_event(number, looks=1 + number % 4) for number in range(6)]
    outbox = open_outbox()
    for event in events:
        outbox.commit(event, b"")
    outbox.close()
    found = list(KeptItems(tmp_path))
    assert [item.id for item in found] == [event.id for event in events]
    assert all(same(item, event) for item, event in zip(found, events, strict=True))
    looks = found[0].looks
    assert looks is not None
    assert looks.setting.model == MODEL
    assert (looks.setting.region, looks.setting.rotate, looks.setting.several) == (SITE.region, 0, "residual")
    assert looks.setting.sees_as(SITE)
    assert not looks.setting.sees_as(site_of_labels(LABELS)), "it watches the whole frame"


def test_features_are_rounded_to_float16_and_bounded() -> None:
    given = np.array([0.1, 1.0, 1e9, -1e9, 3e-9], np.float32)
    kept = as_kept(given)
    assert kept.dtype == np.float32
    assert kept.tolist() == [np.float32(np.float16(0.1)), 1.0, MOST_FEATURE, -MOST_FEATURE, 0.0]
    assert np.array_equal(as_kept(kept), kept)


def test_events_are_told_without_what_they_were_decided_from() -> None:
    assert "evidence" not in event_fields(seen_event(1))


def test_an_item_comes_with_the_answer_that_a_person_gave(open_outbox: Open, tmp_path: Path) -> None:
    outbox = open_outbox()
    for number in range(3):
        outbox.commit(seen_event(number), b"")

    def answer(number: int, order: int, label: str | None, source: str) -> Answer:
        return Answer(
            id_of(number),
            order,
            label,
            "metal",
            "sort",
            source,
            "",
            5,
            False,
            True,
            "paper",
            "paper",  # type: ignore[arg-type]
        )

    outbox.commit_answers([answer(0, 1, "metal", "page"), answer(1, 1, None, "timeout"), answer(2, 1, None, "mqtt")])
    outbox.commit_answers([answer(0, 2, "glass", "page")])
    found = list(KeptItems(tmp_path))  # beside the outbox, which is open
    assert [item.label for item in found] == ["paper"] * 3
    assert [item.answer and item.answer.event["label"] for item in found] == ["glass", None, None]
    assert [item.answer is not None for item in found] == [True, False, True], "nobody gave the one of a timeout"


def test_an_outbox_from_before_features_has_items_without_them(open_outbox: Open, tmp_path: Path) -> None:
    outbox = open_outbox()
    outbox.commit(make_event(1), b"")
    outbox.close()
    kept = KeptItems(tmp_path)
    assert not kept.has_features
    assert [(item.id, item.looks) for item in kept] == [(id_of(1), None)]


def test_what_no_network_was_asked_about_is_kept_without_numbers(open_outbox: Open, tmp_path: Path) -> None:
    event = replace(make_event(1), evidence=Evidence((), 3, SITE))
    open_outbox().commit(event, b"")
    looks = next(iter(KeptItems(tmp_path))).looks
    assert looks is not None
    assert (looks.outputs, looks.parts, looks.setting.model) == ((), 3, None)


def test_answers_of_unknown_or_several_networks_are_not_kept() -> None:
    other = msgspec.structs.replace(MODEL.input, width_px=64)
    for predictions in (
        (predicted(1, model=None),),
        (predicted(1), predicted(2, model=replace(MODEL, input=other))),
    ):
        assert pack(replace(make_event(1), evidence=Evidence(predictions, 1, SITE))) is None
    assert pack(make_event(1)) is None


def test_features_go_before_any_event_does(open_outbox: Open, clock: FakeClock, tmp_path: Path) -> None:
    outbox = open_outbox(max_mb=1.0)
    for number in range(201):
        outbox.commit(seen_event(number, features=1280), b"")
    clock.time_ns += 61 * 10**9
    outbox.tend()
    outbox.close()
    assert (tmp_path / FEATURES_NAME).stat().st_size < 2.2e6, "a hundred items may come between two looks"
    found = list(KeptItems(tmp_path))
    assert len(found) == 201, "no event went"
    kept = [item.looks is not None for item in found]
    assert 20 < sum(kept) < 100
    assert kept == sorted(kept), "the newest have them"
    assert outbox.condition().level is Level.OK


def test_features_go_with_their_event(open_outbox: Open, clock: FakeClock, tmp_path: Path) -> None:
    outbox = open_outbox(max_age_days=1.0)
    outbox.commit(seen_event(1), b"")
    clock.time_ns += 2 * 86_400 * 10**9
    outbox.commit(seen_event(2), b"")
    outbox.tend()
    outbox.close()
    with sqlite3.connect(tmp_path / FEATURES_NAME) as connection:
        assert connection.execute("SELECT id FROM items").fetchall() == [(id_of(2),)]
    connection.close()


def test_switched_off_nothing_is_kept_and_what_was_goes(open_outbox: Open, tmp_path: Path) -> None:
    open_outbox().commit(seen_event(1), b"")
    outbox = open_outbox(features=False)
    outbox.commit(seen_event(2), b"")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("features")] == []
    assert [item.looks for item in KeptItems(tmp_path)] == [None, None]


@pytest.mark.parametrize("damage", [b"SQLite format 3\0" + b"\xff" * 5000, b"none of ours", b""])
def test_a_damaged_file_costs_no_event(open_outbox: Open, tmp_path: Path, damage: bytes) -> None:
    outbox = open_outbox()
    outbox.commit(seen_event(1), b"")
    outbox.close()
    (tmp_path / FEATURES_NAME).write_bytes(damage)
    outbox = open_outbox()
    outbox.commit(seen_event(2), b"")
    assert ("a new one was begun" in outbox.condition().text) == bool(damage), "SQLite takes an empty file for new"
    assert [item.looks is not None for item in KeptItems(tmp_path)] == [False, True]


def test_a_file_that_cannot_be_written_costs_no_event(open_outbox: Open, clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / FEATURES_NAME).mkdir()
    outbox = open_outbox()
    assert outbox.commit(seen_event(1), b"").sequence == 1
    condition = outbox.condition()
    assert (condition.level, "features of items are not kept" in condition.text) == (Level.WARN, True)
    (tmp_path / FEATURES_NAME).rmdir()
    clock.time_ns += 11 * 10**9
    assert outbox.commit(seen_event(2), b"").sequence == 2
    assert outbox.condition().level is Level.OK
    assert [item.looks is not None for item in KeptItems(tmp_path)] == [False, True]


def test_a_file_removed_under_way_is_begun_anew(open_outbox: Open, clock: FakeClock, tmp_path: Path) -> None:
    outbox = open_outbox()
    outbox.commit(seen_event(1), b"")
    (tmp_path / FEATURES_NAME).unlink()
    clock.time_ns += 61 * 10**9
    outbox.tend()
    outbox.commit(seen_event(2), b"")
    assert [item.looks is not None for item in KeptItems(tmp_path)] == [False, True]


@pytest.mark.parametrize(
    ("column", "value"),
    [("numbers", b"xx"), ("looks", 5), ("labels", 2), ("features", 10**9), ("parts", -1), ("looks", "many")],
)
def test_damaged_rows_are_counted(open_outbox: Open, tmp_path: Path, column: str, value: object) -> None:
    outbox = open_outbox()
    outbox.commit(seen_event(1), b"")
    outbox.commit(seen_event(2), b"")
    outbox.close()
    with sqlite3.connect(tmp_path / FEATURES_NAME) as connection:
        connection.execute(f"UPDATE items SET {column} = ? WHERE id = ?", (value, id_of(1)))
    connection.close()
    kept = KeptItems(tmp_path)
    assert [item.looks is not None for item in kept] == [False, True]
    assert kept.damage == Damage(0, 1)


def test_numbers_that_are_not_finite_are_damage() -> None:
    packed = pack(
        replace(make_event(1), evidence=Evidence((replace(predicted(1), logits=np.full(3, np.nan)),), 1, SITE))
    )
    assert packed is not None
    with pytest.raises(DamagedLooksError, match="finite"):
        unpack(packed)


def test_a_file_of_another_version_is_refused(open_outbox: Open, tmp_path: Path) -> None:
    outbox = open_outbox()
    outbox.commit(seen_event(1), b"")
    outbox.close()
    with sqlite3.connect(tmp_path / FEATURES_NAME) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(ConfigError, match="schema 7, this program reads schema 1"):
        list(KeptItems(tmp_path))
    (tmp_path / FEATURES_NAME).write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(DataError, match="cannot be read"):
        list(KeptItems(tmp_path))
