"""Tables of a page that are made from recorded files: each stands between two comments, and is replaced there."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from waste_edge.errors import ConfigError
from waste_edge.files.atomic import write_atomically


def replace_block(text: str, block: re.Pattern[str], made: str, what: str) -> str:
    """Put a table between its comments, the two groups of `block`.

    Args:
        text: the page's.
        block: finds the comments and what stands between them.
        made: the table.
        what: page and table, for the message: "README.md: expected the comments of the headline".

    Raises:
        ConfigError: the page has not exactly one place for it.
    """
    replaced, count = block.subn(lambda found: f"{found[1]}\n{made}\n{found[2]}", text)
    if count != 1:
        raise ConfigError(f"{what} once, found them {count} times")
    return replaced


def is_check(arguments: Sequence[str], about: str | None) -> bool:
    """Parse the only option of a tool that makes a page, --check.

    Args:
        arguments: after the program's name.
        about: the tool's docstring, for --help.

    Raises:
        SystemExit: 0 after --help, 2 for any other argument.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if the page has drifted")
    return bool(parser.parse_args(arguments).check)


def write_or_check(page: Path, text: str, made: str, checking: bool, command: str) -> int:
    """Write a page that has changed, or when checking only say that it has drifted; returns the exit code."""
    if made == text:
        return 0
    if checking:
        print(f"{page.name}: has drifted; {command}")
        return 1
    write_atomically(page, made)
    print(f"{page.name}: written")
    return 0
