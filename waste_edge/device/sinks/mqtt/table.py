"""The table `[mqtt]` of a station's configuration, and the sink that it describes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from waste_edge.device.sinks.mqtt.settings import MqttSettings
from waste_edge.device.sinks.sink import SinkContext
from waste_edge.errors import MissingPackageError

if TYPE_CHECKING:
    from waste_edge.device.sinks.mqtt.sink import Mqtt


class MqttConfig(MqttSettings, frozen=True):
    """The table `[mqtt]`; `MqttSettings` lists its keys."""

    def build(self, context: SinkContext) -> Mqtt:
        """See `SinkConfig.build`."""
        return build(self, context)


def build(config: MqttSettings, context: SinkContext, environment: Mapping[str, str] | None = None) -> Mqtt:
    """The sink of an `[mqtt]` table; nothing is connected yet.

    Args:
        config: the table.
        context: the station.
        environment: where `password_environment` is looked up.

    Raises:
        ConfigError: a file or variable it names is missing, or a certificate cannot be read.
        MissingPackageError: paho-mqtt is not installed.
    """
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("[mqtt] needs paho-mqtt; pip install 'waste-edge[mqtt]'") from error
    from waste_edge.device.sinks.mqtt.broker import Broker, read_password, tls_context
    from waste_edge.device.sinks.mqtt.sink import Mqtt  # here: a station without the table does not need it

    variables = os.environ if environment is None else environment
    password, tls = read_password(config, variables), tls_context(config) if config.tls else None
    return Mqtt(config, context, Broker(config, password, tls))
