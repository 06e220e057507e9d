"""Steps that change a machine: shown before they are done, and taken back if a later one fails."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from waste_edge.errors import UserError, WasteEdgeError

Command = Sequence[str]
Run = Callable[[Command], None]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """Step of an installation.

    Attributes:
        title: one line: a command, or a file and what becomes of it.
        do: does it wholly, or raises and leaves no trace.
        undo: takes it back; None if it cannot be, or need not be.
        content: what is written, for a file.
    """

    title: str
    do: Callable[[], None]
    undo: Callable[[], None] | None = None
    content: str = ""


def carry_out(steps: Sequence[Step], tell: Tell) -> None:
    """Carry out all steps, or undo the done ones.

    Raises:
        WasteEdgeError: a step failed; the message names what could not be taken back. UserError if the step's was one.
    """
    done: list[Step] = []
    for step in steps:
        try:
            step.do()
        except (WasteEdgeError, OSError) as error:
            left = _taken_back(done)
            state = f"still done: {'; '.join(left)}" if left else "nothing is changed"
            kind = UserError if isinstance(error, UserError) else WasteEdgeError
            raise kind(f"{error}; {state}") from error
        done.append(step)
        tell(step.title)


def run_command(command: Command) -> None:
    """Run one command to its end; raises UserError if it is not on this machine, WasteEdgeError if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]}: not on this machine; the service needs systemd") from error
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
        raise WasteEdgeError(f"{shlex.join(command)} failed: {said}")


def command_step(run: Run, command: Command) -> Step:
    """A command that stays done."""
    return Step(command_title(command), partial(run, command))


def command_title(command: Command) -> str:
    """A command as a dry run prints it."""
    return f"$ {shlex.join(command)}"


def _taken_back(steps: Sequence[Step]) -> list[str]:
    """Undo the steps, the last one first; returns the titles of those that stay done."""
    left: list[str] = []
    for step in reversed(steps):
        try:
            if step.undo is None:
                left.insert(0, step.title)
            else:
                step.undo()
        except (WasteEdgeError, OSError):
            left.insert(0, step.title)
    return left
