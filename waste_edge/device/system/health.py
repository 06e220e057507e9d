"""Health of the station, part by part: any thread reports, the loop passes on what changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.latest import Latest

_WORDS_NS = 60 * NS_PER_S  # a part that stays unwell in other words is told so seldom


class Health:
    """The latest condition of each part.

    Attributes:
        least_gap_s: the least time between two frames that are looked at, while load is shed; 0 otherwise.
        latest: numbers and a picture beside the conditions.
    """

    def __init__(self) -> None:
        self.least_gap_s = 0.0
        self.latest = Latest()
        self._lock = threading.Lock()
        self._conditions: dict[str, Condition] = {}
        self._told: dict[str, tuple[Condition, int]] = {}  # and when
        self._watched: list[Callable[[], None]] = []
        self._unsettled = False  # something was set since it was last looked through, or a part is unwell

    def set(self, *conditions: Condition) -> None:
        """Take the place of what was known of these parts."""
        with self._lock:
            for condition in conditions:
                self._conditions[condition.part] = condition
            self._unsettled = True

    def announce(self, condition: Condition) -> None:
        """Take the place of what was known of this part, and be news even if it is much like what was told.

        For the thread that calls `news`.
        """
        self.set(condition)
        self._told.pop(condition.part, None)

    def watch(self, look: Callable[[], None]) -> None:
        """Register `look`, called at every `news`, in the thread that calls it: to see whether a thread lives."""
        self._watched.append(look)

    def forget(self) -> None:
        """Know nothing of any part and watch none, before all is put together anew; what was told stays told."""
        self._watched.clear()
        with self._lock:
            self._conditions.clear()
            self._unsettled = True
        self.least_gap_s = 0.0

    def now(self) -> tuple[Condition, ...]:
        """Every part's condition, by part."""
        with self._lock:
            return tuple(self._conditions[part] for part in sorted(self._conditions))

    def news(self, now_ns: int) -> tuple[Condition, ...]:
        """The parts that became unwell, well again, worse or better since this was last called.

        A part that is well from the beginning is no news.
        """
        for look in self._watched:
            look()
        if not self._unsettled:
            return ()  # nearly always: this is asked after every frame
        with self._lock:
            now = [self._conditions[part] for part in sorted(self._conditions)]
            self._unsettled = any(condition.level is not Level.OK for condition in now)
        changed = tuple(condition for condition in now if self._is_news(condition, now_ns))
        self._told.update({condition.part: (condition, now_ns) for condition in changed})
        return changed

    def _is_news(self, condition: Condition, now_ns: int) -> bool:
        told, told_ns = self._told.get(condition.part, (None, 0))
        if condition.level is not (told.level if told else Level.OK):
            return True
        if told is None or condition.level is Level.OK:
            return False
        return condition.text != told.text and now_ns - told_ns >= _WORDS_NS
