"""Probation: a new model in charge is watched for its first items, and taken back if it does worse than the one before.

Worse is: more items unknown, by more than chance; looks that take longer than the one before's and no longer fit the
board's budget; a network that fails; a station that ends again and again (`in_use.load_model` counts its starts).
"""

from __future__ import annotations

from waste_edge.device.bundle_choice import LEAST_LOOKS
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.models.figures import Looks, Seen, WatchFigures, evidence_of_more
from waste_edge.device.models.in_use import TAKEN_BACK, ModelWish
from waste_edge.device.models.promotion import ALPHA
from waste_edge.device.vision.inspection import BUDGET_MS
from waste_edge.engines.classifier import Prediction
from waste_edge.errors import UserError
from waste_edge.taxonomy import UNKNOWN

LEAST_BEFORE = 20  # items of the model before, by which its unknown share is known
MORE_UNKNOWN = 0.10  # above its share; what another mix of items may well bring
USUAL_UNKNOWN = 0.5  # the share that is assumed where the one before is not known
SLOWER = 1.5  # times the median look of the one before
LEAST_SLOW = 20  # looks that the median is taken of
COMES_THROUGH = 10  # items after which a start no longer counts as one that may end badly


class Watch:
    """Counts what the model in charge makes of the items; used in the loop's thread, read in others.

    Args:
        figures: from before a restart, or empty ones.
    """

    def __init__(self, figures: WatchFigures) -> None:
        self._before = figures
        self._seen = figures.seen
        self._looks = Looks()
        self._decided = 0

    def look(self, prediction: Prediction | None) -> None:
        """Take a look at an item, if the network was asked."""
        if prediction is not None:
            self._looks.add(prediction.latency_ms)

    def decided(self, event: Event) -> None:
        """Take an item; one that the network was not asked about says nothing of it."""
        if event.looks:
            unknown = self._seen.unknown + (event.decision.label == UNKNOWN)
            self._decided += 1
            self._seen = Seen(items=self._seen.items + 1, unknown=unknown, look_ms=self._looks.median_ms())

    @property
    def figures(self) -> WatchFigures:
        """The figures by now."""
        before = self._before
        starts = 0 if self._decided >= COMES_THROUGH else before.starts
        return WatchFigures(digest=before.digest, seen=self._seen, before=before.before, starts=starts)

    @property
    def slow(self) -> bool:
        """Return whether looks take longer than the board has time for, as the median of enough of them says."""
        median_ms = self._looks.median_ms()
        return len(self._looks) >= LEAST_SLOW and median_ms is not None and LEAST_LOOKS * median_ms > BUDGET_MS


def fault_of(watch: Watch) -> str:
    """Explain why a model on probation is to be taken back; empty if it is not."""
    figures = watch.figures
    seen, before = figures.seen, figures.before
    known = before is not None and before.items >= LEAST_BEFORE
    usual = before.unknown_share + MORE_UNKNOWN if before is not None and known else USUAL_UNKNOWN
    if usual < 1 and evidence_of_more(seen.unknown, seen.items, usual) >= 1 / ALPHA:
        than = f"{before.unknown_share:.0%} of the {before.items} before" if before and known else "expected"
        return f"{TAKEN_BACK}: it named {seen.unknown} of {seen.items} items unknown, more than {than}"
    before_ms = before.look_ms if before is not None else None
    if watch.slow and seen.look_ms is not None and (before_ms is None or seen.look_ms > SLOWER * before_ms):
        than = "" if before_ms is None else f", the one before {before_ms:.0f} ms"
        return f"{TAKEN_BACK}: a look takes {seen.look_ms:.0f} ms{than}; {BUDGET_MS:.0f} ms are there for {LEAST_LOOKS}"
    return ""


def take_back_failed(wish: ModelWish, error: Exception) -> bool:
    """Take a model on probation back whose network failed under way.

    Returns:
        Whether another model is in charge now, so that the station can go on with it.
    """
    store = wish.store
    try:
        if store is None or wish.bundle_named or not store.roles().on_probation:
            return False
        store.rollback(f"{TAKEN_BACK}: its network failed: {error}")
    except UserError:
        return False
    return True
