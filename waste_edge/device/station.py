"""Services of a station besides its loop: storing and delivering events, watching the board."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.clock import Clock
from waste_edge.device.config import StationConfig, sink_tables
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.sink import Sink, SinkContext, StationFacts
from waste_edge.device.system.board import Board
from waste_edge.device.system.condition import Condition
from waste_edge.device.system.disk import Disk
from waste_edge.device.system.health import Health
from waste_edge.device.system.housekeeping import Check, Housekeeper
from waste_edge.device.system.identity import accept_board, board_condition
from waste_edge.device.system.neighbours import Neighbours
from waste_edge.device.system.shedding import Shedding
from waste_edge.errors import ConfigError, UserError

if TYPE_CHECKING:
    from waste_edge.device.answers.review import ReviewQueue

OUTBOX_NAME = "outbox.sqlite"


@contextlib.contextmanager
def station_services(
    config: StationConfig,
    state: Path | None,
    health: Health,
    clock: Clock,
    reviews: ReviewQueue | None = None,
    facts: StationFacts | None = None,
) -> Iterator[Outbox | None]:
    """Outbox, sinks and housekeeper for as long as the block lasts.

    Args:
        config: what the station is to have.
        state: where events are kept; None: nowhere, and then nobody is told either.
        health: is told how all of them fare.
        clock: for all of them.
        reviews: takes people's answers, if the station is to; sinks that have `take_answers` are given it.
        facts: of the station, for sinks that tell them.

    Yields:
        The outbox, to commit to; None without `state`.

    Raises:
        ConfigError: sinks without `state`, one that is no folder or another station's, or a sink's configuration
            that cannot be used.
        MissingPackageError: a sink's package is not installed.
        UserError: at the end, events could not be written and are lost.
    """
    sinks = build_sinks(config, state, facts)
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
            accept_board(state)
            checks = [partial(_disk, Disk(state, clock, config.disk), health), outbox.condition]
            checks.append(partial(board_condition, state))
            if reviews is not None:
                reviews.open(outbox)
                stack.callback(reviews.close)
                checks.append(reviews.condition)
                _connect(sinks, reviews)
            deliveries = [Delivery(outbox, sink, clock, latest=health.latest) for sink in sinks]
        stack.callback(_stop_all, deliveries)
        for delivery in deliveries:
            delivery.start()
        neighbours = stack.enter_context(Neighbours.of_environment().joined())
        keeper = Housekeeper(
            health,
            Board(),
            Shedding(config.load, neighbours.count),
            [*checks, *(delivery.condition for delivery in deliveries)],
            [delivery.tell_health for delivery in deliveries],
            clock,
        )
        stack.callback(keeper.stop)
        keeper.start()
        yield outbox


def _disk(disk: Disk, health: Health) -> Condition:
    condition = disk.condition()
    health.latest.set(disk_free_mb=disk.free_mb)
    return condition


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


def build_sinks(config: StationConfig, state: Path | None, facts: StationFacts | None = None) -> list[Sink]:
    """Every sink that the configuration has a table for; nobody is told anything yet.

    Args:
        config: with the tables.
        state: the station's folder.
        facts: of the station, if one is to run.

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
    context = SinkContext(config.name, state, facts or StationFacts())
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
