"""Python environments of the service: their places, and making a new one beside the one in use.

    /opt/waste-edge/venv-1, venv-2, …   one environment each; never changed once it is made
    /opt/waste-edge/current             a link to the one in use; renamed into place, so it always leads to a whole one

Numbered, not named by version: the same version may come again, from another checkout. Needs nothing but Python's own
library: `device/install.sh` runs it from a checkout, or out of the wheel's file, before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from waste_edge.device.service.wheels import checked_copy
from waste_edge.errors import UserError, WasteEdgeError

HOME = Path("/opt/waste-edge")
LINK = "current"
PYTHON = Path("/usr/bin/python3")  # the system's: picamera2 is built for it
EXTRAS = "[gpio,mqtt,sign,web]"  # what a station.toml or a drop-in may ask for; an update must not lose it
MARK = "waste-edge-source"  # written last: an environment without it is half made

ROOM_MB = 700  # that an environment takes at most while it is made: 550 on x86-64, and the wheels beside it
LEAST_MEMORY_MB = 300  # that the system must see: a station takes 150, and a board of 512 MB shows 400 and more

_ROOM_REMEDY = "free some, or use a larger card"
_LAST_BYTES = 1_000_000  # with less, what could not be written is the reason why something failed

Call = Callable[[Sequence[str | Path]], str]


@dataclass(frozen=True)
class Source:
    """Package source that an environment is installed from.

    Attributes:
        wheels: a folder with one wheel of ours and, unless `online`, the wheels of all that it needs.
        version: of ours, from the package index that pip is set to; where there is no folder.
        online: what the folder lacks may be downloaded.
        hashes: a requirements file of pip's with a hash for each package; with it the index gives nothing else.
    """

    wheels: Path | None = None
    version: str = ""
    online: bool = False
    hashes: Path | None = None

    def __post_init__(self) -> None:
        if self.hashes is not None and not self.version:
            raise UserError("--hashes goes with --version; a folder of wheels has its own list, SHA256SUMS")
        if (self.wheels is None) != bool(self.version):
            raise UserError(
                "expected either --wheels DIR or --version X: a folder of wheels, or a version of the index"
            )

    @property
    def wheel(self) -> Path | None:
        """This package's wheel in the folder.

        Raises:
            UserError: there is none, or more than one.
        """
        if self.wheels is None:
            return None
        found = sorted(self.wheels.glob("waste_edge-*.whl"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise UserError(
                f"{self.wheels}: expected one waste_edge-*.whl, got {names}; device/gather_wheels.sh makes one"
            )
        return found[0].resolve()

    @property
    def mark(self) -> str:
        """The same for the same source, and for no other."""
        wheel = self.wheel
        return hashlib.sha256(wheel.read_bytes()).hexdigest() if wheel else f"waste-edge=={self.version}"

    @property
    def pip_arguments(self) -> list[str]:
        """Arguments for pip: the wheel's path, so that nothing of that name is taken from an index in its place."""
        wheel = self.wheel
        if wheel is None:
            ours = f"waste-edge{EXTRAS}=={self.version}"
            return [ours] if self.hashes is None else ["--require-hashes", f"--requirement={self.hashes}", ours]
        index = [] if self.online else ["--no-index"]
        return [*index, f"--find-links={wheel.parent}", f"{wheel}{EXTRAS}"]


def call(command: Sequence[str | Path]) -> str:
    """Run one command to its end, with files open to all; returns what it printed.

    Raises:
        WasteEdgeError: it failed, with the line it said last; UserError if it is not on this machine.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, umask=0o022, cwd="/", env=_environment()
        )
    except FileNotFoundError as error:
        raise UserError(f"{words[0]}: not on this machine") from error
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")]  # pip ends with advice
        reason = (errors or said or [f"exit code {done.returncode}"])[-1]
        raise WasteEdgeError(f"{' '.join(words[:4])} … failed: {reason}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Copy this process's environment, without what would have root's Python import from folders that others write."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", "")}


@dataclass(frozen=True)
class Environments:
    """The environments below one folder. Tests bring a folder, a Python and a `call` of their own."""

    home: Path = HOME
    python: Path = PYTHON
    call: Call = call

    @property
    def link(self) -> Path:
        return self.home / LINK

    @property
    def program(self) -> Path:
        """Program that the unit starts, whichever environment is in use."""
        return self.link / "bin" / "waste-edge"

    def in_use(self) -> Path | None:
        """The environment that the link leads to; None before the first."""
        return self.link.resolve() if (self.link / MARK).is_file() else None

    def holds(self, source: Source) -> bool:
        """Return whether the one in use was made from this very source."""
        return self.in_use() is not None and (self.link / MARK).read_text(encoding="utf-8") == source.mark

    def next(self) -> Path:
        """Name the next environment's folder."""
        return self.home / f"venv-{max((number for number, _ in self._all()), default=0) + 1}"

    def make(self, source: Source) -> Path:
        """Make the next one, whole, or nothing at all; the one in use goes on.

        Raises:
            UserError: no folder of wheels, one that is not what its list says, or Python is missing.
            WasteEdgeError: pip failed, or what it installed does not start.
        """
        mark, folder = source.mark, self.next()
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self.home.chmod(0o755)
            check_room(self.home)
            self.call([self.python, "-m", "venv", "--system-site-packages", folder])
            pip: list[str | Path] = [
                folder / "bin/pip",
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
            ]
            with _checked(source, self.home) as checked:
                self.call([*pip, *checked.pip_arguments, *self._held_back(folder)])
            self.call([folder / "bin/waste-edge", "--version"])
            (folder / MARK).write_text(mark, encoding="utf-8")
            _flush(self.home)
        except BaseException as error:
            gave_no_reason = isinstance(error, Exception) and not isinstance(error, UserError)
            is_full = _says_full(error) or (gave_no_reason and _is_full(self.home))
            shutil.rmtree(folder, ignore_errors=True)
            if is_full:
                raise UserError(f"{folder}: no space left on this disk; nothing of it stays; {_ROOM_REMEDY}") from error
            if isinstance(error, OSError):
                raise UserError(f"{folder}: cannot be made ({error.strerror}); say it with sudo") from error
            raise
        return folder

    def use(self, folder: Path) -> None:
        """Point the link to `folder`, in one step."""
        beside = self.home / f".{LINK}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(folder.name)
        os.replace(beside, self.link)
        _flush(self.home)

    def remove_all_but(self, *kept: Path) -> None:
        """Delete the environments that nobody will go back to, and halves that a power cut left."""
        for _, folder in self._all():
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _all(self) -> list[tuple[int, Path]]:
        found = ((re.fullmatch(r"venv-(\d+)", path.name), path) for path in self.home.glob("venv-*"))
        return sorted((int(match[1]), path) for match, path in found if match)

    def _held_back(self, folder: Path) -> list[str]:
        """On Bookworm picamera2 is built against the system's numpy 1: then ours must be one, too."""
        ask = "from importlib.metadata import distributions as d; print(*(x.version for x in d(name='numpy')))"
        return ["numpy<2"] if self.call([folder / "bin/python", "-c", ask]).startswith("1.") else []


def check_board(home: Path, meminfo: Path = Path("/proc/meminfo")) -> None:
    """Check that a station can be installed here, before anything is.

    Args:
        home: where environments will be.
        meminfo: in which the kernel tells of its memory.

    Raises:
        UserError: 32 bits, too little memory, or too little room on the disk.
    """
    if sys.maxsize < 2**32:
        raise UserError("this is a 32-bit system, for which there are no engines; flash Raspberry Pi OS Lite (64-bit)")
    try:
        total = re.search(r"^MemTotal:\s*(\d+) kB", meminfo.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    except OSError:
        total = None
    memory_mb = int(total[1]) / 1000 if total else LEAST_MEMORY_MB
    if memory_mb < LEAST_MEMORY_MB:
        raise UserError(
            f"this board has {memory_mb:.0f} MB of memory; expected {LEAST_MEMORY_MB} at least, as a board of 512 MB "
            "has: take a larger one"
        )
    check_room(next(folder for folder in (home, *home.parents) if folder.exists()))


def check_room(folder: Path) -> None:
    """Raise UserError unless an environment fits beside what is in a folder."""
    free_mb = shutil.disk_usage(folder).free / 1e6
    if free_mb < ROOM_MB:
        raise UserError(f"{folder}: {free_mb:.0f} MB free, the installation takes up to {ROOM_MB}; {_ROOM_REMEDY}")


def _says_full(error: BaseException) -> bool:
    """Return whether an error, or the last line of a program, says that a disk is full."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def _is_full(folder: Path) -> bool:
    """Return whether nothing more can be written there: `python3 -m venv` does not say why its pip has failed."""
    try:
        return shutil.disk_usage(folder).free < _LAST_BYTES
    except OSError:
        return False


@contextlib.contextmanager
def _checked(source: Source, home: Path) -> Iterator[Source]:
    """The same source, its wheels held against their list."""
    if source.wheels is None:
        yield source
        return
    with checked_copy(source.wheels, home) as wheels:
        yield replace(source, wheels=wheels)


def _flush(folder: Path) -> None:
    """Onto the disk: a board loses power whenever it likes."""
    os.sync()
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the first environment and print its program's path; for `device/install.sh`."""
    parser = argparse.ArgumentParser(prog="environments", description=main.__doc__)
    parser.add_argument("--wheels", type=Path, help="the folder with our wheel")
    parser.add_argument("--check", action="store_true", help="only look whether the board is large enough")
    parser.add_argument("--online", action="store_true", help="what the folder lacks may be downloaded")
    parser.add_argument("--home", type=Path, default=HOME)
    given = parser.parse_args(arguments)
    try:
        check_board(given.home)
        if given.check:
            return 0
        environments, source = Environments(given.home), Source(given.wheels, online=given.online)
        if not environments.holds(source):
            environments.use(environments.make(source))
    except WasteEdgeError as error:
        print(f"waste-edge: {error}", file=sys.stderr)
        return error.exit_code
    print(environments.program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
