"""Events over MQTT 3.1.1, QoS 1. docs/events.md has the topics and what a receiver makes of them.

paho-mqtt is imported here and nowhere else, and only when a station has an `[mqtt]` table.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.device.sinks.home_assistant import discovery, stream_discovery, topic_part
from waste_edge.device.sinks.mqtt_link import Link, Message
from waste_edge.device.sinks.sink import SinkError, worst
from waste_edge.device.system.condition import Condition
from waste_edge.errors import ConfigError, MissingPackageError
from waste_edge.files.strict import Strict

if TYPE_CHECKING:
    import ssl

    from paho.mqtt.client import Client

_GOODBYE_S = 0.4  # how long "offline" may take at the end; the broker says it for us if that fails


class MqttConfig(Strict, frozen=True):
    """The table `[mqtt]` of a station's configuration.

    Attributes:
        host: the broker.
        port: 0 stands for 1883, or 8883 with TLS.
        topic: what all topics begin with; empty for `waste-edge/STATION`.
        username: empty if the broker asks for none.
        password_file: holds the password, and nothing else but a newline.
        password_environment: names the environment variable that holds it, instead.
        tls: encrypt, and check the broker's certificate.
        ca_file: who signed it, as PEM; empty for the system's authorities.
        certificate_file: this station's own certificate, for brokers that ask for one.
        key_file: the key that belongs to it.
        keepalive_s: the broker takes a silent station for lost after one and a half of this.
        timeout_s: how long to wait for a connection, and for the acknowledgement of a batch.
        home_assistant: announce the station to Home Assistant.
        discovery_topic: where Home Assistant listens for that.
    """

    host: str
    port: int = 0
    topic: str = ""
    username: str = ""
    password_file: str = ""
    password_environment: str = ""
    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    keepalive_s: int = 30
    timeout_s: float = 10.0
    home_assistant: bool = True
    discovery_topic: str = "homeassistant"

    def __post_init__(self) -> None:
        if not self.host or not 0 <= self.port <= 65535:
            raise ValueError(f"expected a host and a port from 0 to 65535, got {self.host!r} and {self.port}")
        if self.keepalive_s < 5 or not 0 < self.timeout_s <= 60:
            got = f"{self.keepalive_s} and {self.timeout_s:g}"
            raise ValueError(f"keepalive_s must be at least 5 and timeout_s above 0 and up to 60, got {got}")
        for name in ("topic", "discovery_topic"):
            topic = getattr(self, name)
            if set(topic) & set("+#\0") or topic.startswith("/") or topic.endswith("/"):
                raise ValueError(f"{name} {topic!r}: no + and #, and no slash at its ends")
        if self.password_file and self.password_environment:
            raise ValueError("give password_file or password_environment, not both")
        if (self.password_file or self.password_environment) and not self.username:
            raise ValueError("a password needs a username")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file belong together")
        if (self.ca_file or self.certificate_file) and not self.tls:
            raise ValueError("ca_file and certificate_file need tls = true")


class Mqtt:
    """A `Sink` that publishes to a broker."""

    name = "mqtt"

    def __init__(self, config: MqttConfig, station: str, password: str | None, tls: ssl.SSLContext | None) -> None:
        self._config = config
        self._station = station
        self._password = password
        self._tls = tls
        self._topic = config.topic or f"waste-edge/{topic_part(station)}"
        self._link: Link | None = None
        self._announced: set[str] = set()  # streams that Home Assistant knows, on this link

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`; returns once the broker has acknowledged all of them."""
        link = self._linked()
        if not records:
            return
        messages = [(f"{self._topic}/event", to_json_line(record), False) for record in records]
        newest = {record.stream: record for record in records}
        for stream, record in newest.items():
            messages += self._stream_announcement(stream)
            messages.append((f"{self._topic}/streams/{topic_part(stream)}", str(record.stream_items), True))
        messages.append((f"{self._topic}/last", to_json_line(records[-1]), True))
        self._publish(link, messages)
        self._announced |= newest.keys()

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """See `Sink.tell_health`."""
        health = {"level": worst(conditions), "conditions": conditions}
        self._publish(self._linked(), [(f"{self._topic}/health", msgspec.json.encode(health).decode(), True)])

    def close(self) -> None:
        """See `Sink.close`: says `offline` and leaves."""
        if self._link is not None:
            with contextlib.suppress(SinkError):
                self._link.publish([(f"{self._topic}/status", "offline", True)], _GOODBYE_S)
            self._link.leave()
            self._link = None

    def probe(self) -> str:
        """See `Sink.probe`: greets the broker under no name and speaks for no station."""
        self._open(self._client("", will=False)).leave()
        return f"{self._config.host}:{_port(self._config)}, topics {self._topic}/…"

    def _open(self, client: Client) -> Link:
        config = self._config
        return Link(client, config.host, _port(config), config.keepalive_s, config.timeout_s)

    def _linked(self) -> Link:
        if self._link is not None and self._link.lost:
            self._drop()
        if self._link is None:
            link = self._open(self._client(f"waste-edge-{topic_part(self._station)}", will=True))
            self._link, self._announced = link, set()
            messages = [(f"{self._topic}/status", "online", True)]
            if self._config.home_assistant:
                entities = discovery(self._config.discovery_topic, self._topic, self._station)
                messages += [(topic, payload, True) for topic, payload in entities.items()]
            self._publish(link, messages)
        return self._link

    def _publish(self, link: Link, messages: Sequence[Message]) -> None:
        try:
            link.publish(messages, self._config.timeout_s)
        except SinkError:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._link is not None:
            self._link.cut()
            self._link = None

    def _stream_announcement(self, stream: str) -> list[Message]:
        if not self._config.home_assistant or stream in self._announced:
            return []
        entities = stream_discovery(self._config.discovery_topic, self._topic, self._station, stream)
        return [(topic, payload, True) for topic, payload in entities.items()]

    def _client(self, client_id: str, will: bool) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=True, reconnect_on_failure=False)
        client.connect_timeout = self._config.timeout_s
        client.max_inflight_messages_set(200)
        if will:
            client.will_set(f"{self._topic}/status", "offline", qos=1, retain=True)
        if self._config.username:
            client.username_pw_set(self._config.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


def build(config: MqttConfig, station: str, environment: Mapping[str, str] | None = None) -> Mqtt:
    """The sink of an `[mqtt]` table; nothing is connected yet.

    Args:
        config: the table.
        station: the station's name, in topics and in Home Assistant.
        environment: where `password_environment` is looked up.

    Raises:
        ConfigError: a file or variable it names is missing, or a certificate cannot be read.
        MissingPackageError: paho-mqtt is not installed.
    """
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("[mqtt] needs paho-mqtt; pip install 'waste-edge[mqtt]'") from error
    variables = os.environ if environment is None else environment
    return Mqtt(config, station, _password(config, variables), _tls(config) if config.tls else None)


def _password(config: MqttConfig, environment: Mapping[str, str]) -> str | None:
    if config.password_file:
        try:
            return Path(config.password_file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise ConfigError(f"mqtt.password_file {config.password_file}: cannot be read ({why})") from error
    if config.password_environment:
        password = environment.get(config.password_environment)
        if password is None:
            raise ConfigError(f"mqtt.password_environment: no variable {config.password_environment}; set it")
        return password
    return None


def _tls(config: MqttConfig) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.key_file)
    except OSError as error:
        files = ", ".join(filter(None, (config.ca_file, config.certificate_file, config.key_file)))
        raise ConfigError(
            f"mqtt: {files}: no usable PEM files ({error}); check ca_file, certificate_file, key_file"
        ) from error
    return context


def _port(config: MqttConfig) -> int:
    return config.port or (8883 if config.tls else 1883)
