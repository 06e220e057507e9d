"""The address of this repository where it is named: `python -m tools.address`, or `make address`.

That is in two pages, and in the metadata of the Home Assistant add-on.

It is set in one place, `[tool.waste-edge] address` of pyproject.toml; empty while the project is published nowhere, and
then the pages begin in a checkout that one has. With --check nothing is written, and 1 says which page has drifted.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.page_block import is_check, write_or_check
from waste_edge.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/quickstart.md")
ADD_ON = "container/home-assistant/config.yaml"
_LINE = re.compile(r"^(?:git clone \S+ waste-edge && cd waste-edge|cd waste-edge +# .*)$", re.MULTILINE)
_WITHOUT_URL = "# No `url` of ours yet: `make address` writes it once pyproject.toml has the address"
_URL = re.compile(r"^(?:url: .*|# No `url` .*)$", re.MULTILINE)
_ADDRESS = re.compile(r"(?:https://|ssh://|git@)[A-Za-z0-9._~:/@-]+")


def with_address(text: str, address: str, page: str) -> str:
    """A page whose installation begins at an address.

    Args:
        text: the page's.
        address: of the repository, as `git clone` takes it; empty if there is none.
        page: what it is called, for the message.

    Raises:
        ConfigError: the page has not exactly one such line, or the address is none.
    """
    _check(address)
    line = f"git clone {address} waste-edge && cd waste-edge" if address else _without_address()
    changed, count = _LINE.subn(lambda _: line, text)
    if count != 1:
        raise ConfigError(f"{page}: expected one line that gets the checkout, found {count}")
    return changed


def with_url(text: str, address: str, page: str = ADD_ON) -> str:
    """The add-on's metadata with the address of its documentation: the repository's, if a browser can open that.

    Args:
        text: the file's.
        address: of the repository; empty if there is none.
        page: what the file is called, for the message.

    Raises:
        ConfigError: the file has not exactly one such line, or the address is none.
    """
    _check(address)
    shown = address.removesuffix(".git") if address.startswith("https://") else ""
    line = f"url: {shown}" if shown else _WITHOUT_URL
    changed, count = _URL.subn(lambda _: line, text)
    if count != 1:
        raise ConfigError(f"{page}: expected one line with the url, found {count}")
    return changed


def _check(address: str) -> None:
    if address and not _ADDRESS.fullmatch(address):
        raise ConfigError(f"pyproject.toml: tool.waste-edge.address {address!r}: expected https://, ssh:// or git@")


def _without_address() -> str:
    return "cd waste-edge                          # a checkout, or the unpacked source distribution"


def main(arguments: Sequence[str]) -> int:
    """Write the pages; with --check only compare them. Returns the exit code."""
    checking = is_check(arguments, __doc__)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    address = project["tool"]["waste-edge"]["address"]
    codes = []
    for name in (*PAGES, ADD_ON):
        text = (ROOT / name).read_text(encoding="utf-8")
        made = with_url(text, address) if name == ADD_ON else with_address(text, address, name)
        codes.append(write_or_check(ROOT / name, text, made, checking, "run `make address`"))
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
