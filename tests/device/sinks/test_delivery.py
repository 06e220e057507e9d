"""Deliveries: in order, from the cursor on, with patience; and never in the loop's way."""

from __future__ import annotations

import threading
import time

import pytest

from tests.device.telling import REFUSED, FakeSink, FakeWall, id_of, make_event
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import BATCH, Delivery
from waste_edge.device.system.condition import Condition, Level

LONGEST = RetryPolicy()


@pytest.fixture
def outbox(tmp_path, clock):
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", clock, FakeWall())
    yield outbox
    outbox.close()


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def delivery(outbox, sink, clock) -> Delivery:
    return Delivery(outbox, sink, clock, FakeWall(), LONGEST)


def commit(outbox: Outbox, *numbers: int) -> list[str]:
    for number in numbers:
        outbox.commit(make_event(number), b"")
    return [id_of(number) for number in numbers]


def test_events_come_in_order_and_once(outbox, sink, delivery):
    expected = commit(outbox, 3, 1, 2)
    assert delivery.step() > 0
    delivery.step()
    assert sink.ids == expected
    assert delivery.condition() == Condition("fake", Level.OK, "3 events delivered")


def test_a_backlog_comes_in_batches_without_a_pause(outbox, sink, delivery):
    expected = commit(outbox, *range(BATCH + 5))
    assert delivery.step() == 0
    assert delivery.step() > 0
    assert sink.ids == expected
    assert sink.batches == [BATCH, 5]


def test_the_next_run_goes_on_where_this_one_ended(outbox, sink, delivery, clock):
    commit(outbox, 1, 2)
    delivery.step()
    expected = commit(outbox, 3)
    outbox.close()  # and with it the reader
    again = FakeSink()
    Delivery(outbox, again, clock, FakeWall(), LONGEST).step()
    assert again.ids == expected


def test_a_sink_that_fails_gets_the_same_events_again(outbox, sink, delivery, clock):
    expected = commit(outbox, 1, 2)
    sink.error = REFUSED
    assert delivery.step() == 1.0
    text = "since 14:02 UTC, 2 events wait: broker:1883: connection refused"
    assert delivery.condition() == Condition("fake", Level.WARN, text)
    sink.error = None
    assert delivery.step() == 1.0  # too early
    assert sink.ids == []
    clock.time_ns += 1_000_000_000
    delivery.step()
    assert sink.ids == expected
    assert delivery.condition().level is Level.OK


def test_a_sink_with_a_fault_of_its_own_is_said_to_have_one(outbox, sink, delivery):
    sink.error = KeyError("oops")
    delivery.step()
    assert "internal error: KeyError('oops')" in delivery.condition().text


def test_the_back_off_doubles_up_to_its_bound_with_jitter(outbox, sink, delivery, clock):
    sink.error = REFUSED
    waits = []
    for _ in range(9):
        waits.append(delivery.step())
        clock.time_ns += round(waits[-1] * 1e9)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert RetryPolicy(jitter=0.5, random=lambda: 1.0).after(3) == 2.0
    assert RetryPolicy(jitter=0.5).after(100_000) <= 60


def test_an_idle_sink_is_asked_whether_it_is_there(sink, delivery):
    delivery.step()
    assert sink.batches == [0]


def test_a_cursor_that_the_disk_cannot_keep_is_kept_in_memory(outbox, sink, delivery, monkeypatch):
    expected = commit(outbox, 1, 2)
    reader = outbox.reader("fake")
    keep = reader._keep

    def full(connection):
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    monkeypatch.setattr(reader, "_keep", full)
    delivery.step()
    expected += commit(outbox, 3)
    monkeypatch.setattr(reader, "_keep", keep)
    delivery.step()
    assert sink.ids == expected


def test_health_is_told_when_a_level_changes(sink, delivery, clock):
    well, hot = Condition("temperature", Level.OK, "50 C"), Condition("temperature", Level.WARN, "81 C")
    for conditions in ([well], [well], [hot], [Condition("temperature", Level.WARN, "82 C")], [well]):
        delivery.tell_health(conditions)
        delivery.step()
    assert [health[0].text for health in sink.health] == ["50 C", "81 C", "50 C"]


def test_health_in_other_words_is_told_seldom(sink, delivery, clock):
    delivery.tell_health([Condition("temperature", Level.OK, "50 C")])
    delivery.step()
    clock.time_ns += 601_000_000_000
    delivery.tell_health([Condition("temperature", Level.OK, "51 C")])
    delivery.step()
    assert [health[0].text for health in sink.health] == ["50 C", "51 C"]


def test_health_that_could_not_be_told_is_told_later(sink, delivery, clock):
    sink.error = REFUSED
    delivery.tell_health([Condition("camera", Level.BAD, "blocked")])
    delivery.step()
    sink.error = None
    clock.time_ns += 2_000_000_000
    delivery.step()
    assert [health[0].text for health in sink.health] == ["blocked"]


def wait_until(true, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def test_a_commit_wakes_the_thread_and_stop_ends_it(outbox, sink):
    delivery = Delivery(outbox, sink, SystemClock())
    delivery.start()
    wait_until(lambda: sink.batches)
    expected = commit(outbox, 1)
    wait_until(lambda: sink.ids == expected)
    started = time.monotonic()
    assert delivery.stop()
    assert time.monotonic() - started < 1.0
    assert sink.closed


def test_what_was_committed_last_is_delivered_before_the_end(outbox, sink):
    delivery = Delivery(outbox, sink, SystemClock())
    delivery.start()
    wait_until(lambda: sink.batches)
    expected = commit(outbox, 1)
    assert delivery.stop()
    assert sink.ids == expected


class Frozen(FakeSink):
    """A sink that never answers, until the test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.thaw = threading.Event()

    def deliver(self, records) -> None:
        self.thaw.wait(60)


def test_a_frozen_sink_holds_up_neither_commits_nor_the_others_nor_the_end(outbox, sink):
    frozen = Frozen()
    frozen.name = "frozen"
    deliveries = [Delivery(outbox, frozen, SystemClock()), Delivery(outbox, sink, SystemClock())]
    for delivery in deliveries:
        delivery.start()
    expected = commit(outbox, *range(50))
    wait_until(lambda: sink.ids == expected)
    started = time.monotonic()
    assert not deliveries[0].stop()
    assert deliveries[1].stop()
    assert time.monotonic() - started < 2.0
    frozen.thaw.set()


def test_a_delivery_that_was_never_started_can_be_stopped(delivery):
    assert delivery.stop()


class DeadlyReader:
    """What it fails with is nothing that anybody expected; `waiting` too."""

    def __init__(self) -> None:
        self.calls = 0

    def pending(self, limit: int) -> list[object]:
        self.calls += 1
        raise TypeError("'<' not supported between instances of 'str' and 'int'")

    waiting = pending

    def close(self) -> None:
        pass


def test_no_failure_ends_the_thread_in_silence(outbox, sink):
    delivery = Delivery(outbox, sink, SystemClock(), retry=RetryPolicy(0.01, 0.01))
    delivery._reader = reader = DeadlyReader()  # type: ignore[assignment]
    delivery.start()
    wait_until(lambda: reader.calls > 3)
    assert delivery.condition().level is Level.WARN
    assert "internal error: TypeError" in delivery.condition().text
    assert delivery.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_all_the_same_is_said_and_started_again(outbox, sink):
    delivery = Delivery(outbox, sink, SystemClock())
    step, delivery.step = delivery.step, lambda: (_ for _ in ()).throw(SystemExit)  # type: ignore[method-assign]
    delivery.start()
    wait_until(lambda: not delivery._thread.is_alive())
    delivery.step = step  # type: ignore[method-assign]
    said = delivery.condition()
    assert (said.level, "its thread had ended and was started again" in said.text) == (Level.BAD, True)
    expected = commit(outbox, 1)
    wait_until(lambda: sink.ids == expected)
    assert delivery.stop()


def test_a_sink_that_hangs_over_a_batch_is_said_to(outbox, clock):
    frozen = Frozen()
    delivery = Delivery(outbox, frozen, clock)
    thread = threading.Thread(target=delivery.step)
    thread.start()
    wait_until(lambda: delivery._busy_since_ns is not None)
    assert delivery.condition().level is Level.OK
    clock.time_ns += 240_000_000_000
    assert (delivery.condition().level, "hangs since 4 minutes" in delivery.condition().text) == (Level.WARN, True)
    frozen.thaw.set()
    thread.join()
    assert delivery.condition().level is Level.OK
