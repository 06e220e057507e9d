from __future__ import annotations

import re
from pathlib import Path

import pytest

from waste_edge.files import limits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
CONSTANTS = {name: value for name, value in vars(limits).items() if name.isupper() and name != "MIB"}


def in_words(name: str, value: float) -> list[str]:
    """How the page may write it."""
    words = [f"{value:,}", f"{value:g}".replace("e+", "e")]
    if "BYTES" in name and "PER_S" not in name:
        words += [f"{value / (1 << shift):g} {unit}" for shift, unit in ((10, "KiB"), (20, "MiB"), (30, "GiB"))]
    return words


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_the_page_says_each_limit_as_it_is(name: str) -> None:
    assert name in ROWS, f"docs/limits.md lacks {name}"
    assert any(ROWS[name].startswith(words) for words in in_words(name, CONSTANTS[name])), ROWS[name]
