"""The folder of a station, as a verb beside it finds it: named, configured, or that of the installed service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.service.instances import ONLY, STATE_FOLDER, instance_of_config
from waste_edge.errors import DataError, UserError

if TYPE_CHECKING:
    from waste_edge.device.config import StationConfig

SERVICE_STATE = Path("/") / STATE_FOLDER


def find_state(state: Path | None, config: Path | None) -> tuple[Path, StationConfig | None]:
    """Find a station's folder and its configuration.

    Args:
        state: the folder as it was named; wins over the configured one.
        config: its `station.toml`; None with a named folder means no configuration, else the service's.

    Returns:
        The folder, and the configuration; None if there is none to read.

    Raises:
        ConfigError: the configuration is wrong.
        DataError: it has no folder, or this user may not look into it.
        UserError: nothing was named, and no service is installed.
    """
    installed = ONLY.config()
    if config is None and state is None and os.access(installed, os.R_OK):
        config = installed
    station = None
    if config is not None:
        from waste_edge.device.config import read_config, state_folder

        station = read_config(config)
        state = state or state_folder(station)
        owner = instance_of_config(config)
        if state is None and owner is not None and owner.name:
            state = owner.state()
    folder = state or (SERVICE_STATE if SERVICE_STATE.is_dir() else None)
    if folder is None and config is not None:
        raise DataError(f"{config}: has no `state`, so nothing is kept; give --state DIR")
    if folder is None:
        raise UserError("no station is installed here; give --state DIR or --config station.toml")
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{folder}: may not be read by this user; try sudo, or the user that the station runs as")
    return folder, station
