"""The dialogue of a commissioning: which item next, what became of it, is it enough; over frames or a folder.

It asks and tells through two functions, so that a terminal, a page, a script and a test hold the same conversation.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.capture import Absent, BadPicture, Ended, Failed, Message, Messages, Opened
from waste_edge.device.capture.convert import turned_frame
from waste_edge.device.commission.outcome import Outcome, can_fit, evaluate
from waste_edge.device.commission.place import PlaceCheck, PlaceReport
from waste_edge.device.commission.records import Records
from waste_edge.device.commission.shooting import Shutter, Verdict, keep
from waste_edge.device.commission.view import View, region_in_words
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.statistics import Statistics
from waste_edge.device.vision.presence import State
from waste_edge.heads import Incumbent
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.preprocess import cut
from waste_edge.taxonomy import UNKNOWN

LEAST_STRANGERS = 4  # things that are none of the labels: two hands, a sleeve, an empty lid
_PATIENCE_S = 0.1
_ASK_FOR_LIGHTS = (
    "the empty view is learned in this light; if lights are switched here, switch them now, one after the other, with "
    "the view empty, and type l for each"
)
HELP = (
    "type a label (or its beginning) to show that next; + : the same item in another position; u : take the last item "
    "back; s : skip this label; l : the lights were switched, learn the empty view in this light, too; r : turn the "
    "view by a quarter; f : what is it worth; d : done; q : stop, and go on another time"
)


@dataclass(frozen=True)
class Note:
    """Message of a dialogue.

    Attributes:
        kind: `place`, `prompt`, `state`, `shot`, `outcome`, `missing`, `camera`, `help`, `question`, `page`.
        text: one line for people.
        wanted: the label that a prompt asks for.
        verdict, outcome, place: what it is about.
        picture: the view, uint8 (H, W, 3), turned; None: not shown with this note.
    """

    kind: str
    text: str
    wanted: str = ""
    verdict: Verdict | None = None
    outcome: Outcome | None = None
    place: PlaceReport | None = None
    picture: Pixels | None = field(default=None, repr=False, compare=False)


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
        listener: is told of frames and cameras, as that of a running station is.
    """

    tell: Callable[[Note], None]
    ask: Callable[[], str | None] = lambda: None
    script: tuple[str, ...] = ()
    wanted: int = 10
    every: int = 6
    listener: Listener = field(default_factory=Listener)


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
        view: of the station; a person may turn it.
        shutter: the station's eye.
        records: where shots are kept.
        conversation: with whom.
        incumbent: the head of the same networks that is in charge, if there is one.
    """

    def __init__(
        self,
        bundle: Bundle,
        view: View,
        shutter: Shutter,
        records: Records,
        conversation: Conversation,
        incumbent: Incumbent | None = None,
    ) -> None:
        self._bundle = bundle
        self._incumbent = incumbent
        self._view = view
        self._shutter = shutter
        self._records = records
        self._talk = conversation
        self._turn = _Turn()
        self._script = deque(conversation.script)
        self._place: PlaceCheck | None = PlaceCheck()
        self._fault = ""
        self._statistics = Statistics(0)
        self._unshown = True  # the view
        self._light = 0  # the last one that was told of; 0: it is to be told of
        self._empties: dict[int, Pixels] = {}  # whole frames of the empty view, by light; in no file
        self._frame: Frame | None = None
        shutter.items.presence.know_lights(view.lights())

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
        self._keep_lights()
        if lines := self._view.proposed_lines(self._records):
            self._tell("place", f"for site.toml: {'; '.join(lines)}")
        return self._turn.ended

    def _take(self, message: Message | None) -> None:
        if isinstance(message, Opened | Absent | BadPicture):
            self._talk.listener.news(message)
        match message:
            case Frame():
                self._see(turned_frame(message, self._view.rotate))
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
        self._frame = frame
        if self._place is not None and not self._talk.script and not self._place_is_fit(frame):
            self._pass_on(frame)
            return
        taken = self._shutter.see(frame)
        self._pass_on(frame)
        self._say_state()
        self._say_light(frame)
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

    def _pass_on(self, frame: Frame) -> None:
        """Tell the listener of a frame, and of what the station's eye saw in it, if it looked."""
        fault, seen = self._shutter.items.fault, self._shutter.observation
        self._statistics.count_frame(frame.captured_ns, trusted=fault is None)
        state = State.LEARNING if seen is None else seen.state
        prediction = seen.answers[-1] if seen is not None and seen.answers else None
        item = None if seen is None else seen.item
        self._talk.listener.seen(Seen(frame, prediction, state, self._statistics, 0, fault, item))

    def _place_is_fit(self, frame: Frame) -> bool:
        """Look at the empty view until it has been seen for long enough and is in order; tells what is not."""
        assert self._place is not None
        if not self._place.frames:
            self._tell("prompt", "leave the view empty for a moment")
        self._place.see(cut(frame.pixels, self._view.watched.region))
        if not self._place.is_enough:
            return False
        lights = self._shutter.items.presence.known_lights
        report = msgspec.structs.replace(self._place.report(), lights=lights, rotate=self._view.rotate)
        words = (
            "; ".join(report.problems)
            or f"in order (brightness {report.brightness:.0f}, sharpness {report.sharpness:.2f})"
        )
        picture = frame.pixels if self._unshown or not report.problems else None  # once, however often it is refused
        self._unshown = False
        self._talk.tell(Note("place", f"view: {words}", place=report, picture=picture))
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
            text = f"show the same {label} once more, turned"
        elif label == UNKNOWN:
            text = f"show a hand, a sleeve, an empty lid, something else ({count + 1} of {LEAST_STRANGERS})"
        else:
            text = f"show an item of {label.upper()} ({count + 1} of {self._talk.wanted})"
        self._talk.tell(Note("prompt", text, wanted=label))

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
            self._shutter.items.learn_light()
            self._look_again()
        elif word == "r":
            self._turn_view()
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
        outcome = evaluate(self._records, self._bundle, self._view.site, self._incumbent)
        self._talk.tell(Note("outcome", outcome.verdict, outcome=outcome))
        if region := self._view.proposed_region(self._records):
            self._tell("place", f"all items came up in a part of the view; for site.toml: {region_in_words(region)}")
        lights = self._shutter.items.presence.lights
        if len(lights) > 1:
            shown = self._records.items_by_light()
            counts = ", ".join(f"light {number}: {shown.get(number, 0)} items" for number in sorted(lights))
            self._tell("place", f"shown in {counts}; show some in each light that there is at this bin")
        return outcome

    def _look_again(self) -> None:
        """Look at the empty view once more before anything is shown."""
        self._shutter.observation = None
        self._place = PlaceCheck()
        self._light = 0

    def _turn_view(self) -> None:
        """Turn the view by a quarter, clockwise, and learn it so."""
        self._view.turn()
        self._shutter.watch_as(self._view.watched)
        self._shutter.items.presence.know_lights(self._view.lights())
        self._empties.clear()
        self._look_again()
        lines = "; ".join(self._view.proposed_lines(self._records)) or "as site.toml says already"
        shown = sum(1 for shot in self._records.shots if shot.box)
        of = "; what was shown before was seen turned another way: show it again if it lies one way only" * bool(shown)
        picture = None if self._frame is None else turned_frame(self._frame, 90).pixels
        self._talk.tell(Note("state", f"the view is turned; for site.toml: {lines}{of}", picture=picture))

    def _say_light(self, frame: Frame) -> None:
        """Tell once in which light the empty view is seen, and keep it in each for the station."""
        presence = self._shutter.items.presence
        if presence.state is not State.EMPTY:
            return
        known, light = presence.lights, presence.light
        if light not in self._empties:
            self._empties = {one: seen for one, seen in self._empties.items() if one in known} | {light: frame.pixels}
        if light == self._light or self._talk.script:
            return
        self._light = light
        text = f"this is light {light} of {len(known)}" if len(known) > 1 else _ASK_FOR_LIGHTS
        self._tell("state", text)
        self._keep_lights()

    def _keep_lights(self) -> None:
        self._view.keep_lights(self._shutter.items.presence.lights, self._empties, self._records)

    def _say_state(self) -> None:
        """Tell once that the camera cannot be trusted, and that an item is to be taken out."""
        fault = self._shutter.items.fault
        text = "" if fault is None else fault.reason
        if text and text != self._fault:
            self._tell("camera", text)
        self._fault = text

    def _tell_shot(self, verdict: Verdict) -> None:
        text = f"item {verdict.item}: {verdict.label}" if verdict.item else f"not taken, {verdict.reason}"
        if verdict.item and len(self._shutter.items.presence.lights) > 1:
            text += f" (light {verdict.light})"
        self._talk.tell(Note("shot", text, verdict=verdict))

    def _tell(self, kind: str, text: str) -> None:
        self._talk.tell(Note(kind, text))


def confirmed(conversation: Conversation, question: str) -> bool:
    """Ask a person, and wait until one of them says yes or no; a stop is a no."""
    conversation.tell(Note("question", question))
    while True:
        word = (conversation.ask() or "").strip().lower()
        if word in ("y", "yes"):
            return True
        if word in ("n", "no", "q"):
            return False
        if word:
            conversation.tell(Note("help", "y: yes; n: no"))
        time.sleep(_PATIENCE_S)


def shots_of(verdicts: Iterator[Verdict], tell: Callable[[Note], None]) -> int:
    """Tell of every shot of a folder; returns how many were refused."""
    refused = 0
    for verdict in verdicts:
        refused += not verdict.item
        text = f"{verdict.source}: {verdict.reason or f'item {verdict.item}, {verdict.label}'}"
        tell(Note("shot", text, verdict=verdict))
    return refused
