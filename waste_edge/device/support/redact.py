"""Removing secrets from text that leaves the station: known values, and whatever has the form of a secret.

Removed too much is better than too little: a value after a name such as `password` goes to the end of its line.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

from waste_edge.device.cameras.address import without_password
from waste_edge.device.system.command import looks_secret

REMOVED = "[removed]"
LEAST_LETTERS = 4  # a known secret that is shorter is not looked for: it would be found in every second word

# Names that `looks_secret` takes for those of secrets, and that are not: our own keys, and words of messages.
_HARMLESS = re.compile(
    r"(?i)pins?|key|require_key|\w*pass(?:ed|es|ing)|author\w*|(?:watchdog|listen|notify|memory_pressure|state_directory)\w*"
)
# Keys whose value names the place of a secret.
_PLACE = re.compile(r"(?i)_(file|environment)$")
_QUOTED = r'"""(?:.|\n)*?(?:"""|\Z)|\'\'\'(?:.|\n)*?(?:\'\'\'|\Z)|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_NAMED = re.compile(r"(?<![\w.-])(?P<name>[\w.-]++)\\?[\"']?[ \t]*(?:=|:(?!//))[ \t]*(?:\\[\"'])?")
_VALUE = re.compile(
    rf"{_QUOTED}|(?:-?\d[\d.]*|true|false|null)(?=[ \t]*(?:[,}}\]]|$))|\\?[^\s\"'}}\]\\][^\r\n\"'}}]*", re.MULTILINE
)
_HEADER = re.compile(
    r"(?i)(?<![\w-])(authorization|cookie|set-cookie|x-[\w-]{0,40}(?:token|key|auth)[\w-]{0,40})"
    r"(\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?)[^\r\n\"'\\]+"
)
_ADDRESS = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{1,9}:/{1,3}[^\s\"'<>`\\]+")
_LOGIN = re.compile(
    r"(?<![\w/.+-])[\w.+-]{1,64}+:[^\s/@\"']{1,200}@(?=[\w.\[-])"
)  # a user and a password before a host
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.|\n)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bwhsec_[\w+/=-]+"  # Standard Webhooks
    r"|\btk_[A-Za-z0-9]{16,}"  # ntfy
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON web tokens, such as Home Assistant's
    r"|\b(?:gh[pousr]|github_pat|xox[abprs]|sk|glpat)[_-][\w-]{16,}"
    r"|\b(?:Bearer|Basic)[ \t]+[\w.~+/=-]{6,}"
    r"|\b(?<![-\w])[0-9a-fA-F]{32}(?![-\w])"  # openssl rand -hex 16; also ids of machines and boots
)
_TABLE = re.compile(r"^[ \t]*#?[ \t]*\[{1,2}[ \t]*([\w.-]+)[ \t]*\]{1,2}[ \t]*(?:#.*)?$")
_PLACE_LINE = re.compile(rf"(?P<head>[\w.-]+_(?:file|environment)[ \t]*=[ \t]*)(?P<value>{_QUOTED})")
_URL_LINE = re.compile(rf"(?P<head>\b[\w.-]*(?:url|click)[ \t]*=[ \t]*)(?P<value>{_QUOTED})")
_TOPIC_LINE = re.compile(rf"(?P<head>(?<![\w-])(?:push\.)?topic[ \t]*=[ \t]*)(?P<value>{_QUOTED})")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


class Redactor:
    """Takes secrets out of text.

    Args:
        known: secrets that are known, as they stand in their files and variables.

    Attributes:
        count: how many places were removed so far.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.count = 0
        self._known = sorted({one for one in known if len(one) >= LEAST_LETTERS})
        forms = sorted({form for one in self._known for form in _forms(one)}, key=len, reverse=True)
        self._literal = re.compile("|".join(map(re.escape, forms))) if forms else None

    def text(self, text: str) -> str:
        """Any text, such as a log or a JSON document, without secrets."""
        if self._literal is not None:
            text = self._literal.sub(self._all, text)
        text = _FORMS.sub(self._all, text)
        text = _HEADER.sub(self._header, text)
        text = _ADDRESS.sub(self._address, text)
        text = _LOGIN.sub(self._all, text)
        return self._named(text)

    def addresses(self, text: str) -> str:
        """The same with nothing removed but passwords and queries of addresses."""
        return _ADDRESS.sub(self._address, text)

    def toml(self, text: str, folder: Path) -> str:
        """A configuration, sound or not, comments included: addresses of sinks lose their paths, `[push]` its topic.

        Args:
            text: the file's.
            folder: that of the file, from which relative paths are meant.
        """
        lines, table = [], ""
        for line in text.split("\n"):
            if found := _TABLE.match(line):
                table = found[1]
            line = _URL_LINE.sub(self._origin, line)
            line = _PLACE_LINE.sub(lambda match: self._place(match, folder), line)
            if table == "push" or "push" in line:
                line = _TOPIC_LINE.sub(self._whole_value, line)
            lines.append(line)
        return self.text("\n".join(lines))

    def document(self, value: object) -> object:
        """A JSON document's values without secrets; a value whose key names a secret goes whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(name): self._member(str(name), inner) for name, inner in value.items()}
        return [self.document(inner) for inner in value] if isinstance(value, list | tuple) else value

    def leaks(self, content: bytes) -> bool:
        """Return whether content still holds a known secret, as it stands in its file."""
        return any(one.encode() in content for one in self._known)

    def _member(self, name: str, value: object) -> object:
        if is_secret_name(name) and isinstance(value, str | int | float) and value != "":
            return self._removed()
        return self.document(value)

    def _removed(self) -> str:
        self.count += 1
        return REMOVED

    def _all(self, match: re.Match[str]) -> str:
        return self._removed()

    def _header(self, match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{self._removed()}"

    def _address(self, match: re.Match[str]) -> str:
        shown = without_password(match[0])
        self.count += shown != match[0]
        return shown

    def _named(self, text: str) -> str:
        """Values behind the names of secrets; what another name holds is searched, too: JSON lies in JSON."""
        done, pieces = 0, []
        for name in _NAMED.finditer(text):
            if name.start() < done or not is_secret_name(name["name"]):
                continue
            value = _VALUE.match(text, name.end())
            if value is None or value[0].strip("\"'") in ("", REMOVED):
                continue
            mark = value[0][0] if value[0][0] in "\"'" else ""
            pieces += [text[done : value.start()], mark, self._removed(), mark]
            done = value.end()
        return "".join([*pieces, text[done:]])

    def _origin(self, match: re.Match[str]) -> str:
        given = match["value"].strip("\"'")
        shown = origin_of(given)
        return match[0] if shown == given else self._put(match, shown)

    def _place(self, match: re.Match[str], folder: Path) -> str:
        given = match["value"].strip("\"'")
        return match[0] if names_a_place(match["head"].split("=")[0].strip(), given, folder) else self._put(match)

    def _whole_value(self, match: re.Match[str]) -> str:
        return self._put(match)

    def _put(self, match: re.Match[str], shown: str = "") -> str:
        removed = self._removed()
        return f'{match["head"]}"{shown or removed}"'


def is_secret_name(name: str) -> bool:
    """Return whether a key or variable of this name holds a secret; one that names a file or variable does not."""
    last = name.rpartition(".")[2]
    return looks_secret(last) and not _HARMLESS.fullmatch(last) and not _PLACE.search(last)


def names_a_place(key: str, given: str, folder: Path) -> bool:
    """Return whether the value of a `…_file` or `…_environment` names one; people put the secret itself there, too."""
    if key.endswith("_environment"):
        return _VARIABLE.fullmatch(given) is not None
    return "/" in given or given == "" or (folder / given).exists()


def origin_of(url: str) -> str:
    """Scheme, host and port of an address: its path may be a secret, as that of a Slack or Home Assistant webhook."""
    try:
        parts = urlsplit(url)
        if not parts.scheme or not parts.hostname:
            return without_password(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    rest = "/…" if (parts.path.strip("/") or parts.query or parts.fragment or parts.username) else parts.path
    return f"{parts.scheme}://{parts.hostname}{port}{rest}"


def _forms(secret: str) -> set[str]:
    """Spellings of a secret: as it is, in an address, in JSON, in base64."""
    escaped = json.dumps(secret)[1:-1]
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        escaped,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(escaped)[1:-1],  # a JSON line inside a JSON document
        base64.b64encode(secret.encode()).decode(),
    }
