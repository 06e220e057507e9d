"""The dialogue before a camera: what is asked for, what is refused, how it goes on and ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.device.commission.pictures import picture
from waste_edge.device.capture import Absent, Ended, Message
from waste_edge.device.commission.dialogue import Conversation, Dialogue, Note
from waste_edge.device.commission.session import Session
from waste_edge.imaging.frames import Frame, Pixels

FPS = 10


def tray() -> Pixels:
    grey = np.random.default_rng(1).integers(110, 150, (12, 16, 1))
    return np.asarray(grey.repeat(20, axis=0).repeat(20, axis=1).repeat(3, axis=2), np.uint8)


class Film:
    """A camera over a tray, into which items are put: frames as the loop's messages."""

    dropped_frames = 0
    abandoned = 0

    def __init__(self, *items: Pixels) -> None:
        self._messages = self._frames(items)
        self.number = 0

    def _frames(self, items: tuple[Pixels, ...]) -> Iterator[Message]:
        yield Absent("no camera yet", 1.0)
        yield from self._hold(None, 2.0)
        for item in items:
            for left in (0, 40, 80, 110):
                yield self._frame(item, left)
            yield from self._hold(item, 1.5)
            for left in (80, 40, 0):
                yield self._frame(item, left)
            yield from self._hold(None, 1.2)
        yield Ended()

    def _hold(self, item: Pixels | None, seconds: float) -> Iterator[Message]:
        for _ in range(round(seconds * FPS)):
            yield self._frame(item, 120)

    def _frame(self, item: Pixels | None, left: int) -> Frame:
        frame = tray()
        if item is not None:
            frame[70 : 70 + item.shape[0], left : left + item.shape[1]] = item
        noise = np.random.default_rng(self.number).normal(0, 1.5, frame.shape)
        self.number += 1
        return Frame((frame + noise).clip(0, 255).astype(np.uint8), round(self.number / FPS * 1e9))

    def take(self, timeout_s: float) -> Message | None:
        return next(self._messages)

    def close(self) -> None:
        """Nothing is held open."""


def held(session: Session, film: Film, **talk: object) -> tuple[list[Note], str]:
    notes: list[Note] = []
    conversation = Conversation(notes.append, **talk)  # type: ignore[arg-type]
    shutter = session.shutter(live=False)
    ended = Dialogue(session.bundle, session.view, shutter, session.records, conversation).hold(film)
    return notes, ended


def texts(notes: list[Note], kind: str) -> list[str]:
    return [note.text for note in notes if note.kind == kind]


def test_a_script_names_the_items_of_a_film(session: Session) -> None:
    film = Film(*(picture("red", number, 96) for number in range(3)), picture("blue", 1, 96))
    notes, ended = held(session, film, script=("red", "+", "green", "unknown"))
    assert ended == "all of the script was shown"
    assert [(shot.label, shot.item) for shot in session.records.shots[::2]] == [
        ("red", 1), ("red", 1), ("green", 2), ("unknown", 3),
    ]  # fmt: skip
    assert len(session.records.shots) == 8, "two looks at each"
    assert all(len(shot.box) == 4 for shot in session.records.shots)
    assert texts(notes, "camera") == ["no camera yet"]


def test_a_person_is_asked_label_after_label(session: Session) -> None:
    notes, ended = held(session, Film(*(picture("red", number, 96) for number in range(4))), wanted=2, every=3)
    assert texts(notes, "place")[0].startswith("view: in order")
    assert texts(notes, "prompt")[1:5] == [
        "show an item of BLUE (1 of 2)",
        "show an item of GREEN (1 of 2)",
        "show an item of RED (1 of 2)",
        "show an item of BLUE (2 of 2)",
    ]
    assert ended == "the source ended"
    assert texts(notes, "help") == ["too little was shown to fit a head: 2 items of each of 2 labels at least"]


def test_a_shown_twice_item_is_refused_and_asked_for_again(session: Session) -> None:
    one = picture("red", 1, 96)
    notes, _ = held(session, Film(one, one, picture("red", 2, 96)), wanted=2)
    shots = texts(notes, "shot")
    assert shots[0] == "item 1: blue"
    assert "a near-copy of item 1" in shots[1]
    assert shots[2] == "item 2: green", "the refused one leaves the label to be shown"


@pytest.mark.parametrize(
    ("typed", "labels", "ended"),
    [
        (["blue", "q"], [], "stopped; go on another time"),
        (["d"], [], "done"),
        (["nonsense", "f", "re", None], ["red"], "the source ended"),
        (["s", None], ["green"], "the source ended"),
    ],
)
def test_what_a_person_types(session: Session, typed: list[str | None], labels: list[str], ended: str) -> None:
    words = iter(typed)
    started: list[int] = []

    def ask() -> str | None:
        film.number and started.append(film.number)
        return next(words, None) if len(started) > 12 else None

    film = Film(picture("red", 1, 96))
    notes, why = held(session, film, ask=ask, wanted=2)
    assert why == ended
    assert [shot.label for shot in session.records.shots[::2]] == labels
    if "nonsense" in typed:
        assert len(texts(notes, "help")) == 2


def test_the_last_item_is_taken_back(session: Session) -> None:
    answered = []

    def ask() -> str | None:
        if session.records.shots and not answered:
            answered.append(True)
            return "u"
        return None

    notes, _ = held(session, Film(picture("red", 1, 96)), ask=ask, wanted=2)
    assert "took back item 1 (blue)" in texts(notes, "shot")
    assert session.records.shots == []
