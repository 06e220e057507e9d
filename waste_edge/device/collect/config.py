"""The table `[collect]` of a station's configuration."""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.files.limits import MAX_COLLECT_DAYS, MAX_COLLECT_MB
from waste_edge.files.strict import Strict

PART = "collect"  # of health
Reason = Literal["unsure", "asked", "corrected", "audited"]


class CollectConfig(Strict, frozen=True):
    """The table `[collect]`: crops of items are kept below the state folder, if it is there.

    Attributes:
        keep: of which items; `unsure`: called unknown or left to the residual stream; `asked`: a person was asked;
            `corrected`: a person's answer changed the decision; `audited`: drawn at random to be asked about.
        max_days: a crop is deleted after so many days.
        max_mb: beyond this size the oldest are deleted, in millions of bytes.
        format: `jpeg` at quality 95, some 15 kB a crop, or `png`, five times as much and lossless.
    """

    keep: tuple[Reason, ...] = msgspec.field(default=("unsure", "asked", "corrected", "audited"))
    max_days: float = 30.0
    max_mb: float = 200.0
    format: Literal["jpeg", "png"] = "jpeg"

    def __post_init__(self) -> None:
        if not self.keep or len(set(self.keep)) != len(self.keep):
            raise ValueError("keep: expected some of unsure, asked, corrected and audited, each once")
        if not 0 < self.max_days <= MAX_COLLECT_DAYS:
            raise ValueError(f"max_days must be above 0, up to {MAX_COLLECT_DAYS}; got {self.max_days:g}")
        if not 0 < self.max_mb <= MAX_COLLECT_MB:
            raise ValueError(f"max_mb must be above 0, up to {MAX_COLLECT_MB}; got {self.max_mb:g}")
