"""Both ends of a commissioning's dialogue, terminal and page: notes go to both, lines come from both."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from waste_edge.cli.common import say, say_json

if TYPE_CHECKING:
    from waste_edge.device.commission.dialogue import Conversation, Note
    from waste_edge.device.commission.outcome import Outcome
    from waste_edge.device.commission.page import CommissionPage
    from waste_edge.imaging.frames import Pixels

_MOST_LINES = 20  # of a picture in the terminal


@dataclass(frozen=True)
class Talk:
    """Terminal and page of one commissioning.

    Attributes:
        tell: text or JSON lines at the terminal.
        script: labels of `--show`; empty: a person is asked.
        wanted: items of each label.
        page: None without `--page`.
    """

    tell: Text | Json
    script: tuple[str, ...]
    wanted: int
    page: CommissionPage | None = None
    keys: Keys = field(default_factory=lambda: Keys())

    @contextlib.contextmanager
    def held(self) -> Iterator[Conversation]:
        """The conversation of a dialogue over frames; beside a script nothing is typed or pressed."""
        from waste_edge.device.commission.dialogue import Conversation
        from waste_edge.device.loop import Listener

        ask = self._tend if self.script else self.hear
        listener = Listener() if self.page is None else self.page.listener
        if self.page is not None:
            self.page.takes_words = not self.script
        yield Conversation(self.say, ask, self.script, self.wanted, listener=listener)
        if self.page is not None:
            self.page.takes_words = False

    def say(self, note: Note) -> None:
        """Tell a note at both ends."""
        self.tell(note)
        if self.page is not None:
            self.page.tell(note)

    def hear(self) -> str | None:
        """The next line that was typed or pressed, without waiting."""
        self._tend()
        typed = self.keys.typed()
        return self.page.ask() if typed is None and self.page is not None else typed

    def confirmed(self, question: str) -> bool:
        """Ask at both ends whether to do something; the first answer counts."""
        from waste_edge.device.commission.dialogue import Conversation, confirmed

        return typer.confirm(question) if self.page is None else confirmed(Conversation(self.say, self.hear), question)

    def end(self, text: str, fields: dict[str, Any]) -> None:
        """Say how it ended."""
        self.tell.end(text, fields)
        if self.page is not None:
            self.page.end(text)

    def _tend(self) -> None:
        """Say at the terminal how the page fares, if that is news."""
        from waste_edge.device.commission.dialogue import Note

        for text in () if self.page is None else self.page.news():
            self.tell(Note("page", text))


class Keys:
    """Lines that a person types, without waiting for them."""

    def typed(self) -> str | None:
        """The next whole line, if there is one."""
        import select

        try:
            ready, _, _ = select.select([sys.stdin], [], [], 0)
            line = sys.stdin.readline() if ready else ""
        except (OSError, ValueError):  # closed, or no file at all
            return None
        return line if line else None


class Text:
    """Notes as lines for people."""

    def __call__(self, note: Note) -> None:
        marks = {"prompt": "→", "shot": "  ", "camera": "!", "missing": "•", "question": "?"}
        ends = {"prompt": "" if note.wanted else " (? and Enter: what can be typed)", "question": " y or n"}
        if note.verdict is not None:
            mark = "✓" if note.verdict.item else "✗"
            say(f"  {mark} {note.text}")
            return
        if note.outcome is not None:
            for line in _table(note.outcome):
                say(line)
        if note.picture is not None and sys.stdout.isatty():
            _show(note.picture)
        say(f"{marks.get(note.kind, ' ')} {note.text}{ends.get(note.kind, '')}".strip())

    def end(self, text: str, fields: dict[str, Any]) -> None:
        """Say how it ended."""
        say(text)


class Json:
    """Notes as JSON lines."""

    def __call__(self, note: Note) -> None:
        from waste_edge.files.strict import encode_json

        line: dict[str, Any] = {"event": note.kind, "text": note.text}
        if note.wanted:
            line["wanted"] = note.wanted
        if note.verdict is not None:
            verdict = note.verdict
            line |= {"label": verdict.label, "item": verdict.item, "reason": verdict.reason, "source": verdict.source}
            line |= {"light": verdict.light} if verdict.light else {}
        if note.outcome is not None:
            outcome = note.outcome
            line |= {"better": outcome.better, "assessment": outcome.assessment}
            line |= {"comparison": outcome.comparison} if outcome.comparison is not None else {}
        if note.place is not None:
            line |= {"view": note.place}
        say_json(encode_json(line).decode())

    def end(self, text: str, fields: dict[str, Any]) -> None:
        """Say how it ended."""
        from waste_edge.files.strict import encode_json

        say_json(encode_json({"event": "ended", "text": text, **fields}).decode())


def _show(pixels: Pixels) -> None:
    """A picture in a terminal, at most half as wide as that, and of 20 lines."""
    from rich.console import Console

    from waste_edge.device.setup.pictures import in_letters

    console = Console(highlight=False)
    highest = 2 * _MOST_LINES * pixels.shape[1] // pixels.shape[0]
    console.print(in_letters(pixels, max(8, min(highest, console.width // 2))))


def _table(outcome: Outcome) -> list[str]:
    """Accuracy by label, as columns."""
    assessment = outcome.assessment
    width = max(12, *(len(one.label) for one in assessment.labels))
    rows = [f"{'label':{width}}  items  new head on items left out  shipped  taken for"]
    for one in assessment.labels:
        new = "" if one.accuracy is None else _interval(one.accuracy.value, one.accuracy.low, one.accuracy.high)
        old = "" if one.shipped is None else f"{one.shipped:.0%}"
        rows.append(f"{one.label:{width}}  {one.items:5}  {new:26}  {old:>7}  {one.taken_for}".rstrip())
    mean, shipped = assessment.accuracy, assessment.shipped.value
    whole = _interval(mean.value, mean.low, mean.high)
    rows.append(f"{'mean':{width}}  {assessment.items:5}  {whole:26}  {shipped:>7.0%}")
    if assessment.next:
        rows.append(f"most to gain from: {', '.join(assessment.next[:3])}")
    return rows


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:4.0%}  ({low:.0%} to {high:.0%})"
