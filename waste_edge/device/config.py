"""`station.toml`: one station's configuration, with the names of `run`'s options, checked strictly."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.config_paths import as_path, with_files
from waste_edge.device.gpio.config import GpioConfig
from waste_edge.device.models.config import ModelsConfig
from waste_edge.device.outbox.config import OutboxConfig
from waste_edge.device.page.config import PageConfig
from waste_edge.device.sinks.json_lines import JsonLinesConfig
from waste_edge.device.sinks.mqtt import MqttConfig
from waste_edge.device.sinks.push import PushConfig
from waste_edge.device.sinks.sink import SinkConfig
from waste_edge.device.sinks.webhook import WebhookConfig
from waste_edge.device.system.disk import DiskLimits
from waste_edge.device.system.shedding import Thresholds
from waste_edge.engines.names import AUTO, EngineName, Precision, check_engine_name
from waste_edge.errors import ConfigError
from waste_edge.files.limits import MAX_STATION_LETTERS
from waste_edge.files.resources import AUTO_BUNDLE, is_shipped_bundle, is_shipped_site
from waste_edge.files.strict import Strict, as_kind, read_toml, readable
from waste_edge.plugins import UnknownPartError, find_plugin, load_plugin

_FILE_BYTES = 1 << 20
_PATHS = ("source", "camera_python", "bundle", "require_key", "site", "state")
MAX_LOOKS = 32  # far more than ever helped
STATE_VARIABLE = "STATE_DIRECTORY"  # systemd names the service's own folder by it


class StationConfig(Strict, frozen=True):
    """One station. What is not given has the default of the option of the same name.

    Attributes:
        name: the station's, in every event.
        camera, source, camera_python, bundle, engine, precision, threads, require_key, allow_older, site: see
            `waste-edge run`.
        looks: how often an item is shown to the network; `auto` is what measured best and fits the board.
        state: folder for the outbox and the learnt scene; left out, what systemd gives, or none.
        disk, load, outbox: limits, of the disk, of heat, of what is kept.
        models: how another model is taken up.
        page: the page in a browser; it is there if its table is.
        answers: people answer what the station asks; nobody does if the table is missing.
        collect: crops are kept for training; none are if the table is missing.
        gpio: lights, relays, servos and buttons on the board's pins.
        json_lines, mqtt, webhook, push: whom to tell; a sink is there if its table is. The next one of the
            package is a line here.
        sinks: the tables of sinks that plug-ins bring, by the names of their entry points: `[sinks.NAME]`.
    """

    name: str = "station"
    camera: str | None = None
    source: str | None = None
    camera_python: str | None = None
    bundle: str = AUTO_BUNDLE
    engine: EngineName = AUTO
    precision: Precision = "int8"
    threads: int = 1
    require_key: str | None = None
    allow_older: bool = False
    site: str | None = None
    looks: int | Literal["auto"] = "auto"
    state: str | None = None
    disk: DiskLimits = msgspec.field(default_factory=DiskLimits)
    load: Thresholds = msgspec.field(default_factory=Thresholds)
    outbox: OutboxConfig = msgspec.field(default_factory=OutboxConfig)
    models: ModelsConfig = msgspec.field(default_factory=ModelsConfig)
    page: PageConfig | None = None
    answers: AnswersConfig | None = None
    collect: CollectConfig | None = None
    gpio: GpioConfig | None = None
    json_lines: JsonLinesConfig | None = None
    mqtt: MqttConfig | None = None
    webhook: WebhookConfig | None = None
    push: PushConfig | None = None
    sinks: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.camera is not None and self.source is not None:
            raise ValueError("camera and source exclude each other; keep one")
        if not 1 <= self.threads <= 64:
            raise ValueError(f"threads must be 1 to 64, got {self.threads}")
        try:
            check_engine_name(self.engine)
        except ConfigError as error:
            raise ValueError(f"engine: {error}") from error
        if self.looks != "auto" and not 1 <= self.looks <= MAX_LOOKS:
            raise ValueError(f'looks must be "auto" or 1 to {MAX_LOOKS}, got {self.looks}')
        if not self.name.strip():
            raise ValueError("name must not be empty: it is in every event")
        if len(self.name) > MAX_STATION_LETTERS:
            raise ValueError(f"name: expected at most {MAX_STATION_LETTERS} letters, got {len(self.name)}")
        for text in (self.name, self.camera or "", self.source or ""):
            if "\0" in text:
                raise ValueError(f"{text!r:.60}: a NUL character, which nothing here may hold")


def read_config(path: Path) -> StationConfig:
    """Read a `station.toml`; relative paths in it are relative to its folder.

    Raises:
        ConfigError: missing, or a key that is unknown or has a wrong value; the message names it.
    """
    _check_file(path)
    config = read_toml(path, StationConfig)
    folder = path.resolve().parent
    try:
        config = with_paths(config)
        paths = {key: _below(folder, getattr(config, key)) for key in ("require_key", "state", "camera_python")}
        # A bare word that names something shipped means that, whatever lies beside the configuration.
        is_shipped = {"bundle": is_shipped_bundle(config.bundle), "site": is_shipped_site(config.site or "")}
        named = {
            key: _below_if_there(folder, getattr(config, key))
            for key in ("bundle", "site", "source")
            if not is_shipped.get(key)
        }
        page = None if config.page is None else config.page.with_paths(folder)
        models = with_files(config.models, "models", ("watch_folder",), folder)
        return _with_sinks(msgspec.structs.replace(config, models=models, page=page, **paths, **named), folder)
    except (ConfigError, OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _check_file(path: Path) -> None:
    """A pipe would be waited for, for ever, and a file of gigabytes read; what is missing is said by who reads it."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise ConfigError(f"{path}: is no regular file; give a station.toml")
    if found.st_size > _FILE_BYTES and stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: {found.st_size} bytes; a station.toml has at most {_FILE_BYTES}")


def with_paths(config: StationConfig) -> StationConfig:
    """The same with `~` and variables filled in where a key is a path.

    Raises:
        ConfigError: see `as_path`; the message names the key.
    """
    given = {key: getattr(config, key) for key in _PATHS}
    filled = {key: as_path(key, value) for key, value in given.items() if value}
    return _with_sinks(msgspec.structs.replace(config, **filled), None)


def sink_tables(config: StationConfig) -> dict[str, SinkConfig]:
    """The tables of all sinks, by what they are called in a `station.toml`; plug-ins among them are imported now.

    Raises:
        ConfigError: a plug-in that is not installed or cannot be loaded, or a key of its table that is wrong.
    """
    given = {name: getattr(config, name) for name in StationConfig.__struct_fields__}
    own = {name: table for name, table in given.items() if isinstance(table, SinkConfig)}
    return own | {f"sinks.{name}": _plugin_table(name, table) for name, table in config.sinks.items()}


def without_sinks(config: StationConfig) -> StationConfig:
    """The same, of a station that tells and asks nobody, keeps no crops and uses no pins."""
    own = {name: None for name in config.__struct_fields__ if isinstance(getattr(config, name), SinkConfig)}
    return msgspec.structs.replace(config, **own, sinks={}, answers=None, collect=None, gpio=None)


def _plugin_table(name: str, table: Any) -> SinkConfig:
    """A `[sinks.NAME]` table as its plug-in describes it."""
    if isinstance(table, SinkConfig):
        return table
    if name in StationConfig.__struct_fields__:
        raise ConfigError(f"sinks.{name}: is a table of the package's own; write [{name}]")
    try:
        plugin = find_plugin("sinks", name)
    except UnknownPartError as error:
        raise ConfigError(f"sinks.{error}") from error
    kind = load_plugin(plugin, type)
    if not issubclass(kind, SinkConfig) or kind.build is SinkConfig.build:
        raise ConfigError(
            f"{plugin.distribution}: waste_edge.sinks: {name} is {kind.__name__}; expected a subclass of SinkConfig "
            "with a build method (docs/extend.md)"
        )
    try:
        return as_kind(table, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"sinks.{name}: {readable(error, kind)}") from error


def _with_sinks(config: StationConfig, folder: Path | None) -> StationConfig:
    """The same with the paths of its sinks' tables filled in; see `SinkConfig.with_paths`."""
    tables = {name: table.with_paths(name, folder) for name, table in sink_tables(config).items()}
    own = {name: table for name, table in tables.items() if name in StationConfig.__struct_fields__}
    plugins = {name.removeprefix("sinks."): table for name, table in tables.items() if name not in own}
    return msgspec.structs.replace(config, **own, sinks=plugins)


def state_folder(config: StationConfig, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Find the folder for the station's events: as configured, else systemd's state folder, else None.

    Raises:
        ConfigError: it is configured as empty, and systemd gives none: somebody meant a folder.
    """
    if config.state == "" and not environment.get(STATE_VARIABLE):
        raise ConfigError('state = "": no folder, so nothing would be kept; give its path, or leave the key out')
    given = config.state or environment.get(STATE_VARIABLE)
    return Path(given) if given else None


def _below(folder: Path, given: str | None) -> str | None:
    return str(folder / given) if given else given


def _below_if_there(folder: Path, given: str | None) -> str | None:
    """A file below the configuration's folder if there is one, else the name of something shipped, or an address."""
    return str(folder / given) if given and (folder / given).exists() else given
