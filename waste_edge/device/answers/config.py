"""The table `[answers]` of a station's configuration."""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.files.limits import MAX_EXPIRE_S
from waste_edge.files.strict import Strict

PersonSource = Literal["page", "mqtt", "gpio"]


class AnswersConfig(Strict, frozen=True):
    """The table `[answers]`: people answer what the station asks, if it is there.

    Attributes:
        expire_s: after so many seconds an unanswered question falls to the residual stream.
        audit: share of the items that were decided without a person to ask about too, 0 to 1.
        sources: where answers are taken from.
    """

    expire_s: float = 120.0
    audit: float = 0.0
    sources: tuple[PersonSource, ...] = msgspec.field(default=("page", "mqtt", "gpio"))

    def __post_init__(self) -> None:
        if not 1 <= self.expire_s <= MAX_EXPIRE_S:
            raise ValueError(f"expire_s must be 1 to {MAX_EXPIRE_S} (a day), got {self.expire_s:g}")
        if not 0.0 <= self.audit <= 1.0:
            raise ValueError(f"audit is a share from 0 to 1, got {self.audit:g}")
        if not self.sources or len(set(self.sources)) != len(self.sources):
            raise ValueError("sources: expected some of page, mqtt and gpio, each once")
