"""An eye on the board, the disk and the sinks, in a thread of its own: a question to the firmware may take seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.system.board import Board
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.system.shedding import Shedding, power_condition, temperature_condition

EVERY_S = 5.0
_STOP_S = 0.2  # a board that is just being asked is not waited for
_HANGS_S = 60.0  # a look that takes longer is said to hang: every question of ours has a limit far below it

Check = Callable[[], Condition]


class Housekeeper:
    """Looks around every five seconds, says what it finds to `health`, and sheds load.

    Args:
        health: is told every condition, and how much time to leave between frames.
        board: tells temperature and throttling.
        shedding: the policy.
        checks: further conditions to ask for: the disk's, the outbox's, each sink's.
        told: called with all conditions after each look, for those who pass them on.
        clock: paces the looks.
    """

    def __init__(
        self,
        health: Health,
        board: Board,
        shedding: Shedding,
        checks: Sequence[Check],
        told: Sequence[Callable[[Sequence[Condition]], None]],
        clock: Clock,
    ) -> None:
        self._health = health
        self._board = board
        self._shedding = shedding
        self._checks = checks
        self._told = told
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = self._new_thread()
        self._started_ns = 0
        self._looking_since_ns: int | None = None
        self._asked = ""
        self._parts: dict[int, str] = {}  # what each check spoke of last

    def start(self) -> None:
        """Look at once, then every five seconds."""
        self._started_ns = self._clock.now_ns()
        self._thread.start()
        self._health.watch(self.revive)

    def revive(self) -> None:
        """Say if the thread hangs; start it again if it died, at most every five seconds. For the loop's thread."""
        if self._thread.ident is None or self._stopping.is_set():
            return
        now_ns = self._clock.now_ns()
        if self._thread.is_alive():
            self._say_if_it_hangs(now_ns)
            return
        if now_ns - self._started_ns < EVERY_S * NS_PER_S:
            return
        self._started_ns = now_ns
        self._looking_since_ns = None
        self._thread = self._new_thread()
        self._thread.start()
        text = "its thread had ended and was started again; please report it"
        self._health.set(Condition("housekeeping", Level.BAD, text))

    def _say_if_it_hangs(self, now_ns: int) -> None:
        """A thread that hangs cannot be ended from here, and tells the sinks nothing: this does both in its place."""
        since_ns = self._looking_since_ns
        if since_ns is None or now_ns - since_ns < _HANGS_S * NS_PER_S:
            return
        minutes = int((now_ns - since_ns) / NS_PER_S / 60)
        text = f"hangs since {minutes} min asking about {self._asked}: what is said of the board and sinks is that old"
        self._health.set(Condition("housekeeping", Level.BAD, f"{text}; restart the station if it stays"))
        for tell in self._told:
            tell(self._health.now())

    def stop(self) -> None:
        """End, after the look in hand if it is quick."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def look(self) -> None:
        """One look around."""
        self._asked = "the board"
        readings = self._board.read()
        load = self._shedding.see(readings)
        self._health.least_gap_s = load.min_interval_s
        thresholds = self._shedding.thresholds
        self._health.latest.set(temperature_c=readings.temperature_c)
        self._health.set(load.condition(), temperature_condition(readings, thresholds), power_condition(readings))
        numbered = enumerate(self._checks)
        failed = [error for number, check in numbered if (error := self._checked(number, check)) is not None]
        for tell in self._told:
            tell(self._health.now())
        if failed:
            raise failed[0]

    def _checked(self, number: int, check: Check) -> Exception | None:
        """Ask one; what it fails with must not keep the others from being asked."""
        self._asked = self._parts.get(number, f"check {number + 1}")
        try:
            condition = check()
            self._parts[number] = condition.part
            self._health.set(condition)
        except Exception as error:  # noqa: BLE001 - told by `_run`
            return error
        return None

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._looking_since_ns = self._clock.now_ns()
            try:
                self.look()
                self._health.set(Condition("housekeeping", Level.OK, "looks around"))
            except Exception as error:  # noqa: BLE001 - whatever one look meets, the next one is taken
                self._health.set(Condition("housekeeping", Level.BAD, f"internal error: {error!r}; please report it"))
            self._looking_since_ns = None
            self._clock.sleep(EVERY_S, self._stopping)
