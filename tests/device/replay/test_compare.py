"""What a replay counts: moves between streams, costs, answers of people, and the items that change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.device.telling import START, FakeWall
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.clock import SystemClock
from waste_edge.device.decision.answer import Answer
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.read_only import KeptItems
from waste_edge.device.replay.compare import compare
from waste_edge.device.replay.decide import NOT_KEPT, Replay
from waste_edge.device.replay.values import ReplayReport
from waste_edge.device.reporting.items import Period
from waste_edge.site import Site, site_of_labels

LABELS = ("red", "green", "blue")
WARM_BIN = Site(name="warm", residual="residual", streams={"red": "warm", "green": "cold", "blue": "cold"}, ask=0.1)


def replayed(state: Path, bundle: Path, site: Site, period: Period | None = None, limit: int = 1000) -> ReplayReport:
    with open_bundle(bundle) as opened:
        return compare(KeptItems(state), state / "outbox.sqlite", Replay(opened, site), period or Period(), limit)


def answered(state: Path, answers: dict[str, tuple[str | None, str]]) -> None:
    """People answered these items: label and stream by id."""
    outbox = Outbox(state / "outbox.sqlite", "bin 1", SystemClock(), FakeWall())
    outbox.commit_answers(
        [
            Answer(item_id, 1, label, stream, "sort", "page", "", 5, True, True, "red", "red")
            for item_id, (label, stream) in answers.items()
        ]
    )
    outbox.close()


def test_the_same_site_and_bundle_change_nothing(state: Path, tiny_bundle: Path) -> None:
    report = replayed(state, tiny_bundle, site_of_labels(LABELS))
    assert (report.items, report.replayed, report.identical, report.changed, report.moved) == (24, 24, 24, 0, 0)
    assert report.changes == []
    assert report.not_replayed == {}
    assert all(row.before == row.after and row.came == row.left == 0 for row in report.streams)
    assert sum(row.before for row in report.streams) == 24
    assert report.costs.before == report.costs.after == pytest.approx(report.costs.told, abs=1e-6)
    assert report.costs.items > 12


def test_moves_add_up_and_every_changed_item_is_listed(state: Path, tiny_bundle: Path) -> None:
    before = Counter(str(item.record.event["decision"]["stream"]) for item in KeptItems(state))
    report = replayed(state, tiny_bundle, WARM_BIN)
    rows = {row.stream: row for row in report.streams}
    assert {name: row.before for name, row in rows.items() if row.before} == dict(before)
    assert sum(row.after for row in rows.values()) == report.replayed == 24
    for row in rows.values():
        assert row.before - row.left == row.after - row.came
    assert sum(row.came for row in rows.values()) == report.moved == sum(row.left for row in rows.values())
    assert len(report.changes) == report.changed
    assert {change.after.stream for change in report.changes} <= {"warm", "cold", "ask", "residual"}
    assert all(change.before.expected_cost is None for change in report.changes if change.before.stream in LABELS)
    assert all(
        change.reason and change.reason_before and change.time_utc.startswith("2026-03-01") for change in report.changes
    )


def test_the_list_is_bounded_and_has_the_newest(state: Path, tiny_bundle: Path) -> None:
    whole = replayed(state, tiny_bundle, WARM_BIN)
    short = replayed(state, tiny_bundle, WARM_BIN, limit=3)
    assert short.changes == whole.changes[-3:]
    assert short.changes_left_out == whole.changed - 3
    assert replayed(state, tiny_bundle, WARM_BIN, limit=0).changes_left_out == whole.changed


def test_answers_tell_what_the_decisions_cost(state: Path, tiny_bundle: Path) -> None:
    items = [item for item in KeptItems(state) if item.record.event["decision"]["action"] == "sort"][:4]
    ids = [item.id for item in items]
    truth = {"red": "red", "green": "green", "blue": "blue"}
    said: dict[str, tuple[str | None, str]] = {one.id: (truth[one.label], truth[one.label]) for one in items[:3]}
    wrong = "green" if items[3].label != "green" else "red"
    said[ids[3]] = (wrong, wrong)
    answered(state, said)
    same = replayed(state, tiny_bundle, site_of_labels(LABELS)).answered
    assert (same.items, same.right_before, same.right_after, same.asked_before) == (4, 3, 3, 0)
    assert (same.cost_before, same.cost_after) == (1.0, 1.0)
    asks = Site(name="asks", residual="residual", streams={label: label for label in LABELS}, ask=0.0)
    always = replayed(state, tiny_bundle, asks).answered
    assert always.right_after + always.asked_after >= 3
    assert always.cost_after <= always.cost_before == 1.0


def test_an_answer_in_a_stream_that_the_new_site_lacks_counts_by_its_label(state: Path, tiny_bundle: Path) -> None:
    ids = [item.id for item in KeptItems(state)][:2]
    answered(state, {ids[0]: ("red", "red"), ids[1]: (None, "red")})
    report = replayed(state, tiny_bundle, WARM_BIN)
    assert report.answered.items == 1, "the second named a stream alone, and there is none of that name"
    assert [change.belongs for change in report.changes if change.id in ids] == ["warm", None]


def test_only_items_of_the_period_count(state: Path, tiny_bundle: Path) -> None:
    at_s = START.timestamp()
    for period, count in ((Period(at_s - 1, at_s + 60), 24), (Period(at_s + 60), 0), (Period(-1e9, at_s - 60), 0)):
        assert replayed(state, tiny_bundle, site_of_labels(LABELS), period).items == count


def test_items_without_features_are_counted_and_explained(state: Path, tiny_bundle: Path) -> None:
    (state / "features.sqlite").unlink()
    report = replayed(state, tiny_bundle, site_of_labels(LABELS))
    assert (report.items, report.replayed, report.not_replayed) == (24, 0, {NOT_KEPT: 24})
    assert any("of 24 items nothing is kept" in remark for remark in report.remarks)
