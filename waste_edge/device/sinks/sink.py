"""Sink protocol. A new sink is one file beside this: its `…Config`, its class, and a function that builds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from waste_edge.device.outbox.record import Record
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import UserError


class SinkError(UserError, OSError):
    """A sink cannot take what it is given now; the same events come again later."""


class Sink(Protocol):
    """Receiver of events. All methods are called in one thread of the sink's own, and may block there."""

    @property
    def name(self) -> str:
        """One word of small letters and dashes; its cursor in the outbox and its condition go by it."""
        ...

    def deliver(self, records: Sequence[Record]) -> None:
        """Take events, in order; on return they are safe there. The same ones may come again after a crash.

        An empty sequence comes at the start and while nothing happens: be reachable, and raise if not.

        Raises:
            SinkError: not all were taken; any OSError means the same.
        """
        ...

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """Take the state of the station's parts; only the newest matters. Raises as `deliver` does."""
        ...

    def close(self) -> None:
        """Say goodbye; raises nothing."""
        ...

    def probe(self) -> str:
        """Test for `doctor`, beside a station that may be running, whether events could be taken. Leaves no trace.

        Returns:
            Where they go, in words.

        Raises:
            SinkError: not now; the message says why.
        """
        ...


def worst(conditions: Sequence[Condition]) -> Level:
    """The worst level among them; ok if there are none."""
    order = list(Level)
    return max((condition.level for condition in conditions), key=order.index, default=Level.OK)
