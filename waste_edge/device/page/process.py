"""One page's process: how it is started, heard, and ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Collection

from waste_edge.device.page.packets import PageOrder, send, socket_pair
from waste_edge.device.system.command import without_secrets
from waste_edge.libraries import NO_TELEMETRY, ONE_THREAD

MODULE = "waste_edge.device.page.server.main"
_STDERR_BYTES = 4096  # as much of its last words is kept
_POLITE_S, _KILLED_S = 0.4, 0.5
_REAPING_S = 10.0  # a killed process that a busy machine does not let end; its thread is not waited for
_TEXT_LETTERS = 300


class PageProcess:
    """A page's process that was started just now.

    Attributes:
        socket: to it.
        stderr: what its libraries complain about comes here.
        pid: its number.
    """

    def __init__(self, order: PageOrder, withheld: Collection[str] = ()) -> None:
        """Start the process and give it its order, by the socket: everybody can read a command line.

        Args:
            order: what it is to do.
            withheld: variables of the environment that it is not given.

        Raises:
            OSError: it cannot be started.
        """
        self.socket, theirs = socket_pair()
        command = [sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C at a terminal goes to the station, which ends the page itself
                env=_environment(withheld),
            )
        except OSError:
            self.socket.close()
            raise
        finally:
            theirs.close()
        assert self._process.stderr is not None
        self.stderr = self._process.stderr.fileno()
        self.pid = self._process.pid
        self._said = b""
        os.set_blocking(self.stderr, False)
        if not send(self.socket, order):
            self.close()
            raise OSError(7, "its configuration is too long")

    def listen(self) -> bool:
        """Keep what was written to stderr; False once nothing more will come."""
        try:
            said = os.read(self.stderr, 65536)
        except BlockingIOError:
            return True
        self._said = (self._said + said)[-_STDERR_BYTES:]
        return bool(said)

    def last_words(self) -> str:
        """Describe how it ended, with the last line that it wrote; empty if it has not ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILLED_S)
        with contextlib.suppress(OSError, ValueError):
            self.listen()
        code = self._process.returncode
        if code is None:
            return ""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        lines = self._said.decode(errors="replace").strip().splitlines()
        return f"{how}: {lines[-1][:_TEXT_LETTERS]}" if lines else how

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Hang up, which ends it; by force if it does not go at once."""
        self.socket.close()
        try:
            self._process.wait(_POLITE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_REAPING_S)
        if self._process.stderr is not None:
            self._process.stderr.close()


def _environment(withheld: Collection[str]) -> dict[str, str]:
    """Copy this process's environment without secrets; the package is found where this process found it."""
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return ONE_THREAD | without_secrets(withheld=withheld) | NO_TELEMETRY | paths
