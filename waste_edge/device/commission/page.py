"""The dialogue of a commissioning in a browser: the page of the station, with other contents.

A second front end, not a second dialogue: the page shows the notes that the terminal prints, and each of its buttons
stands for a line that could be typed there. Server, token and live view are those of `device/page`.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from waste_edge import __version__
from waste_edge.device.clock import NS_PER_S, Clock, SystemClock, SystemWallClock
from waste_edge.device.commission.dialogue import LEAST_STRANGERS, Note
from waste_edge.device.commission.session import Session
from waste_edge.device.config import sink_tables
from waste_edge.device.page.config import PageConfig, read_token
from waste_edge.device.page.link import PageLink
from waste_edge.device.page.listener import PageListener
from waste_edge.device.page.packets import PageOrder
from waste_edge.device.page.process import PageProcess
from waste_edge.device.page.state import CameraView
from waste_edge.device.sinks.sink import SinkConfig
from waste_edge.device.system.health import Health
from waste_edge.errors import UserError
from waste_edge.files.strict import Strict
from waste_edge.imaging.preprocess import Region
from waste_edge.taxonomy import UNKNOWN

_MOST_NOTES = 30
_MOST_LETTERS = 500  # of one note
_MOST_TYPED = 16  # clicks that the dialogue has not taken up yet
_GOODBYE_S = 3.0  # in which browsers that look fetch how it ended


class ShownLabel(Strict, frozen=True):
    """A label, how many items of it were shown, and how many are wanted."""

    label: str
    items: int
    wanted: int


class ShownNote(Strict, frozen=True):
    """A note of the dialogue, see `dialogue.Note`; `number` from 1, `well`: the shot was taken, the view is fit."""

    number: int
    kind: str
    text: str
    well: bool | None = None


class CommissionState(Strict, frozen=True):
    """All that the page of a commissioning shows.

    Attributes:
        mode: `look`: nothing can be pressed (a script, a folder, a fit); `talk`: buttons are taken; `question`: yes
            or no is awaited; `ended`.
        prompt, wanted: what is asked for now, and the label; empty before the first.
        labels: counts, those of things that are none of the labels last.
        notes: the newest, oldest first.
        outcome: the newest assessment with `verdict` and `better`; None before the first.
        missing: what to know before the head is installed, from the last fit.
        region: proposed, in shares of the frame; None if there is none.
        proposed: lines for site.toml: `rotate`, where a person turned the view, and `region`.
        ended: how it ended; empty while it goes on.
    """

    station: str
    version: str
    bundle: str
    mode: str
    prompt: str
    wanted: str
    labels: list[ShownLabel]
    notes: list[ShownNote]
    camera: CameraView
    scene: str
    outcome: dict[str, Any] | None = None
    missing: list[str] = msgspec.field(default_factory=list)
    region: Region | None = None
    proposed: list[str] = msgspec.field(default_factory=list)
    ended: str = ""


class Typed(Strict, frozen=True):
    """A button that was pressed: the line that it stands for."""

    typed: str


class CommissionPage:
    """State of the page, and what was pressed there. The dialogue tells it in its thread; the link's thread reads.

    Args:
        session: that is shown.
        wanted: items of each label.
        clock: of the listener.
        live_fps: pictures a second of the live view.

    Attributes:
        listener: of frames, for the dialogue.
        health: of the page alone.
        takes_words: the dialogue asks a person; otherwise buttons are answered only by a question.
    """

    state_every_ns = NS_PER_S // 5

    def __init__(self, session: Session, wanted: int, clock: Clock, live_fps: float) -> None:
        self.listener = PageListener(clock, SystemWallClock(), 1, live_fps)
        self.health = Health()
        self.takes_words = False
        self._session, self._wanted, self._clock = session, wanted, clock
        self._typed: deque[str] = deque()
        self._notes: deque[ShownNote] = deque(maxlen=_MOST_NOTES)
        self._number = 0
        self._missing: list[str] = []
        self._state = self._composed(mode="look", prompt="", wanted="", notes=[])

    def tell(self, note: Note) -> None:
        """Show a note, and what was shown of each label by now. For the dialogue's thread."""
        self._number += 1
        well = None if note.place is None else not note.place.problems
        well = well if note.verdict is None else note.verdict.item > 0
        self._notes.append(ShownNote(self._number, note.kind, note.text[:_MOST_LETTERS], well))
        changes: dict[str, Any] = {} if note.kind == "help" else {"mode": "talk" if self.takes_words else "look"}
        if note.kind == "prompt":
            changes |= {"prompt": note.text, "wanted": note.wanted}
        elif note.kind == "question":
            changes |= {"mode": "question", "prompt": note.text, "wanted": ""}
            self._typed.clear()  # what was pressed before is no answer to it
        elif note.kind == "missing":
            self._missing = [*self._missing, note.text[:_MOST_LETTERS]]
        if note.outcome is not None:
            outcome, self._missing = note.outcome, []
            told: dict[str, Any] = msgspec.to_builtins(outcome.assessment)
            changes["outcome"] = told | {"verdict": outcome.verdict, "better": outcome.better}
        self._renew(**changes)

    def end(self, text: str) -> None:
        """Show how it ended; nothing is taken any more."""
        self._renew(mode="ended", ended=text[:_MOST_LETTERS])

    @property
    def ended(self) -> str:
        """Last words of the commissioning; empty while it goes on."""
        return self._state.ended

    def news(self) -> list[str]:
        """News of the page: that it cannot be served, or is again. For the dialogue's thread, often."""
        return [f"page: {condition.text}" for condition in self.health.news(self._clock.now_ns())]

    def ask(self) -> str | None:
        """The next line that a button stands for, if one was pressed. For the dialogue's thread."""
        return self._typed.popleft() if self._typed else None

    def answer(self, command: bytes, done: Callable[[str], None]) -> None:
        """Take up what was pressed; `done` is told what is wrong with it, or nothing. For the link's thread."""
        try:
            typed = msgspec.json.decode(command, type=Typed).typed
        except (msgspec.DecodeError, ValueError) as error:
            done(f"no line: {error}")
            return
        if self._state.mode == "ended":
            done(f"the commissioning has ended: {self._state.ended}")
        elif self._state.mode == "look":
            done("nothing is asked at the moment")
        elif len(self._typed) >= _MOST_TYPED:
            done("too much at once: what was pressed before is still waiting")
        else:
            self._typed.append(typed)
            done("")

    def state(self, page_starts: int) -> bytes:
        """The state as JSON, with the newest of the camera. For the link's thread."""
        listener = self.listener
        return msgspec.json.encode(msgspec.structs.replace(self._state, camera=listener.camera, scene=listener.scene))

    def say_goodbye(self) -> None:
        """Let browsers that look fetch how it ended, before the page goes."""
        if self.listener.watched_until_ns > self._clock.now_ns():
            self._clock.sleep(_GOODBYE_S)

    def _renew(self, **changes: Any) -> None:
        state = self._state
        kept = {name: getattr(state, name) for name in ("mode", "prompt", "wanted", "outcome", "ended")}
        self._state = self._composed(**(kept | {"notes": list(self._notes), "missing": self._missing} | changes))
        self.listener.wake()

    def _composed(self, **fields: Any) -> CommissionState:
        records, session = self._session.records, self._session
        labels = [ShownLabel(label, records.items(label), self._wanted) for label in records.setup.all_labels]
        return CommissionState(
            station=session.config.name,
            version=__version__,
            bundle=records.setup.bundle,
            labels=[*labels, ShownLabel(UNKNOWN, records.items(UNKNOWN), LEAST_STRANGERS)],
            region=session.view.proposed_region(records),
            proposed=session.view.proposed_lines(records),
            camera=self.listener.camera,
            scene="",
            **fields,
        )


@contextlib.contextmanager
def opened_page(
    config: PageConfig, session: Session, wanted: int, hidden: Sequence[Path] = ()
) -> Iterator[CommissionPage]:
    """The page for as long as the block lasts; how the block ends is shown to whoever looks.

    Args:
        config: where it listens, and its token.
        session: that is shown.
        wanted: items of each label.
        hidden: files that its process must not see, beside the state folder and the secrets of the configuration.

    Raises:
        ConfigError: see `page.config.read_token`.
    """
    clock = SystemClock()
    page = CommissionPage(session, wanted, clock, config.live_fps)
    tables: list[SinkConfig | PageConfig] = [*sink_tables(session.config).values(), config]
    secret = [session.state, *hidden, *(Path(name) for table in tables for name in table.secret_files())]
    order = PageOrder(
        host=config.host,
        port=config.port,
        token=read_token(config),
        names=config.names,
        hidden=[str(path.absolute()) for path in secret],
        shown=[],
        items=1,
        shows="commission",
    )
    start = partial(PageProcess, order, [name for table in tables for name in table.secret_variables()])
    link = PageLink((page.listener, page), page.health, clock, start, 1, page.answer)
    try:
        link.start()
        yield page
    except UserError as error:
        page.end(str(error))
        raise
    finally:
        if page.ended:
            page.say_goodbye()
        link.stop()
