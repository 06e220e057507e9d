"""How the station fares, part by part: any thread says it, the loop passes on what changed."""

from __future__ import annotations

import threading

from waste_edge.device.condition import Condition, Level


class Health:
    """The latest condition of each part.

    Attributes:
        least_gap_s: the least time between two classified frames, while load is shed; 0 otherwise.
    """

    def __init__(self) -> None:
        self.least_gap_s = 0.0
        self._lock = threading.Lock()
        self._conditions: dict[str, Condition] = {}
        self._told: dict[str, tuple[Level, str]] = {}

    def set(self, *conditions: Condition) -> None:
        """Take the place of what was known of these parts."""
        with self._lock:
            for condition in conditions:
                self._conditions[condition.part] = condition

    def now(self) -> tuple[Condition, ...]:
        """Every part's condition, by part."""
        with self._lock:
            return tuple(self._conditions[part] for part in sorted(self._conditions))

    def news(self) -> tuple[Condition, ...]:
        """The conditions whose level or text changed since this was last called; told once each."""
        with self._lock:
            changed = [one for part, one in sorted(self._conditions.items()) if self._told.get(part) != _gist(one)]
            self._told.update({one.part: _gist(one) for one in changed})
        return tuple(changed)


def _gist(condition: Condition) -> tuple[Level, str]:
    return condition.level, condition.text
