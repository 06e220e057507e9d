"""Secrets of this station, so that they are found wherever they were written: in a log, in a wrong key, in an address.

A report is wanted most when the configuration is broken. So it is searched as text, and read as a configuration only
beside that, for the keys of sinks that plug-ins bring.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from waste_edge.device.config import read_config, sink_tables
from waste_edge.device.page.config import PageConfig
from waste_edge.device.sinks.sink import SinkConfig
from waste_edge.device.support.redact import is_secret_name, names_a_place
from waste_edge.device.system.command import without_secrets
from waste_edge.errors import WasteEdgeError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_KEY_BYTES

_VALUE = r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_PLACES = re.compile(rf"([\w.-]+_(?:file|environment))[ \t]*=[ \t]*({_VALUE})")
_TOPICS = re.compile(rf"^[ \t]*#?[ \t]*(?:\[push\]|\[+[\w.]+\]+|topic[ \t]*=[ \t]*({_VALUE}))", re.MULTILINE)
_VALUES = re.compile(rf"([\w.-]{{2,80}})[ \t]*=[ \t]*({_VALUE})")
_PASSWORD = re.compile(r"://([^/\s\"'@]*?):([^\s\"']*)@")
_LEAST_TOPIC = 6  # letters: a shorter topic of [push] is a word, which stands elsewhere too


@dataclass(frozen=True)
class Finder:
    """Looks for the secrets of a station.

    Attributes:
        environment: of this process.
        read: reads a file of secrets; raises OSError if this user may not.
    """

    environment: Mapping[str, str]
    read: Callable[[Path], bytes] = lambda path: read_bounded(path, MAX_KEY_BYTES)

    def secrets(self, config: str, folder: Path, extra: Mapping[str, str] | None = None) -> set[str]:
        """Find all secrets that can be read.

        Args:
            config: the text of `station.toml`; empty if there is none.
            folder: that of the file.
            extra: more variables, such as the unit's own.
        """
        variables = {**self.environment, **(extra or {})}
        found = set(_private_values(variables))
        for key, given in _values(_PLACES, config):
            if not names_a_place(key, given, folder):
                found.add(given)  # the secret itself, where its place was expected
            elif key.endswith("_environment"):
                found.add(variables.get(given, ""))
            elif not key.endswith(("ca_file", "certificate_file")):
                found |= self._content(folder / _expanded(given))
        found |= {value for key, value in _values(_VALUES, config) if is_secret_name(key)}
        found |= set(_passwords(config)) | set(_push_topics(config))
        return {one.strip() for one in found if one.strip()}

    def secrets_of_sinks(self, path: Path) -> set[str]:
        """Find those that sinks name, those of plug-ins among them; nothing where the configuration cannot be read."""
        try:
            config = read_config(path)
            tables: list[SinkConfig | PageConfig] = [*sink_tables(config).values()]
        except (WasteEdgeError, OSError):
            return set()
        tables += [] if config.page is None else [config.page]
        names = [name for table in tables for name in table.secret_variables()]
        found = {self.environment.get(name, "") for name in names}
        for file in (file for table in tables for file in table.secret_files()):
            found |= self._content(path.resolve().parent / file)
        return {one.strip() for one in found if one.strip()}

    def _content(self, path: Path) -> set[str]:
        """A file of secrets, whole and line by line: a key in PEM has many."""
        try:
            text = self.read(path).decode("utf-8-sig", "replace")
        except (OSError, ValueError):
            return set()
        lines = {line.strip() for line in text.splitlines() if not line.startswith("-----")}
        return {text.strip(), *lines}


def _expanded(given: str) -> Path:
    try:
        return Path(os.path.expandvars(given)).expanduser()
    except RuntimeError:
        return Path(given)


def _values(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, str]]:
    """Keys and their values, as TOML means them; a value that is no TOML as it stands."""
    for match in pattern.finditer(text):
        yield match[1].rpartition(".")[2], _plain(match[2])


def _plain(value: str) -> str:
    try:
        return str(tomllib.loads(f"a = {value}")["a"])
    except tomllib.TOMLDecodeError:
        return value.strip("\"'")


def _private_values(variables: Mapping[str, str]) -> Iterator[str]:
    """Values of variables that other programs are not given: a secret by its name, or an address with a password."""
    plain = without_secrets(variables)
    for name, value in variables.items():
        if name in plain:
            continue
        if "://" in value:
            yield from _passwords(value)
        elif is_secret_name(name):
            yield value


def _passwords(text: str) -> Iterator[str]:
    """Passwords in addresses, as they are written and as they are meant; and values in an address's query."""
    for match in _PASSWORD.finditer(text):
        yield match[2]
        yield unquote(match[2])
    for address in re.findall(r"[a-z][a-z0-9+.-]+://[^\s\"']+", text):
        try:
            query = urlsplit(address).query
        except ValueError:
            continue
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if is_secret_name(name):
                yield value
                yield unquote(value)


def _push_topics(text: str) -> Iterator[str]:
    """Topics of `[push]`: on a server without accounts who knows one reads along."""
    inside = False
    for match in _TOPICS.finditer(text):
        if match[1] is None:
            inside = "[push]" in match[0]
        elif inside and len(_plain(match[1])) >= _LEAST_TOPIC:
            yield _plain(match[1])
