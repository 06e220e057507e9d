"""Questions to people: which decided items are asked about, and for how long an answer is awaited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from waste_edge.device.decision.item_tracker import Event


def _chance() -> float:
    from random import SystemRandom  # here: most stations audit nothing

    return SystemRandom().random()


@dataclass(frozen=True)
class Asking:
    """Marks the events that ask a person.

    A share of those that were decided without one is asked about too. They are drawn from the system's random source
    alone, whatever the confidence: only so do the answers estimate how often such decisions are right.

    Attributes:
        expire_s: how long an answer is awaited.
        audit: share of the decided items to ask about, 0 to 1.
        chance: gives a random number from 0 up to 1.
    """

    expire_s: float
    audit: float = 0.0
    chance: Callable[[], float] = _chance

    def marked(self, event: Event) -> Event:
        """The event with `expires_s` if it asks, and `audit` if it is one of those drawn."""
        if event.decision.action == "ask":
            return replace(event, expires_s=self.expire_s)
        if self.audit and self.chance() < self.audit:
            return replace(event, expires_s=self.expire_s, audit=True)
        return event
