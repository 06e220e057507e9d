"""Limits of an outbox; apart from it, since a configuration is read before anything heavy is imported."""

from __future__ import annotations

from waste_edge.files.limits import MAX_EVENTS_IN_MEMORY, MAX_OUTBOX_DAYS, MAX_OUTBOX_MB
from waste_edge.files.strict import Strict


class OutboxConfig(Strict, frozen=True):
    """Limits of an outbox.

    Attributes:
        max_age_days: an event goes after so many days of the station running, delivered or not.
        max_mb: the oldest events go beyond this size of the database (its log, at most some 4 MB, comes on top). What
            events leave of it is for features.
        max_events_in_memory: while the disk cannot be written; beyond this the oldest of them are lost.
        features: keep the network's logits and features of each item, by which decisions can be replayed; no picture.
            What is there goes when it is switched off.
    """

    max_age_days: float = 60.0
    max_mb: float = 32.0
    max_events_in_memory: int = 2000
    features: bool = True

    def __post_init__(self) -> None:
        got = f"got {self.max_age_days:g}, {self.max_mb:g} and {self.max_events_in_memory}"
        if not (self.max_age_days > 0 and self.max_mb >= 1 and self.max_events_in_memory >= 1):
            raise ValueError(f"max_age_days must be above 0, max_mb and max_events_in_memory at least 1, {got}")
        most = (MAX_OUTBOX_DAYS, MAX_OUTBOX_MB, MAX_EVENTS_IN_MEMORY)
        if self.max_age_days > most[0] or self.max_mb > most[1] or self.max_events_in_memory > most[2]:
            raise ValueError(
                f"expected max_age_days up to {most[0]} (a hundred years), max_mb up to {most[1]} and "
                f"max_events_in_memory up to {most[2]}, {got}"
            )
