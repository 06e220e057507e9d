"""Checks of the sinks: could each of them take an event now?"""

from __future__ import annotations

from pathlib import Path

from waste_edge.device.config import StationConfig
from waste_edge.device.sinks.sink import Sink
from waste_edge.device.station import build_sinks
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.identity import board_condition
from waste_edge.errors import UserError


def check_sinks(config: StationConfig, state: Path) -> list[Condition]:
    """A condition for each sink of a station's configuration, and one more if its folder came from another board.

    Args:
        config: with the sinks' tables.
        state: the station's folder.
    """
    try:
        sinks = build_sinks(config, state)
    except UserError as error:  # a password file that is missing, a package that is not installed
        return [Condition("sinks", Level.BAD, str(error))]
    board = board_condition(state)
    moved = [] if board.level is Level.OK else [board]
    if not sinks:
        return [*moved, Condition("sinks", Level.OK, "none configured: nobody but the log is told")]
    return [*moved, *(_probed(sink) for sink in sinks)]


def _probed(sink: Sink) -> Condition:
    part = f"sink-{sink.name}"
    try:
        return Condition(part, Level.OK, f"can be told: {sink.probe()}")
    except OSError as error:
        return Condition(part, Level.WARN, f"{error}; events wait on the disk until it can be told")
