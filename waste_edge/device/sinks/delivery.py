"""One thread a sink: reads what waits in the outbox, delivers it in order, and only then moves the sink's cursor."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence

from waste_edge.device.clock import NS_PER_S, Clock, RetryPolicy, SystemClock, SystemWallClock, WallClock
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.sinks.sink import Attachment, Sink
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.latest import Latest

SINK_RETRY = RetryPolicy(jitter=0.5)
BATCH = 100  # events handed over at once
STOP_S = 0.9  # how long a sink that lingers is waited for at the end
_IDLE_S = 5.0  # how often a sink is asked whether it is reachable while nothing waits
_TEXT_EVERY_S = 600.0  # health that differs in its words only is told so seldom
_LONG_S = 180.0  # a sink that takes longer than this over one batch is said to hang
_PAUSE_S = 5.0  # before work that failed in a way of its own is taken up again


class Delivery:
    """Carries the outbox's events to one sink. Nothing that the sink does, or fails to do, holds the loop up.

    Args:
        outbox: where events wait.
        sink: whom to tell; used in the delivery's thread only, closed there at the end.
        clock: times the back-off.
        wall_clock: for "since 14:02".
        retry: how long to wait after failures.
        latest: figures of the station, for sinks that tell them.
    """

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        clock: Clock | None = None,
        wall_clock: WallClock | None = None,
        retry: RetryPolicy = SINK_RETRY,
        latest: Latest | None = None,
    ) -> None:
        self._sink = sink
        self._clock = clock or SystemClock()
        self._wall_clock = wall_clock or SystemWallClock()
        self._retry = retry
        self._reader = outbox.reader(sink.name)
        self._wake = threading.Event()
        self._stopping = False
        self._started = False
        self._thread = self._new_thread()
        self._busy_since_ns: int | None = None
        self._failures = 0
        self._since = ""
        self._retry_ns = 0
        self._delivered = 0
        self._health: tuple[Condition, ...] | None = None
        self._told_health: tuple[Condition, ...] | None = None
        self._told_ns = 0
        self._condition = Condition(sink.name, Level.OK, "nothing to deliver yet")
        outbox.on_commit(self._wake.set)
        attach = getattr(sink, "attach", None)
        if attach is not None:
            attach(Attachment(self._reader.snapshot, self._wake.set, latest or Latest()))

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    def start(self) -> None:
        """Start the thread."""
        self._started = True
        self._thread.start()

    def stop(self) -> bool:
        """End within a second; False if the sink lingers and was left alone: then its events come again next time."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)
        return not self._thread.is_alive()

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """Hand the station's health to the sink, which is told when it changes. Any thread; never blocks.

        What it is told of itself is how it fares as it is told, never why it could not be told before.
        """
        self._health = tuple(conditions)
        if _levels(self._with_own(self._health)) != _levels(self._told_health):
            self._wake.set()

    def condition(self) -> Condition:
        """Report the sink's condition and restart a dead thread. Call it often, from one thread at a time."""
        if self._started and not self._stopping and not self._thread.is_alive():
            self._thread = self._new_thread()
            self._thread.start()
            return Condition(self._sink.name, Level.BAD, "its thread had ended and was started again; please report it")
        since_ns = self._busy_since_ns
        if since_ns is not None and (busy_s := (self._clock.now_ns() - since_ns) / NS_PER_S) > _LONG_S:
            text = f"hangs since {busy_s / 60:.0f} minutes over one batch; its events wait. Check its disk or network"
            return Condition(self._sink.name, Level.WARN, text)
        return self._condition

    def step(self) -> float:
        """Deliver one batch, if it is time for it.

        Returns:
            Seconds until the next step is worthwhile; 0 if more waits.
        """
        early_s = (self._retry_ns - self._clock.now_ns()) / NS_PER_S
        if early_s > 0:
            return early_s
        self._busy_since_ns = self._clock.now_ns()
        try:
            more = self._deliver()
        except Exception as error:  # noqa: BLE001 - whatever a sink does, its events wait, it is said, and tried again
            return self._failed(error)
        finally:
            self._busy_since_ns = None
        self._failures = 0
        self._condition = self._well()
        return 0.0 if more else _IDLE_S

    def _well(self) -> Condition:
        doubt = getattr(self._sink, "doubt", "")
        if doubt:
            return Condition(self._sink.name, Level.WARN, f"{self._delivered} events delivered; {doubt}")
        return Condition(self._sink.name, Level.OK, f"{self._delivered} events delivered")

    def _deliver(self) -> bool:
        """Hand one batch and any news of health over; whether more waits."""
        records = self._reader.pending(BATCH)
        self._sink.deliver(records)
        if records:
            self._reader.move(records[-1].sequence)
            self._delivered += len(records)
        health = self._with_own(self._health)
        if health is not None and self._is_news(health):
            self._sink.tell_health(health)
            self._told_health, self._told_ns = health, self._clock.now_ns()
        return len(records) == BATCH

    def _with_own(self, health: tuple[Condition, ...] | None) -> tuple[Condition, ...] | None:
        """The conditions, the sink's own as it is when they reach it."""
        return health and tuple(self._well() if one.part == self._sink.name else one for one in health)

    def _is_news(self, health: Sequence[Condition]) -> bool:
        if _levels(health) != _levels(self._told_health):
            return True
        told_s = (self._clock.now_ns() - self._told_ns) / NS_PER_S
        return health != self._told_health and told_s >= _TEXT_EVERY_S

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        if self._failures == 1:
            self._since = self._wall_clock.now_utc().strftime("%H:%M")
        wait_s = self._retry.after(self._failures)
        self._retry_ns = self._clock.now_ns() + round(wait_s * NS_PER_S)
        try:
            waiting = f"{self._reader.waiting()} events wait"
        except Exception:  # noqa: BLE001 - what is said of a failure must not be the next one
            waiting = "events wait"
        why = str(error) if isinstance(error, OSError | sqlite3.Error) else f"internal error: {error!r}"
        text = f"since {self._since} UTC, {waiting}: {why}"
        self._condition = Condition(self._sink.name, Level.WARN, text)
        return wait_s

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=f"sink {self._sink.name}", daemon=True)

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._wake.clear()
                    wait_s = self.step()
                    if not self._stopping:
                        self._clock.sleep(wait_s, self._wake)
                except Exception as error:  # noqa: BLE001 - a thread that ends would end in silence
                    text = f"internal error: {error!r}; goes on, please report it"
                    self._condition = Condition(self._sink.name, Level.BAD, text)
                    self._wake.wait(_PAUSE_S)
            if not self._failures:
                self._last_words()
        finally:
            self._reader.close()
            with contextlib.suppress(Exception):
                self._sink.close()

    def _last_words(self) -> None:
        """Deliver what was committed while the last batch was on its way."""
        try:
            self._deliver()
        except Exception as error:  # noqa: BLE001 - as in `step`
            self._failed(error)


def _levels(conditions: Sequence[Condition] | None) -> object:
    return conditions and {condition.part: condition.level for condition in conditions}
