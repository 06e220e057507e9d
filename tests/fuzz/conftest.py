"""What is counted over all parsers, and said at the end: how many inputs, how slow, how much memory."""

from __future__ import annotations

import pytest

from tests.fuzz.harness import TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.inputs:
        terminalreporter.section("fuzz")
        terminalreporter.write_line(TALLY.in_words())
