"""Wording that the terminal and the page of a report share: shares, durations, and how sure a figure is."""

from __future__ import annotations

from waste_edge.device.reporting.values import StationReport
from waste_edge.metrics.contamination import Contamination


def percent(share: float | None) -> str:
    """A share in percent with a decimal below ten; a dash if there is none."""
    if share is None:
        return "–"
    return f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"


def interval(found: Contamination) -> str:
    """The interval in words; `not known` if there is none."""
    if found.low is None or found.high is None:
        return "not known"
    return f"{percent(found.low)} to {percent(found.high)}"


def estimate(found: Contamination) -> str:
    """The estimate, marked where it is the model's opinion alone."""
    return f"{percent(found.estimate)}?" if found.basis == "model" else percent(found.estimate)


def duration(seconds: float | None) -> str:
    """A duration for people: `3 min`, `5.2 h`, `2.1 days`; `unknown` without one."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def moment(time_utc: str) -> str:
    """A moment without its seconds: `2026-03-01 14:02`; `unknown` if it is empty."""
    return f"{time_utc[:10]} {time_utc[11:16]}" if time_utc else "unknown"


def title(report: StationReport) -> str:
    """The stations and the period."""
    whose = ", ".join(report.stations) or "no station"
    if not report.from_utc and not report.to_utc:
        return f"{whose}, all that is kept"
    start = f"from {moment(report.from_utc)}" if report.from_utc else "from the beginning"
    return f"{whose}, {start} to {moment(report.to_utc) if report.to_utc else 'now'} UTC"


def audits(found: Contamination) -> str:
    """The answers behind a figure: `3 of 40 wrong`."""
    return f"{found.wrong} wrong of {found.audited}" if found.audited else "none"


OUTAGES = {"board": "board started anew", "program": "program started anew", "camera": "no sight", "gap": "events lost"}

ABOUT_CONTAMINATION = (
    "Contamination: the share of what the station put into a stream by itself that belongs elsewhere. The 95 % "
    "interval comes from the answers to items drawn at random. A figure with a question mark is the model's "
    "own opinion, and it is not known how far that is off."
)
ABOUT_DOWNTIME = (
    "A station writes nothing while nothing happens: a time without records may be a quiet one, and is not downtime. "
    "Starts of board and program are seen between two items, so these times are the longest that they can have been."
)
NO_HEALTH = "No lines of health were read (they stand in the JSON lines): camera faults and troubles are not known."
