"""Figures of a candidate and of a new model in charge, kept in the store so that a restart goes on with them."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections import deque
from pathlib import Path

import msgspec

from waste_edge.device.models.promotion import Tally
from waste_edge.device.models.roles import Entry
from waste_edge.errors import ConfigError, UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.limits import MAX_MODEL_ROLES_BYTES
from waste_edge.files.strict import Strict, read_json, to_json

FIGURES_NAME = "figures.json"
CONFIGURED = "the configured bundle"
_NEWEST = 100  # looks whose median is taken


class Seen(Strict, frozen=True):
    """Items that one model was shown, and its answers to them.

    Attributes:
        items: how many.
        unknown: how many of them it named unknown.
        look_ms: median of its newest looks, in milliseconds; None before the first.
    """

    items: int = 0
    unknown: int = 0
    look_ms: float | None = None

    @property
    def unknown_share(self) -> float:
        """Share of the items that it named unknown; 0 before the first."""
        return self.unknown / self.items if self.items else 0.0

    def __str__(self) -> str:
        look = "" if self.look_ms is None else f", {self.look_ms:.1f} ms a look"
        return f"unknown {self.unknown_share:.0%} of {self.items} items{look}"


class ShadowFigures(Strict, frozen=True):
    """A candidate beside the model in charge, on the same items.

    Attributes:
        candidate, in_charge: digests of the two.
        proposal: number of the change that made the one a candidate: proposed again, it is compared anew.
        by_candidate, by_in_charge: what each made of the items.
        disagreements: items that the two put into different streams.
        tally: the answered items among them, by who was right.
        missed: items that the candidate was not shown, since it was busy.
        failures: how often its process ended or did not answer.
        verdict: of the sequential test, for people.
    """

    candidate: str
    in_charge: str
    by_candidate: Seen = Seen()
    by_in_charge: Seen = Seen()
    disagreements: int = 0
    tally: Tally = Tally()
    missed: int = 0
    failures: int = 0
    verdict: str = ""
    proposal: int = 0

    @property
    def text(self) -> str:
        """One line for people."""
        items = self.by_candidate.items
        differs = f"{items} items shown, {self.disagreements} decided otherwise"
        lost = f", {self.missed} missed" if self.missed else ""
        failed = f", its process failed {self.failures} times" if self.failures else ""
        return f"{differs}{lost}{failed}; {self.by_candidate} (in charge: {self.by_in_charge}); {self.verdict}"


class WatchFigures(Strict, frozen=True):
    """The model in charge, and the one before it while the new one is on probation.

    Attributes:
        digest: of the model in charge; empty for the configured bundle.
        seen: what it made of the items since it took over.
        before: what the one before it had made of its newest items; None if that is not known.
        starts: how often the station was started with it on probation, and has not come through since.
    """

    digest: str
    seen: Seen = Seen()
    before: Seen | None = None
    starts: int = 0

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.seen}" + (f" (before: {self.before})" if self.before is not None else "")


class Figures(Strict, frozen=True):
    """The file."""

    shadow: ShadowFigures | None = None
    watched: WatchFigures | None = None


class Looks:
    """Milliseconds of a model's newest looks."""

    def __init__(self) -> None:
        self._ms: deque[float] = deque(maxlen=_NEWEST)

    def add(self, look_ms: float) -> None:
        """Take one look's milliseconds."""
        self._ms.append(look_ms)

    def median_ms(self) -> float | None:
        """The median; None before the first."""
        return round(statistics.median(self._ms), 2) if self._ms else None

    def __len__(self) -> int:
        return len(self._ms)


def read_figures(folder: Path) -> Figures:
    """Read them; none if there is no file, or it is damaged: the comparison begins anew then."""
    try:
        return read_json(folder / FIGURES_NAME, Figures, MAX_MODEL_ROLES_BYTES)
    except ConfigError:
        return Figures()


def write_figures(folder: Path, figures: Figures) -> None:
    """Keep them; a disk that cannot be written is passed over, since nothing depends on them."""
    if folder.is_dir():
        with contextlib.suppress(UserError):
            write_atomically(folder / FIGURES_NAME, to_json(figures))


def count_start(folder: Path, entry: Entry) -> int:
    """Count a start of the station with a model on probation, before it is loaded; returns the how-manieth in a row."""
    figures = read_figures(folder)
    watched = figures.watched if figures.watched and figures.watched.digest == entry.digest else None
    before = None if figures.watched is None else figures.watched.seen
    watched = watched or WatchFigures(digest=entry.digest, before=before)
    watched = msgspec.structs.replace(watched, starts=watched.starts + 1)
    write_figures(folder, msgspec.structs.replace(figures, watched=watched))
    return watched.starts


def evidence_of_more(count: int, of: int, share: float) -> float:
    """Evidence that something happens more often than with this probability, from 1 for none.

    The mixture likelihood ratio over the larger probabilities, evenly, which is a supermartingale from 1 on as long as
    it does not happen more often (see `promotion.py`); at most 1e300.

    Args:
        count: how often it happened.
        of: in so many trials.
        share: the probability, above 0 and below 1.
    """
    points = [share + (1 - share) * step / 20 for step in range(1, 20)]
    terms = [count * math.log(p / share) + (of - count) * math.log((1 - p) / (1 - share)) for p in points]
    highest = max(terms)
    total = sum(math.exp(term - highest) for term in terms) / len(points)
    return math.exp(min(690.0, highest + math.log(total)))
