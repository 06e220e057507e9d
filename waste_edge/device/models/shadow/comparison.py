"""A candidate beside the model in charge: shown the same items, deciding nothing, judged by people's answers.

The loop hands a crop over and goes on; the candidate's network runs in a process of its own, asked by a thread. What it
misses while it is busy is counted, and is no loss to anybody.

An answer counts where the station asked: a question, or an item drawn for audit. What people correct unasked does not:
they see the mistakes of the model in charge alone. `[models] judge_by = "audited"` leaves the questions out, too, which
are asked where the model in charge was unsure.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import msgspec

from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.models.config import JudgedBy
from waste_edge.device.models.figures import Looks, ShadowFigures
from waste_edge.device.models.figures import Seen as SeenItems
from waste_edge.device.models.promotion import Judgement, judge
from waste_edge.device.models.shadow.process import ShadowProcess
from waste_edge.device.vision.inspection import ItemView, Visibility
from waste_edge.errors import EngineError
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import View, cut
from waste_edge.item import crop_item
from waste_edge.site import ASK
from waste_edge.taxonomy import UNKNOWN

WAITING = 8  # items between the loop and the thread
MOST_OPEN = 1000  # items whose answer may still come
MOST_FAILURES = 5  # of the candidate's process; then it is refused
_STOP_S = 1.0


@dataclass(frozen=True, eq=False)
class Shown:
    """An item that the model in charge has decided.

    Attributes:
        id: of its event.
        crop: what the candidate is shown, uint8 (H, W, 3).
        stream: the model in charge's best guess at where it belongs.
        decided: the stream that it decided for.
        unknown: the model in charge named it unknown.
        look_ms: of its newest look, in milliseconds; None if its network was not asked.
        asked: whether, and why, a person is asked about it.
        visibility, parts: how well it was seen.
    """

    id: str
    crop: Pixels
    stream: str
    decided: str
    unknown: bool
    look_ms: float | None
    asked: JudgedBy | None
    visibility: Visibility = Visibility.WELL
    parts: int = 1


@dataclass(frozen=True)
class _Pair:
    """The two models' best guesses at an item's stream, and which of them was right, once that is known."""

    candidate: str
    in_charge: str
    asked: JudgedBy | None
    right: tuple[bool, bool] | None = None


@dataclass(frozen=True)
class Contest:
    """The two models that are compared.

    Attributes:
        policy: decides with the candidate and the site.
        views: of the candidate and of the model in charge: what is cut out of a frame for each.
        judge_by, most_answers: see `ModelsConfig`.
    """

    policy: DecisionPolicy
    views: tuple[View, View]
    judge_by: JudgedBy
    most_answers: int


class Shadow(Listener, ReviewListener):
    """Shows a candidate what the loop decides, and keeps what comes of it.

    Args:
        process: the candidate's.
        contest: how it is judged.
        figures: from before a restart, or empty ones.

    Attributes:
        figures: what came of it so far; replaced as a whole, so that any thread may read it.
        judgement: the newest verdict.
    """

    def __init__(self, process: ShadowProcess, contest: Contest, figures: ShadowFigures) -> None:
        self._process = process
        self._contest = contest
        self._jobs: queue.Queue[Shown | tuple[str, str] | None] = queue.Queue(WAITING)
        self._pairs: OrderedDict[str, _Pair] = OrderedDict()
        self._looks, self._other_looks = Looks(), Looks()
        self._frame: Seen | None = None
        self._look_ms: float | None = None
        self._missed = figures.missed
        self.figures = figures
        self.judgement = judge(figures.tally, contest.most_answers)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def start(self) -> None:
        """Start the thread; the candidate's process starts with the first item."""
        self._thread.start()

    def stop(self) -> None:
        """End the process and the thread, within a second or two."""
        while True:
            try:
                self._jobs.put_nowait(None)
                break
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._jobs.get_nowait()
        self._process.kill()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    # The loop's thread.

    def seen(self, seen: Seen) -> None:
        """See `Listener.seen`."""
        self._frame = seen
        if seen.prediction is not None:
            self._look_ms = seen.prediction.latency_ms

    def decided(self, event: Event) -> None:
        """See `Listener.decided`; never blocks."""
        if event.crop is None or not event.looks:
            return  # its network was not asked, or it was a picture that nobody keeps
        crop, view = self._crop(event)
        decision = event.decision
        best = event.candidates[0].stream if event.candidates else decision.stream
        shown = Shown(
            id=event.id,
            crop=crop,
            stream=best if decision.action == ASK else decision.stream,
            decided=decision.stream,
            unknown=decision.label == UNKNOWN,
            look_ms=self._look_ms,
            asked="audited" if event.audit else "answered" if event.expires_s is not None else None,
            visibility=event.visibility,
            parts=1 if view is None else view.parts,
        )
        self._hand_over(shown)

    def answered(self, item: ReviewedItem) -> None:
        """See `ReviewListener.answered`; never blocks."""
        if item.answered_by_person:
            self._hand_over((item.id, item.stream))

    def _crop(self, event: Event) -> tuple[Pixels, ItemView | None]:
        """The item as the candidate is to see it: cut out anew where its view differs."""
        assert event.crop is not None
        seen, (view, other) = self._frame, self._contest.views
        item = seen.item if seen is not None else None
        if seen is None or item is None or view == other:
            return event.crop, item
        return crop_item(cut(seen.frame.pixels, self._contest.policy.site.region), item.region, view), item

    def _hand_over(self, job: Shown | tuple[str, str]) -> None:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._missed += 1

    # The shadow's own thread.

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                if isinstance(job, Shown):
                    self._show(job)
                else:
                    self._count(*job)
        finally:
            self._process.close()

    def _show(self, shown: Shown) -> None:
        if self.figures.failures >= MOST_FAILURES:
            return
        try:
            looks = self._process.ask(shown.crop)
            decision = self._contest.policy.decide_seen(looks, shown.visibility, shown.parts)
            best = self._contest.policy.candidates(looks)
        except EngineError as error:
            failures = self.figures.failures + 1
            self._note(failures=failures, verdict=f"{error}")
            if failures >= MOST_FAILURES:
                self.judgement = Judgement("refuse", 0.0, 0.0, f"its process failed {failures} times: {error}")
            return
        for look in looks:
            self._looks.add(look.latency_ms)
        if shown.look_ms is not None:
            self._other_looks.add(shown.look_ms)
        figures = self.figures
        self._note(
            by_candidate=_with(figures.by_candidate, decision.label == UNKNOWN, self._looks),
            by_in_charge=_with(figures.by_in_charge, shown.unknown, self._other_looks),
            disagreements=figures.disagreements + (decision.stream != shown.decided),
            verdict=self.judgement.reason,
        )
        guess = best[0].stream if best and decision.action == ASK else decision.stream
        self._pairs[shown.id] = _Pair(guess, shown.stream, shown.asked)
        while len(self._pairs) > MOST_OPEN:
            self._pairs.popitem(last=False)

    def _count(self, item_id: str, stream: str) -> None:
        """Take an answer: the newest one to an item counts."""
        pair, contest = self._pairs.get(item_id), self._contest
        if pair is None or pair.asked is None or (contest.judge_by == "audited" and pair.asked != "audited"):
            return
        tally, right = self.figures.tally, (pair.candidate == stream, pair.in_charge == stream)
        if pair.right is not None:
            tally = tally.with_pair(*pair.right, count=-1)
        tally = tally.with_pair(*right)
        self._pairs[item_id] = replace(pair, right=right)
        self.judgement = judge(tally, contest.most_answers)
        self._note(tally=tally, verdict=self.judgement.reason)

    def _note(self, **changes: object) -> None:
        self.figures = msgspec.structs.replace(self.figures, missed=self._missed, **changes)


def _with(seen: SeenItems, unknown: bool, looks: Looks) -> SeenItems:
    return SeenItems(items=seen.items + 1, unknown=seen.unknown + unknown, look_ms=looks.median_ms())
