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
    """A camera over a tray, into which items are put: frames as the loop's messages.

    Attributes:
        number: of frames so far.
        lamp: on, it lights half of the view, with an edge across the tray.
        quarters: by which the camera hangs turned, counter-clockwise.
        empty_s: how long nothing lies there before the first item.
    """

    dropped_frames = 0
    abandoned = 0

    def __init__(self, *items: Pixels) -> None:
        self._messages = self._frames(items)
        self.number = 0
        self.lamp = False
        self.quarters = 0
        self.empty_s = 2.0

    def _frames(self, items: tuple[Pixels, ...]) -> Iterator[Message]:
        yield Absent("no camera yet", 1.0)
        yield from self._hold(None, self.empty_s)
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
        if self.lamp:
            frame[:, 190:] = (frame[:, 190:] * 1.6).clip(0, 255).astype(np.uint8)
        frame = np.rot90(frame, self.quarters)
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


# --- turning the view -------------------------------------------------------------------------------------------


def test_a_turned_view_is_shown_learned_and_proposed(session: Session) -> None:
    film, typed = Film(picture("red", 1, 96)), []
    film.quarters, film.empty_s = 1, 4.0

    def ask() -> str | None:
        if film.number == 12 and not typed:
            typed.append("r")
            return "r"
        return None

    notes, _ = held(session, film, ask=ask, wanted=2)
    (turned,) = [note for note in notes if note.picture is not None and note.kind == "state"]
    assert turned.text == "the view is turned; for site.toml: rotate = 90"
    assert turned.picture is not None
    assert turned.picture.shape == (240, 320, 3), "the camera's are 320 high"
    places = [note.place for note in notes if note.place is not None]
    assert [place.rotate for place in places] == [0, 90]
    assert [note.picture.shape for note in notes if note.kind == "place" and note.picture is not None] == [
        (320, 240, 3), (240, 320, 3),
    ]  # fmt: skip
    assert texts(notes, "place")[-1] == "for site.toml: rotate = 90"
    (shot, _) = session.records.shots
    assert shot.rotate == 90
    np.testing.assert_allclose(shot.box, [120 / 320, 70 / 240, 216 / 320, 166 / 240], atol=0.03)


def test_a_view_turned_before_is_gone_on_with(session: Session) -> None:
    session.view.turn()
    film = Film(picture("red", 1, 96))
    film.quarters = 1
    notes, _ = held(session, film, wanted=2)
    assert session.records.shots[0].box[0] == pytest.approx(120 / 320, abs=0.03)
    assert texts(notes, "place")[-1] == "for site.toml: rotate = 90"


# --- several lights ---------------------------------------------------------------------------------------------


class Lamps(Film):
    """A film in which the lamp is switched, and `l` typed, before the first item; and switched between the items."""

    def __init__(self, *items: Pixels) -> None:
        super().__init__(*items)
        self.typed: list[str] = []

    def _frames(self, items: tuple[Pixels, ...]) -> Iterator[Message]:
        yield from self._hold(None, 3.0)
        self.lamp = True
        self.typed.append("l")
        yield from self._hold(None, 3.0)
        for item in items:
            yield from self._hold(item, 2.0)
            yield from self._hold(None, 1.5)
            self.lamp = not self.lamp
            yield from self._hold(None, 3.0)
        yield Ended()

    def ask(self) -> str | None:
        return self.typed.pop() if self.typed else None


def test_items_are_shown_in_each_learned_light_and_a_switch_is_none(session: Session) -> None:
    film = Lamps(*(picture(("red", "blue")[number % 2], number, 96) for number in range(4)))
    notes, _ = held(session, film, ask=film.ask, wanted=3)
    assert texts(notes, "shot") == [
        "item 1: blue (light 2)", "item 2: green (light 1)", "item 3: red (light 2)", "item 4: blue (light 1)",
    ]  # fmt: skip
    assert [shot.light for shot in session.records.shots[::2]] == [2, 1, 2, 1]
    for shot in session.records.shots:
        np.testing.assert_allclose(shot.box, [120 / 320, 70 / 240, 216 / 320, 166 / 240], atol=0.03)
    states = texts(notes, "state")
    assert "switch them now, one after the other, with the view empty, and type l for each" in states[0]
    assert states[1:] == ["this is light 2 of 2", "this is light 1 of 2"] * 2 + ["this is light 2 of 2"]
    assert [note.place.lights for note in notes if note.place is not None] == [0, 1]
    assert sorted(session.view.lights()) == [1, 2], "for the station"


def test_lights_of_an_earlier_sitting_keep_their_numbers(session: Session) -> None:
    first = Lamps(picture("red", 1, 96))
    held(session, first, ask=first.ask, wanted=3)
    film = Film(picture("red", 2, 96))
    film.lamp = True
    notes, _ = held(session, film, wanted=3)
    assert texts(notes, "state")[0] == "this is light 2 of 2"
    assert texts(notes, "shot") == ["item 2: green (light 2)"]


def test_it_says_how_many_items_each_light_has_seen(session: Session) -> None:
    film = Lamps(*(picture(("red", "blue")[number % 2], number, 96) for number in range(5)))
    notes, _ = held(session, film, ask=film.ask, wanted=3, every=5)
    assert session.records.items_by_light() == {1: 2, 2: 3}
    counted = [text for text in texts(notes, "place") if text.startswith("shown in light")]
    assert counted == ["shown in light 1: 2 items, light 2: 3 items; show some in each light that there is at this bin"]
