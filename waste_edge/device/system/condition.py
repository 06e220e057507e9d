"""Condition of a part of the station, the common value of health, sinks and `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LOOKING = "looking at "  # so begins the text of a camera whose frames can be trusted; a report goes by it


class Level(StrEnum):
    """Level of a condition, from well to broken."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Condition:
    """Condition of one part.

    Attributes:
        part: which, e.g. `camera`, `disk`, `temperature`; one word of small letters and dashes.
        level: how bad.
        text: one line for people: what was found and, unless it is well, the remedy.
    """

    part: str
    level: Level
    text: str
