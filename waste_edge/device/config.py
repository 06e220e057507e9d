"""`station.toml`: one station's configuration, with the names of `run`'s options, checked strictly."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from waste_edge.device.shedding import SheddingConfig
from waste_edge.device.sinks.json_lines import JsonLinesConfig
from waste_edge.device.sinks.mqtt import MqttConfig
from waste_edge.engines.engine import EngineChoice, Precision
from waste_edge.resources import DEFAULT_BUNDLE
from waste_edge.strict import Strict, read_toml

STATE_VARIABLE = "STATE_DIRECTORY"  # systemd names the service's own folder by it


class StationConfig(Strict, frozen=True):
    """One station. What is not given has the default of the option of the same name.

    Attributes:
        name: the station's, in every event.
        state: folder for the outbox and the learnt scene; without one nothing is kept and nobody is told.
        write_budget_mb: megabytes a day that the station may write before it warns.
    """

    name: str = "station"
    camera: str | None = None
    source: str | None = None
    camera_python: str | None = None
    bundle: str = DEFAULT_BUNDLE
    engine: EngineChoice = "auto"
    precision: Precision = "int8"
    threads: int = 1
    require_key: str | None = None
    site: str | None = None
    state: str | None = None
    write_budget_mb: float = 200.0
    shedding: SheddingConfig = msgspec.field(default_factory=SheddingConfig)
    json_lines: JsonLinesConfig | None = None
    mqtt: MqttConfig | None = None

    def __post_init__(self) -> None:
        if self.camera is not None and self.source is not None:
            raise ValueError("camera and source exclude each other; keep one")
        if not 1 <= self.threads <= 64:
            raise ValueError(f"threads must be 1 to 64, got {self.threads}")
        if not self.name or self.write_budget_mb <= 0:
            raise ValueError("name must not be empty, and write_budget_mb must be positive")


def read_config(path: Path) -> StationConfig:
    """Read a `station.toml`; relative paths in it are relative to its folder.

    Raises:
        ConfigError: missing, or a key that is unknown or has a wrong value; the message names it.
    """
    config = read_toml(path, StationConfig)
    folder = path.resolve().parent
    paths = {key: _beside(folder, getattr(config, key)) for key in ("require_key", "state", "camera_python")}
    named = {key: _beside_if_there(folder, getattr(config, key)) for key in ("bundle", "site", "source")}
    return msgspec.structs.replace(config, **paths, **named)


def state_folder(config: StationConfig) -> Path | None:
    """Where the station keeps its events: as configured, else what systemd gives it, else nowhere."""
    given = config.state or os.environ.get(STATE_VARIABLE)
    return Path(given) if given else None


def _beside(folder: Path, given: str | None) -> str | None:
    return None if given is None else str(folder / given)


def _beside_if_there(folder: Path, given: str | None) -> str | None:
    """A file beside the configuration if there is one, else the name of something shipped, or an address."""
    return str(folder / given) if given and (folder / given).exists() else given
