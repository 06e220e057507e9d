"""Parts of a report: versions, doctor, configuration, service, log, health, state, speed, and pictures if wanted.

Each part is gathered in bounded time and size, by programs that may fail: then the part says why, and the rest goes on.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waste_edge import __version__
from waste_edge.device.collect.store import FOLDER as CROPS
from waste_edge.device.service.unit import Places
from waste_edge.device.support.known import Finder
from waste_edge.device.support.redact import Redactor
from waste_edge.device.system.board import read_model, read_small
from waste_edge.device.system.command import Answer, run_program, without_secrets
from waste_edge.errors import WasteEdgeError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_SUPPORT_PICTURES, MAX_SUPPORT_PICTURES_BYTES, MAX_SUPPORT_TEXT_BYTES
from waste_edge.files.resources import commit_of_code, is_shipped_site
from waste_edge.files.strict import encode_json

_DOCTOR_S, _BENCH_S, _SERVICE_S, _LOG_S = 90.0, 180.0, 5.0, 30.0
_LOG_LINES = 2000
_MOST_FILES = 200  # of the state folder that are listed
_LINES_NAME = "events.jsonl"
_OWN_VARIABLES = ("WASTE_EDGE_", "PYTHON", "LANG", "LC_", "PATH", "VIRTUAL_ENV", "TERM", "OMP_", "LIBCAMERA_", "TZ")
_UNIT_FACTS = (
    "LoadState,UnitFileState,ActiveState,SubState,Result,ExecMainStatus,NRestarts,ActiveEnterTimestamp,MemoryCurrent,"
    "MemoryMax,WatchdogUSec,StatusText,NeedDaemonReload,User,SupplementaryGroups,DropInPaths"
)
Run = Callable[[Sequence[str], float, Mapping[str, str] | None], Answer | None]


@dataclass(frozen=True)
class Wish:
    """Station and parts that were asked for.

    Attributes:
        config: its `station.toml`; None: the installed service's, if there is one.
        state: its folder; None: as configured, else the service's.
        log: a file to take the log from in place of the service's journal.
        bench: measure the speed, some seconds to a minute.
        pictures: take the newest collected crops.
    """

    config: Path | None = None
    state: Path | None = None
    log: Path | None = None
    bench: bool = True
    pictures: bool = False


@dataclass(frozen=True)
class Part:
    """File of the report.

    Attributes:
        name: its path in the zip.
        content: its bytes, without secrets.
        about: one line on what it is, or why it is not there; then `content` is empty.
    """

    name: str
    content: bytes
    about: str


@dataclass
class Gatherer:
    """Gathers the parts of one report.

    Attributes:
        wish: what was asked for.
        environment: of this process.
        run: runs a program; `system.command.run_program`.
        places: where the service's files are, and which station of the board it is.
        tell: is given the name of each part before it is gathered.
    """

    wish: Wish
    environment: Mapping[str, str]
    run: Run = run_program
    places: Places = field(default_factory=Places)
    tell: Callable[[str], None] = lambda part: None

    def __post_init__(self) -> None:
        self.unit = self.places.instance.unit
        self.config = self.wish.config or self.places.config
        self._config_text, self._config_fault = _text_of(self.config)
        finder = Finder(self.environment)
        known = finder.secrets(self._config_text, self.config.parent, self._variables_of_unit())
        self.redactor = Redactor(known | finder.secrets_of_sinks(self.config))
        state = self._configured("state")
        self.state = self.wish.state or (
            self.config.parent / state if state else self.places.instance.state(self.places.root)
        )

    def parts(self) -> list[Part]:
        """Gather all of them; none raises."""
        wanted: list[tuple[str, Callable[[], Part]]] = [
            ("versions.json", self._versions),
            ("station.toml", self._station),
            ("site.toml", self._site),
            ("service.txt", self._service),
            ("log.txt", self._log),
            ("health.json", self._health),
            ("state.txt", self._state),
            ("doctor.json", self._doctor),
        ]
        if self.wish.bench:
            wanted.append(("bench.json", self._bench))
        found = []
        for name, gather in wanted:
            self.tell(name)
            try:
                found.append(gather())
            except (WasteEdgeError, OSError, ValueError) as error:
                found.append(Part(name, b"", f"cannot be gathered ({error})"))
        return [*found, *(self._pictures() if self.wish.pictures else [])]

    def _versions(self) -> Part:
        packages = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
        system = dict(line.partition("=")[::2] for line in read_small(Path("/etc/os-release")).splitlines())
        values = {
            "waste_edge": __version__,
            "commit": commit_of_code(),
            "python": sys.version,
            "executable": sys.executable,
            "system": system.get("PRETTY_NAME", "").strip('"'),
            "kernel": f"{platform.release()} {platform.machine()}",
            "board": read_model(Path("/")) or "",
            "environment": self._shown_environment(),
            "packages": dict(sorted(packages.items(), key=lambda pair: str(pair[0]).lower())),
        }
        return self._document("versions.json", values, f"waste-edge {__version__}, Python, packages, system")

    def _shown_environment(self) -> dict[str, str]:
        """Variables that change what the program does, and the names alone of those that may hold a secret."""
        plain = without_secrets(self.environment)
        own = {name: value for name, value in plain.items() if name.startswith(_OWN_VARIABLES)}
        return own | dict.fromkeys(sorted(self.environment.keys() - plain.keys()), "[not shown]")

    def _station(self) -> Part:
        if self._config_fault:
            return Part("station.toml", b"", self._config_fault)
        shown = self.redactor.toml(self._config_text, self.config.parent)
        return Part("station.toml", _cut(shown), f"the configuration {self.config}")

    def _site(self) -> Part:
        given = self._configured("site")
        if not given or is_shipped_site(given):
            return Part("site.toml", b"", f"the shipped site {given}" if given else "no site is configured")
        text, fault = _text_of(self.config.parent / given)
        return Part("site.toml", _cut(self.redactor.text(text)), fault or f"the site {given}")

    def _service(self) -> Part:
        shown = self._ask(["systemctl", "show", self.unit, f"--property={_UNIT_FACTS}"], _SERVICE_S)
        unit = self._ask(["systemctl", "cat", self.unit], _SERVICE_S)
        if shown is None or unit is None or not unit.ok:
            why = "there is no systemd here" if shown is None else f"{self.unit} is not installed"
            return Part("service.txt", b"", why)
        lines = [_without_values(line) for line in unit.text.splitlines()]
        return self._text("service.txt", f"{shown.text}\n" + "\n".join(lines), f"state and unit of {self.unit}")

    def _log(self) -> Part:
        if self.wish.log is not None:
            tail = _tail(self.wish.log, MAX_SUPPORT_TEXT_BYTES)
            return self._text("log.txt", tail, f"the end of {self.wish.log}")
        command = ["journalctl", f"--unit={self.unit}", "--no-pager", "--output=short-iso", "--no-hostname"]
        answer = self._ask([*command, f"--lines={_LOG_LINES}"], _LOG_S)
        if answer is None or not answer.ok or answer.text.strip() in ("", "-- No entries --"):
            why = (
                "there is no journal here"
                if answer is None
                else _said(answer, f"the journal has nothing of {self.unit}")
            )
            return Part("log.txt", b"", f"{why}; give --log FILE if the log is kept elsewhere")
        return self._text("log.txt", answer.text, f"the last lines of {self.unit}'s journal, at most {_LOG_LINES:,}")

    def _health(self) -> Part:
        """The newest line of health that the station wrote to its JSON lines."""
        table = self._document_of_config().get("json_lines")
        given = table.get("path") if isinstance(table, dict) else None
        path = self.state / (given if isinstance(given, str) else _LINES_NAME)
        if not path.is_file():
            return Part("health.json", b"", f"{path} is not there; [json_lines] keeps the station's health")
        for line in reversed(_tail(path, MAX_SUPPORT_TEXT_BYTES).splitlines()):
            if '"kind":"health"' in line:
                return self._document("health.json", json.loads(line), f"the last health in {path}")
        return Part("health.json", b"", f"{path} has no line of health")

    def _state(self) -> Part:
        files = [path for path in sorted(self.state.rglob("*")) if path.is_file()][: _MOST_FILES + 1]
        rows = [f"{path.stat().st_size:>12,}  {path.relative_to(self.state)}" for path in files[:_MOST_FILES]]
        rows += ["…"] if len(files) > _MOST_FILES else []
        if not rows:
            return Part("state.txt", b"", f"{self.state} is not there, or holds nothing that this user may see")
        return self._text("state.txt", "\n".join(rows) + "\n", f"names and sizes of the files in {self.state}")

    def _doctor(self) -> Part:
        config = ["--config", str(self.config)] if self._config_text else []
        state = ["--state", str(self.state)] if self.state.is_dir() else []
        return self._verb("doctor.json", ["doctor", "--json", *config, *state], _DOCTOR_S)

    def _bench(self) -> Part:
        return self._verb("bench.json", ["bench", "--json", "--engine-only", "--seconds", "3"], _BENCH_S)

    def _verb(self, name: str, words: Sequence[str], limit_s: float) -> Part:
        command = [sys.executable, "-m", "waste_edge", *words]
        answer = self.run(command, limit_s, {**self.environment, "PYTHONUNBUFFERED": "1"})
        title = f"waste-edge {' '.join(words)}"
        if answer is None or answer.cut_off:
            return Part(name, b"", f"{title} gave no answer within {limit_s:g} s")
        try:
            found = json.loads(answer.text)
        except ValueError:
            return self._text(name.replace(".json", ".txt"), answer.text + answer.complaint, f"{title} failed")
        return self._document(name, {"exit_code": answer.code, "stderr": answer.complaint, **found}, title)

    def _pictures(self) -> list[Part]:
        """The newest collected crops, as many as may go in."""
        self.tell("pictures")
        folder = self.state / CROPS
        files = [path for path in folder.glob("*") if path.suffix in (".jpg", ".png") and not path.is_symlink()]
        files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        found: list[Part] = []
        left = MAX_SUPPORT_PICTURES_BYTES
        for path in files[:MAX_SUPPORT_PICTURES]:
            try:
                content = read_bounded(path, left)
            except OSError:  # too large for what is left, or just deleted
                continue
            left -= len(content)
            found.append(Part(f"pictures/{path.name}", content, "a collected crop"))
        return found or [Part("pictures", b"", f"no crops are kept in {folder}; see [collect] in station.toml")]

    def _document_of_config(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self._config_text)
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}

    def _configured(self, key: str) -> str:
        """A text at the configuration's top level; empty if there is none, or no reading it."""
        given = self._document_of_config().get(key)
        return given if isinstance(given, str) else ""

    def _variables_of_unit(self) -> dict[str, str]:
        """Variables that drop-ins give the unit, and those of the files that they name, as far as they may be read."""
        answer = self._ask(["systemctl", "show", self.unit, "--property=Environment,EnvironmentFiles"], _SERVICE_S)
        words: list[str] = []
        for line in answer.text.splitlines() if answer else []:
            key, _, value = line.partition("=")
            if key == "Environment":
                words += _split(value)
            elif key == "EnvironmentFiles":
                words += _text_of(Path(value.partition(" (")[0]))[0].splitlines()
        pairs = (word.strip().partition("=") for word in words)
        return {name: value.strip("\"'") for name, _, value in pairs if value}

    def _ask(self, command: Sequence[str], limit_s: float) -> Answer | None:
        answer = self.run(command, limit_s, None)
        return None if answer is None or answer.cut_off else answer

    def _text(self, name: str, text: str, about: str) -> Part:
        return Part(name, _cut(self.redactor.text(text)), about)

    def _document(self, name: str, value: object, about: str) -> Part:
        shown = json.dumps(json.loads(encode_json(self.redactor.document(value))), indent=2, ensure_ascii=False)
        return Part(name, f"{shown}\n".encode(), about)


def _text_of(path: Path) -> tuple[str, str]:
    """A small file's text, or why there is none."""
    try:
        return read_bounded(path, MAX_SUPPORT_TEXT_BYTES).decode("utf-8-sig", "replace"), ""
    except PermissionError:
        return "", f"{path} may not be read by this user; sudo waste-edge support takes it along"
    except (OSError, ValueError) as error:
        return "", f"{path}: {getattr(error, 'strerror', None) or error}"


def _tail(path: Path, most_bytes: int) -> str:
    """The last whole lines of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - most_bytes))
        content = stream.read(most_bytes)
    return (content if size <= most_bytes else content.partition(b"\n")[2]).decode("utf-8", "replace")


def _cut(text: str) -> bytes:
    """The last part of what is too long, in UTF-8."""
    return text.encode("utf-8", "backslashreplace")[-MAX_SUPPORT_TEXT_BYTES:]


def _without_values(line: str) -> str:
    """A line of the unit; of variables only the names."""
    key, apart, value = line.partition("=")
    if key.strip() not in ("Environment", "SetCredential", "SetCredentialEncrypted"):
        return line
    names = [word.strip("\"'").partition("=")[0] for word in value.split()]
    return f"{key}{apart}" + " ".join(f"{name}=…" for name in names if name.isidentifier())


def _split(value: str) -> list[str]:
    """Words as systemd quotes them."""
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _said(answer: Answer, otherwise: str) -> str:
    lines = answer.complaint.strip().splitlines()
    return lines[-1] if lines else otherwise
