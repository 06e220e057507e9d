"""Services of a station besides its loop: storing and delivering events, watching the board."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.clock import Clock
from waste_edge.device.config import StationConfig, sink_tables
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.sink import Sink, SinkContext
from waste_edge.device.system.board import Board
from waste_edge.device.system.disk import Disk
from waste_edge.device.system.health import Health
from waste_edge.device.system.housekeeping import Check, Housekeeper
from waste_edge.device.system.shedding import Shedding
from waste_edge.errors import ConfigError, UserError

if TYPE_CHECKING:
    from waste_edge.device.answers.review import ReviewQueue

OUTBOX_NAME = "outbox.sqlite"


@contextlib.contextmanager
def station_services(
    config: StationConfig, state: Path | None, health: Health, clock: Clock, reviews: ReviewQueue | None = None
) -> Iterator[Outbox | None]:
    """Outbox, sinks and housekeeper for as long as the block lasts.

    Args:
        config: what the station is to have.
        state: where events are kept; None: nowhere, and then nobody is told either.
        health: is told how all of them fare.
        clock: for all of them.
        reviews: takes people's answers, if the station is to; sinks that have `take_answers` are given it.

    Yields:
        The outbox, to commit to; None without `state`.

    Raises:
        ConfigError: sinks without `state`, one that is no folder or another station's, or a sink's configuration
            that cannot be used.
        MissingPackageError: a sink's package is not installed.
        UserError: at the end, events could not be written and are lost.
    """
    sinks = build_sinks(config, state)
    with contextlib.ExitStack() as stack:
        if state is not None:
            stack.enter_context(_claimed(state))
        outbox = Outbox(state / OUTBOX_NAME, config.name, clock, config=config.outbox) if state else None
        deliveries: list[Delivery] = []
        checks: list[Check] = []
        if outbox is not None and state is not None:
            stack.callback(_close, outbox)
            for newest in filter(None, (_newest(sink) for sink in sinks)):
                outbox.told(*newest)
            checks = [Disk(state, clock, config.disk).condition, outbox.condition]
            if reviews is not None:
                reviews.open(outbox)
                stack.callback(reviews.close)
                checks.append(reviews.condition)
                _connect(sinks, reviews)
            deliveries = [Delivery(outbox, sink, clock) for sink in sinks]
        stack.callback(_stop_all, deliveries)
        for delivery in deliveries:
            delivery.start()
        keeper = Housekeeper(
            health,
            Board(),
            Shedding(config.load),
            [*checks, *(delivery.condition for delivery in deliveries)],
            [delivery.tell_health for delivery in deliveries],
            clock,
        )
        stack.callback(keeper.stop)
        keeper.start()
        yield outbox


def _connect(sinks: Sequence[Sink], reviews: ReviewQueue) -> None:
    """Give the queue of questions to the sinks over which people can answer."""
    for sink in sinks:
        take: Callable[[ReviewQueue], None] | None = getattr(sink, "take_answers", None)
        if take is not None:
            take(reviews)


def _newest(sink: Sink) -> tuple[str, int] | None:
    """Ask a sink for the last event it was told: (outbox id, sequence); None if it cannot be asked."""
    ask: Callable[[], tuple[str, int] | None] | None = getattr(sink, "newest", None)
    return None if ask is None else ask()


def check_state(state: Path) -> None:
    """Check that a station can keep its events there: a folder of ours alone, with an outbox that we can read.

    Raises:
        ConfigError: it could not; the message says why.
    """
    from waste_edge.device.outbox.database import schema_problem

    with _claimed(state):
        problem = schema_problem(state / OUTBOX_NAME)
        if problem:
            raise ConfigError(problem)
        if not os.access(state, os.W_OK | os.X_OK):
            raise ConfigError(f"{state}: cannot be made or written by this user; check who owns its folder")


@contextlib.contextmanager
def _claimed(state: Path) -> Iterator[None]:
    """The state folder as this station's alone: two would tell every event twice. The kernel frees it if we die."""
    with contextlib.suppress(OSError):  # a disk that cannot be written is a condition of the station, not its end
        state.mkdir(parents=True, exist_ok=True)
    if state.exists() and not state.is_dir():
        raise ConfigError(f"{state}: is no folder; give --state a folder, which is made if need be")
    try:
        folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        _lock(folder, state)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, state: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"{state}: another station keeps its events there; end it, or give another --state"
        ) from error


def _close(outbox: Outbox) -> None:
    outbox.close()
    if outbox.unwritten:
        raise UserError(f"events that could not be written and are lost: {outbox.unwritten}; {outbox.condition().text}")


def build_sinks(config: StationConfig, state: Path | None) -> list[Sink]:
    """Every sink that the configuration has a table for; nobody is told anything yet.

    Raises:
        ConfigError, MissingPackageError: see `station_services`.
    """
    tables = sink_tables(config)
    if state is None:
        if tables:
            named = " and ".join(f"[{name}]" for name in tables)
            raise ConfigError(
                f"{named}: sinks need a folder where events wait until they are delivered: give --state DIR, or the "
                "key `state`"
            )
        return []
    context = SinkContext(config.name, state)
    sinks = {name: table.build(context) for name, table in tables.items()}
    by_name: dict[str, str] = {}
    for table, sink in sinks.items():
        if other := by_name.get(sink.name):
            raise ConfigError(f"[{other}] and [{table}]: both are called {sink.name!r}, by which their events are kept")
        by_name[sink.name] = table
    return list(sinks.values())


def _stop_all(deliveries: Sequence[Delivery]) -> None:
    """All at the same time: each may take most of a second."""
    threads = [threading.Thread(target=delivery.stop) for delivery in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
