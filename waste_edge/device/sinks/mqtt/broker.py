"""The way to a broker: MQTT 5, whose brokers say what they refuse, or 3.1.1 where they speak nothing newer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from waste_edge.device.config_paths import read_secret
from waste_edge.device.sinks.mqtt.link import MqttConnection, WrongProtocolError
from waste_edge.device.sinks.mqtt.settings import MqttSettings
from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    import ssl

    from paho.mqtt.client import Client


class Broker:
    """Makes connections to one broker.

    Args:
        config: where it is.
        password: beside the `username`; None if there is none.
        tls: how to encrypt; None: not at all.

    Attributes:
        says_refusals: the broker tells what it refuses to publish: the last connection speaks MQTT 5.
    """

    def __init__(self, config: MqttSettings, password: str | None, tls: ssl.SSLContext | None) -> None:
        self._config = config
        self._password = password
        self._tls = tls
        self.says_refusals = True

    @property
    def port(self) -> int:
        """As configured, else the usual one."""
        return self._config.port or (8883 if self._config.tls else 1883)

    def connect(self, client_id: str, will: str = "") -> MqttConnection:
        """Connect, with the newer version of MQTT first.

        Args:
            client_id: empty for one that the broker gives.
            will: topic at which the broker says `offline` when the connection is lost; empty for none.

        Raises:
            SinkError: no connection, or the broker refuses it.
        """
        if self.says_refusals:
            try:
                return self._open(client_id, will, newer=True)
            except WrongProtocolError:
                link = self._open(client_id, will, newer=False)
                self.says_refusals = False
                return link
        return self._open(client_id, will, newer=False)

    def _open(self, client_id: str, will: str, newer: bool) -> MqttConnection:
        config = self._config
        client = self._client(client_id, will, newer)
        return MqttConnection(client, config.host, self.port, config.keepalive_s, config.timeout_s)

    def _client(self, client_id: str, will: str, newer: bool) -> Client:
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        from waste_edge.device.sinks.mqtt.client import BoundedClient

        version = CallbackAPIVersion.VERSION2
        if newer:  # a session ends with its connection, unless it asks for more
            protocol = MQTTProtocolVersion.MQTTv5
            client = BoundedClient(version, client_id, protocol=protocol, reconnect_on_failure=False)
        else:
            client = BoundedClient(version, client_id, clean_session=True, reconnect_on_failure=False)
        client.connect_timeout = self._config.timeout_s
        client.max_inflight_messages_set(200)
        if will:
            client.will_set(will, "offline", qos=1, retain=True)
        if self._config.username:
            client.username_pw_set(self._config.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
            client.encrypted = True
        return client


def read_password(config: MqttSettings, environment: Mapping[str, str]) -> str | None:
    """The password that a table names; None if it names none.

    Raises:
        ConfigError: its file or variable is missing, or cannot be read.
    """
    if config.password_file:
        return read_secret("mqtt.password_file", config.password_file).rstrip("\r\n")
    if config.password_environment:
        password = environment.get(config.password_environment)
        if password is None:
            raise ConfigError(f"mqtt.password_environment: no variable {config.password_environment}; set it")
        return password
    return None


def _no_passphrase() -> str:
    raise ValueError("a key with a passphrase, which nobody types at a station; take the passphrase off")


def tls_context(config: MqttSettings) -> ssl.SSLContext:
    """Make the means of encryption that a table describes.

    Raises:
        ConfigError: a certificate or key cannot be read.
    """
    import ssl

    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.key_file, password=_no_passphrase)
    except (OSError, ValueError) as error:
        files = ", ".join(filter(None, (config.ca_file, config.certificate_file, config.key_file)))
        raise ConfigError(
            f"mqtt: {files}: no usable PEM files ({error}); check ca_file, certificate_file, key_file"
        ) from error
    return context
