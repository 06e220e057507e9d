"""Questions and pictures of `waste-edge setup` in a terminal."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from waste_edge.cli.common import console, say
from waste_edge.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from waste_edge.device.setup.pictures import Look

_MOST_COLUMNS = 64  # of a picture


@dataclass(frozen=True)
class Terminal:
    """Asks in a terminal; see `questions.Asker`.

    Attributes:
        screen: where the questions and pictures go.
        folder: where pictures are kept.
        kept: they stay there; else they go at the end.
    """

    screen: Console
    folder: Path
    kept: bool

    def ask(self, question: str, default: str) -> str:
        return str(typer.prompt(question, default=default, show_default=bool(default)))

    def ask_secret(self, question: str) -> str:
        return str(typer.prompt(question, default="", show_default=False, hide_input=True))

    def confirm(self, question: str, default: bool) -> bool:
        return bool(typer.confirm(question, default=default))

    def tell(self, line: str) -> None:
        say(line)

    def show(self, look: Look) -> None:
        from waste_edge.device.setup.pictures import in_letters, read_picture, remark_on

        if look.path is None:
            say(f"  no picture: {look.fault}")
            return
        pixels = read_picture(look.path)
        if self.screen.color_system is not None:
            self.screen.print(in_letters(pixels, min(_MOST_COLUMNS, self.screen.width - 1)))
        if self.kept:
            say(f"  its picture: {look.path}")
        if remark := remark_on(pixels):
            say(f"  {remark}")


@contextlib.contextmanager
def opened_terminal(pictures: Path | None) -> Iterator[Terminal]:
    """A terminal; pictures that it cannot show, or that were asked for, are kept in a folder."""
    screen = console()
    if pictures is not None or screen.color_system is None:
        folder = pictures or Path()
        if not folder.is_dir():
            raise UserError(f"--pictures {folder}: no such folder; make it first")
        yield Terminal(screen, folder, kept=True)
        return
    with tempfile.TemporaryDirectory(prefix="waste-edge-setup-") as folder_name:
        yield Terminal(screen, Path(folder_name), kept=False)
