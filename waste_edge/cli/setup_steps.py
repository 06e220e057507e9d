"""Questions and pictures of `waste-edge setup` in a terminal, and its steps once the configuration is written."""

from __future__ import annotations

import contextlib
import sys
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

    from waste_edge.device.service.unit import Places
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
        with _stoppable():
            return str(typer.prompt(question, default=default, show_default=bool(default)))

    def ask_secret(self, question: str) -> str:
        with _stoppable():
            return str(typer.prompt(question, default="", show_default=False, hide_input=True))

    def confirm(self, question: str, default: bool) -> bool:
        with _stoppable():
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
def _stoppable() -> Iterator[None]:
    """End the command with 130 at Ctrl-C, and at the end of the input."""
    try:
        yield
    except typer.Abort:
        say("\nstopped at this question", err=True)
        raise typer.Exit(130) from None


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


def tell_page(target: Path) -> None:
    """Say where the page will be, and where its token stands."""
    from waste_edge.device.config import read_config

    page = read_config(target).page
    if page is not None and (page.is_local or page.token_file):
        token = "" if page.is_local else f"; its token: cat {page.token_file}"
        say(f"page: {page.address_for_others or page.address}{token}")


def examine(target: Path) -> int:
    """Let the doctor look; returns its exit code."""
    from waste_edge.cli.doctor import command as doctor

    try:
        doctor(config=target)
    except typer.Exit as end:
        return end.exit_code
    return 0


def wants_commission(terminal: Terminal) -> bool:
    """Ask whether the station is to learn its own items now."""
    question = "Show the station its own items now (waste-edge commission; an hour, and it can be stopped)?"
    return terminal.confirm(question, default=False)


def commission(target: Path) -> None:
    """Run the verb in this terminal, before a service takes the camera; Ctrl-C ends it and not the setup."""
    import subprocess

    process = subprocess.Popen([sys.executable, "-m", "waste_edge", "commission", "--config", str(target)])
    while process.returncode is None:
        with contextlib.suppress(KeyboardInterrupt):  # of the terminal: the verb has heard it, too
            process.wait()


def wants_service(target: Path, places: Places, terminal: Terminal) -> bool:
    """Ask whether the service is to be installed, or reloaded, where that can be done."""
    if target != places.config or not Path("/run/systemd/system").is_dir():
        return False
    if _is_installed(places):
        return terminal.confirm("Reload the running station?", default=True)
    return terminal.confirm("Install the service, now and at every boot?", default=True)


def serve(places: Places) -> None:
    """Install the service, or have the one that runs read its configuration again."""
    from waste_edge.device.service.steps import run_command
    from waste_edge.device.service.unit import MAKE_USER, install
    from waste_edge.device.setup.write import give_to_service

    name = places.instance.unit
    if _is_installed(places):
        run_command(("systemctl", "reload-or-restart", name))
        say(f"{name}: reloaded")
    else:
        run_command(MAKE_USER)  # here: the files were written before there was a group to give them to
        give_to_service(places.config, places.group)
        install(places, tell=say)
        say(f"{name} runs, now and at every boot; see how with: waste-edge service status")


def _is_installed(places: Places) -> bool:
    from waste_edge.device.service.instances import installed_instances

    return places.instance in installed_instances(places.root)
