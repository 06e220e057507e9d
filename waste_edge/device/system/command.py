"""Asking another program one question: never waits longer than it is told to, never raises for what it meets.

Programs are given an environment without secrets, which everything they start would inherit.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

# Names of variables that hold secrets, or that systemd talks by.
_PRIVATE = re.compile(
    r"PASS(?!ES)|SECRET|TOKEN|CREDENTIAL|COOKIE|AUTH|(^|_)(PW|PWORD|PIN|KEY)(_|$)|API_?KEY|"
    r"^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_|STATE_DIRECTORY|MEMORY_PRESSURE_)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"://[^/\s]*:[^/\s]*@")  # an address with a password in it
_LAST_WORDS_S = 0.5  # for what was killed to go; one that even SIGKILL does not end is left behind


def looks_secret(name: str) -> bool:
    """Return whether a variable or key of this name is likely to hold a secret."""
    return _PRIVATE.search(name) is not None


def without_secrets(environment: Mapping[str, str] = os.environ, withheld: Collection[str] = ()) -> dict[str, str]:
    """A copy without what looks like a secret by its name, without addresses that hold a password.

    Args:
        environment: of this process.
        withheld: variables that are known to hold a secret, whatever their names.
    """
    return {
        name: value
        for name, value in environment.items()
        if name not in withheld and not looks_secret(name) and not _LOGIN.search(value)
    }


@dataclass(frozen=True)
class Answer:
    """Exit code and output of a program.

    Attributes:
        code: its exit code; None if it was cut off.
        text: its standard output.
        complaint: its standard error.
    """

    code: int | None
    text: str = ""
    complaint: str = ""

    @property
    def ok(self) -> bool:
        """True if it ended by itself with exit code 0."""
        return self.code == 0

    @property
    def cut_off(self) -> bool:
        """True if it had not ended in time."""
        return self.code is None


# A command and seconds to its answer; None where there is no such program. `ask` is the real one.
RunProgram = Callable[[Sequence[str], float], Answer | None]


def run_program(
    command: Sequence[str], timeout_s: float, environment: Mapping[str, str] | None = None
) -> Answer | None:
    """Run a program and hear it out, for `timeout_s` at most.

    It gets a session of its own, so that what it started is ended with it: a child that held the pipe would
    keep us waiting as long as it lives.

    Args:
        command: the program and its words.
        timeout_s: after which it is killed.
        environment: given to it whole, for a program of ours that needs its secrets; None: see `without_secrets`.

    Returns:
        None if there is no such program or it may not be run.
    """
    try:
        process = subprocess.Popen(
            command,
            env=without_secrets() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except (OSError, ValueError):
        return None
    try:
        text, complaint = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return Answer(None)
    except BaseException:  # Ctrl-C, or a signal that ends us: nothing of ours runs on
        _end(process)
        raise
    return Answer(process.returncode, text, complaint)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_S)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
