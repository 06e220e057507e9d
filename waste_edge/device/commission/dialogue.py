"""The dialogue of a commissioning: which item next, what became of it, is it enough; over frames or a folder.

It asks and tells through two functions, so that a terminal, a script and a test hold the same conversation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.capture import Absent, BadPicture, Ended, Failed, Message, Messages, Opened
from waste_edge.device.commission.outcome import Outcome, can_fit, evaluate
from waste_edge.device.commission.place import PlaceCheck, PlaceReport, propose_region
from waste_edge.device.commission.records import Records
from waste_edge.device.commission.shooting import Shutter, Verdict, keep
from waste_edge.device.vision.presence import State
from waste_edge.imaging.frames import Frame
from waste_edge.imaging.preprocess import Region, cut
from waste_edge.site import Site
from waste_edge.taxonomy import UNKNOWN

LEAST_STRANGERS = 4  # things that are none of the labels: two hands, a sleeve, an empty lid
_PATIENCE_S = 0.1
HELP = (
    "type a label (or its beginning) to show that next; + : the same item in another position; u : take the last item "
    "back; s : skip this label; l : the lights were switched, learn the empty view again; f : what is it worth; "
    "d : done; q : stop, and go on another time"
)


@dataclass(frozen=True)
class Note:
    """Message of a dialogue.

    Attributes:
        kind: `place`, `prompt`, `state`, `shot`, `outcome`, `camera`, `help`.
        text: one line for people.
        verdict, outcome, place: what it is about.
    """

    kind: str
    text: str
    verdict: Verdict | None = None
    outcome: Outcome | None = None
    place: PlaceReport | None = None


@dataclass(frozen=True)
class Conversation:
    """The two ends of a dialogue.

    Attributes:
        tell: is given every note.
        ask: what a person has typed since, without waiting; None: nothing.
        script: labels of the items in the order in which they come (`+` repeats the item before); empty: a person is
            there and is asked.
        wanted: items of each label.
        every: so many items between two assessments.
    """

    tell: Callable[[Note], None]
    ask: Callable[[], str | None] = lambda: None
    script: tuple[str, ...] = ()
    wanted: int = 10
    every: int = 6


@dataclass
class _Turn:
    """The label that is being shown, and how."""

    label: str = ""
    again: bool = False
    skipped: set[str] = field(default_factory=set)
    last_item: int = 0
    ended: str = ""
    since: int = 0


class Dialogue:
    """One sitting before a camera or a film.

    Args:
        bundle: that the commissioning starts from.
        site: of the station.
        shutter: the station's eye.
        records: where shots are kept.
        conversation: with whom.
    """

    def __init__(
        self, bundle: Bundle, site: Site, shutter: Shutter, records: Records, conversation: Conversation
    ) -> None:
        self._bundle = bundle
        self._site = site
        self._shutter = shutter
        self._records = records
        self._talk = conversation
        self._turn = _Turn()
        self._script = deque(conversation.script)
        self._place: PlaceCheck | None = PlaceCheck()
        self._state = State.LEARNING
        self._fault = ""

    def hold(self, messages: Messages) -> str:
        """Hold it until a person ends it, all is shown, or the source ends; returns why it ended.

        Raises:
            CameraError: there is no camera, or it was lost.
            UserError: the disk is full.
        """
        while not self._turn.ended:
            message = messages.take(_PATIENCE_S)
            self._listen()
            if not self._turn.ended:
                self._take(message)
        return self._turn.ended

    def _take(self, message: Message | None) -> None:
        match message:
            case Frame():
                self._see(message)
            case Opened(title):
                self._tell("camera", f"looks at {title}")
            case Absent(reason):
                self._tell("camera", reason)
            case BadPicture(reason):
                self._tell("camera", reason)
            case Ended():
                self._turn.ended = "the source ended"
            case Failed(error):
                raise error
            case None:
                pass

    def _see(self, frame: Frame) -> None:
        if self._place is not None and not self._talk.script and not self._place_is_fit(frame):
            return
        taken = self._shutter.see(frame)
        self._say_state()
        if taken is None:
            return
        if not self._turn.label:
            self._next()
            if self._turn.ended:
                return
        again = self._turn.last_item if self._turn.again else 0
        verdict = keep(self._records, taken, self._turn.label, again)
        self._tell_shot(verdict)
        if verdict.item or self._script:
            self._turn.last_item = verdict.item or self._turn.last_item
            self._turn.again, self._turn.label = False, ""
            self._turn.since += 1
            if verdict.item and self._turn.since >= self._talk.every and not self._talk.script:
                self.assess()
            self._next()

    def _place_is_fit(self, frame: Frame) -> bool:
        """Look at the empty view until it has been seen for long enough and is in order; tells what is not."""
        assert self._place is not None
        if not self._place.frames:
            self._tell("prompt", "leave the view empty for a moment (? and Enter: what can be typed)")
        self._place.see(cut(frame.pixels, self._site.region))
        if not self._place.is_enough:
            return False
        report = self._place.report()
        words = (
            "; ".join(report.problems)
            or f"in order (brightness {report.brightness:.0f}, sharpness {report.sharpness:.2f})"
        )
        self._talk.tell(Note("place", f"view: {words}", place=report))
        if report.problems:
            self._place = PlaceCheck()
            return False
        self._place = None
        self._next()
        return True

    def _next(self) -> None:
        """Choose what comes next: of the script, else the label with the fewest items that still lacks some."""
        turn = self._turn
        if self._talk.script:
            if not self._script:
                turn.ended = "all of the script was shown"
                return
            word = self._script.popleft()
            turn.again = word == "+"
            turn.label = self._records.shots[-1].label if turn.again and self._records.shots else word
            return
        lacking = [label for label in self._records.setup.all_labels if label not in turn.skipped]
        lacking = [label for label in lacking if self._records.items(label) < self._talk.wanted]
        if lacking:
            turn.label = min(lacking, key=self._records.items)
        elif UNKNOWN not in turn.skipped and self._records.items(UNKNOWN) < LEAST_STRANGERS:
            turn.label = UNKNOWN
        else:
            turn.ended = "all was shown"
            return
        self._prompt()

    def _prompt(self) -> None:
        label, count = self._turn.label, self._records.items(self._turn.label)
        if self._turn.again:
            self._tell("prompt", f"show the same {label} once more, turned")
        elif label == UNKNOWN:
            self._tell(
                "prompt", f"show a hand, a sleeve, an empty lid, something else ({count + 1} of {LEAST_STRANGERS})"
            )
        else:
            self._tell("prompt", f"show an item of {label.upper()} ({count + 1} of {self._talk.wanted})")

    def _listen(self) -> None:
        """Act on what was typed."""
        typed = self._talk.ask()
        if typed is None:
            return
        word, turn = typed.strip(), self._turn
        if word == "q":
            turn.ended = "stopped; go on another time"
        elif word == "d":
            turn.ended = "done"
        elif word == "f":
            self.assess()
        elif word == "u":
            last = self._records.undo()
            self._tell(
                "shot", "nothing was shown yet" if last is None else f"took back item {last.item} ({last.label})"
            )
            self._next()
        elif word == "s" and turn.label:
            turn.skipped.add(turn.label)
            self._next()
        elif word == "+" and self._records.shots:
            turn.again, turn.label, turn.last_item = True, self._records.shots[-1].label, self._records.shots[-1].item
            self._prompt()
        elif word == "l":
            self._shutter.items.learn_anew()
            self._place = PlaceCheck()
        elif found := self._label(word):
            turn.label, turn.again = found, False
            self._prompt()
        elif word:
            self._tell("help", HELP)

    def _label(self, word: str) -> str:
        """The label that a word begins, if it is one; else an empty string."""
        labels = [*self._records.setup.all_labels, UNKNOWN]
        found = [label for label in labels if word and label.startswith(word)]
        return word if word in labels else (found[0] if len(found) == 1 else "")

    def assess(self) -> Outcome | None:
        """Tell what the head is worth by now; None if nothing can be fitted yet."""
        self._turn.since = 0
        if not can_fit(self._records):
            self._tell("help", "too little was shown to fit a head: 2 items of each of 2 labels at least")
            return None
        outcome = evaluate(self._records, self._bundle, self._site)
        self._talk.tell(Note("outcome", outcome.assessment.verdict, outcome=outcome))
        if region := self.region():
            self._tell("place", f"all items came up in a part of the view; for site.toml: {region_in_words(region)}")
        return outcome

    def region(self) -> Region | None:
        """The proposed region; None where the site states one, or nothing would be gained."""
        return propose_region(self._records.shots) if self._site.region == Region() else None

    def _say_state(self) -> None:
        """Tell once that the camera cannot be trusted, and that an item is to be taken out."""
        fault = self._shutter.items.fault
        text = "" if fault is None else fault.reason
        if text and text != self._fault:
            self._tell("camera", text)
        self._fault = text
        state = self._shutter.items.presence.state
        if state is not self._state and state is State.EMPTY and self._state is State.LEARNING:
            self._tell("state", "the empty view is learned")
        self._state = state

    def _tell_shot(self, verdict: Verdict) -> None:
        text = f"item {verdict.item}: {verdict.label}" if verdict.item else f"not taken, {verdict.reason}"
        self._talk.tell(Note("shot", text, verdict=verdict))

    def _tell(self, kind: str, text: str) -> None:
        self._talk.tell(Note(kind, text))


def region_in_words(region: Region) -> str:
    """A region as a line of a site.toml."""
    return (
        "region = { " + ", ".join(f"{key} = {value:g}" for key, value in msgspec.structs.asdict(region).items()) + " }"
    )


def shots_of(verdicts: Iterator[Verdict], conversation: Conversation) -> int:
    """Tell of every shot of a folder; returns how many were refused."""
    refused = 0
    for verdict in verdicts:
        refused += not verdict.item
        text = f"{verdict.source}: {verdict.reason or f'item {verdict.item}, {verdict.label}'}"
        conversation.tell(Note("shot", text, verdict=verdict))
    return refused
