"""Events over MQTT 3.1.1, QoS 1. docs/events.md has the topics and what a receiver makes of them.

paho-mqtt is imported here and nowhere else, and only when a station has an `[mqtt]` table.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from waste_edge.device.clock import NS_PER_S, Clock, SystemClock
from waste_edge.device.config_paths import as_path
from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.device.sinks.home_assistant import discovery, stream_discovery, topic_part
from waste_edge.device.sinks.mqtt_link import Message, MqttConnection
from waste_edge.device.sinks.sink import SinkConfig, SinkContext, SinkError, worst
from waste_edge.device.system.condition import Condition
from waste_edge.device.system.identity import station_identity
from waste_edge.errors import ConfigError, MissingPackageError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_KEEPALIVE_S, MAX_MQTT_LETTERS, MAX_PASSWORD_BYTES, MAX_TIMEOUT_S

if TYPE_CHECKING:
    import ssl

    from paho.mqtt.client import Client

_RIVAL_S = 180.0  # another station of this name is believed to be there so long after it was heard
_CLAIM_EVERY_S = 60.0  # so often it is told that we are here, too
_SHORT_S = 15.0  # a connection that the broker ended sooner, time after time, has a reason
_SHORT_LIVES = 3
_FILES = ("password_file", "ca_file", "certificate_file", "key_file")
_GOODBYE_S = 0.4  # how long "offline" may take at the end; the broker says it for us if that fails


class MqttConfig(SinkConfig, frozen=True):
    """The table `[mqtt]` of a station's configuration.

    Attributes:
        host: the broker.
        port: without it 1883, or 8883 with TLS.
        topic: what all topics begin with; empty for `waste-edge/STATION`.
        client_id: what the broker knows this client by; empty for one that no other station has. Two clients of one id
            throw each other out, for ever.
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
    port: int | None = None
    topic: str = ""
    client_id: str = ""
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
        if not self.host or not (self.port is None or 1 <= self.port <= 65535):
            raise ValueError(f"expected a host and a port from 1 to 65535, got {self.host!r} and {self.port}")
        if any(letter.isspace() for letter in self.host) or len(self.host) > 255 or "://" in self.host:
            raise ValueError(f"host {self.host[:80]!r}: expected a name or an address alone, such as broker.local")
        if not 5 <= self.keepalive_s <= MAX_KEEPALIVE_S or not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            got = f"{self.keepalive_s} and {self.timeout_s:g}"
            raise ValueError(
                f"keepalive_s must be at least 5 (and up to {MAX_KEEPALIVE_S}) and timeout_s above 0 and up to "
                f"{MAX_TIMEOUT_S}, got {got}"
            )
        for name in ("topic", "client_id", "username", "discovery_topic"):
            if len(getattr(self, name)) > MAX_MQTT_LETTERS:
                raise ValueError(f"{name}: expected at most {MAX_MQTT_LETTERS} letters, got {len(getattr(self, name))}")
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

    def build(self, context: SinkContext) -> Mqtt:
        """See `SinkConfig.build`."""
        return build(self, context.station, identity=station_identity(context.state))

    def with_paths(self, table: str, folder: Path | None) -> Self:
        """See `SinkConfig.with_paths`."""
        if folder is None:
            return self
        keys = [key for key in _FILES if getattr(self, key)]
        paths = {key: str(folder / as_path(f"{table}.{key}", getattr(self, key))) for key in keys}
        return msgspec.structs.replace(self, **paths)

    def secret_variables(self) -> tuple[str, ...]:
        """See `SinkConfig.secret_variables`."""
        return (self.password_environment,) if self.password_environment else ()

    def secret_files(self) -> tuple[str, ...]:
        """See `SinkConfig.secret_files`."""
        return tuple(filter(None, (self.password_file, self.key_file)))


class Mqtt:
    """A `Sink` that publishes to a broker."""

    name = "mqtt"

    def __init__(
        self,
        config: MqttConfig,
        station: str,
        password: str | None,
        tls: ssl.SSLContext | None,
        identity: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._station = station
        self._password = password
        self._tls = tls
        self._identity = identity or secrets.token_hex(6)
        self._clock = clock or SystemClock()
        self._topic = config.topic or f"waste-edge/{topic_part(station)}"
        self._link: MqttConnection | None = None
        self._linked_ns = 0
        self._announced: set[str] = set()  # streams that Home Assistant knows, on this link
        self._rival_ns: int | None = None  # when another station of this name was heard last
        self._claimed_ns: int | None = None  # when it was told that we are here
        self._short_lives = 0  # connections in a row that the broker ended soon

    @property
    def doubt(self) -> str:
        """Oddity to report although events are delivered; empty if there is none."""
        if self._rival_ns is not None and self._since_s(self._rival_ns) < _RIVAL_S:
            return (
                f"another station tells under the same topics ({self._topic}/…): two have the same name; "
                "give each its own `name` in its station.toml"
            )
        if self._short_lives >= _SHORT_LIVES:
            return (
                "the broker ends each connection soon after it was made; another client may use the same client_id "
                f"({self._client_id()}): see the broker's log"
            )
        return ""

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`; returns once the broker has acknowledged all of them."""
        link = self._linked()
        self._look_for_others(link)
        if not records:
            return
        messages = [(f"{self._topic}/{record.kind}", to_json_line(record), False) for record in records]
        counters: dict[str, int] = {}
        for record in records:
            counters |= record.counters
        for stream, items in counters.items():
            messages += self._stream_announcement(stream)
            messages.append((f"{self._topic}/streams/{topic_part(stream)}", str(items), True))
        if events := [record for record in records if record.kind == "event"]:
            messages.append((f"{self._topic}/last", to_json_line(events[-1]), True))
        self._publish(link, messages)
        self._announced |= counters.keys()

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

    def _look_for_others(self, link: MqttConnection) -> None:
        """Answer another station of this name, so that it knows too, and correct its goodbye under our name."""
        heard = link.heard()
        corrections: list[Message] = []
        owner = heard.get(f"{self._topic}/owner", self._identity)
        if owner != self._identity:
            self._rival_ns = self._clock.now_ns()
            if self._claimed_ns is None or self._since_s(self._claimed_ns) >= _CLAIM_EVERY_S:
                self._claimed_ns = self._rival_ns
                corrections.append((f"{self._topic}/owner", self._identity, True))
        if heard.get(f"{self._topic}/status", "online") != "online":
            corrections.append((f"{self._topic}/status", "online", True))
        if corrections:
            self._publish(link, corrections)
        if self._since_s(self._linked_ns) > _SHORT_S:
            self._short_lives = 0

    def _since_s(self, then_ns: int) -> float:
        return (self._clock.now_ns() - then_ns) / NS_PER_S

    def probe(self) -> str:
        """See `Sink.probe`: greets the broker under no name and speaks for no station."""
        self._open(self._client("", will=False)).leave()
        return f"{self._config.host}:{_port(self._config)}, topics {self._topic}/…"

    def _open(self, client: Client) -> MqttConnection:
        config = self._config
        return MqttConnection(client, config.host, _port(config), config.keepalive_s, config.timeout_s)

    def _linked(self) -> MqttConnection:
        if self._link is not None and self._link.lost:
            self._short_lives += self._since_s(self._linked_ns) < _SHORT_S
            self._drop()
        if self._link is None:
            link = self._open(self._client(self._client_id(), will=True))
            self._link, self._linked_ns, self._announced = link, self._clock.now_ns(), set()
            link.listen([f"{self._topic}/status", f"{self._topic}/owner"])
            messages = [(f"{self._topic}/status", "online", True), (f"{self._topic}/owner", self._identity, True)]
            if self._config.home_assistant:
                entities = discovery(self._config.discovery_topic, self._topic, self._station)
                messages += [(topic, payload, True) for topic, payload in entities.items()]
            self._publish(link, messages)
        return self._link

    def _publish(self, link: MqttConnection, messages: Sequence[Message]) -> None:
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

    def _client_id(self) -> str:
        return self._config.client_id or f"waste-edge-{topic_part(self._station)}-{self._identity}"

    def _client(self, client_id: str, will: bool) -> Client:
        from paho.mqtt.enums import CallbackAPIVersion

        from waste_edge.device.sinks.mqtt_client import BoundedClient

        client = BoundedClient(CallbackAPIVersion.VERSION2, client_id, clean_session=True, reconnect_on_failure=False)
        client.connect_timeout = self._config.timeout_s
        client.max_inflight_messages_set(200)
        if will:
            client.will_set(f"{self._topic}/status", "offline", qos=1, retain=True)
        if self._config.username:
            client.username_pw_set(self._config.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


def build(config: MqttConfig, station: str, environment: Mapping[str, str] | None = None, identity: str = "") -> Mqtt:
    """The sink of an `[mqtt]` table; nothing is connected yet.

    Args:
        config: the table.
        station: the station's name, in topics and in Home Assistant.
        environment: where `password_environment` is looked up.
        identity: tells this station from others of its name (`station_identity`); one for this run if empty.

    Raises:
        ConfigError: a file or variable it names is missing, or a certificate cannot be read.
        MissingPackageError: paho-mqtt is not installed.
    """
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("[mqtt] needs paho-mqtt; pip install 'waste-edge[mqtt]'") from error
    variables = os.environ if environment is None else environment
    return Mqtt(config, station, _password(config, variables), _tls(config) if config.tls else None, identity)


def _password(config: MqttConfig, environment: Mapping[str, str]) -> str | None:
    if config.password_file:
        try:
            return read_bounded(Path(config.password_file), MAX_PASSWORD_BYTES).decode("utf-8-sig").rstrip("\r\n")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise ConfigError(f"mqtt.password_file {config.password_file}: cannot be read ({why})") from error
    if config.password_environment:
        password = environment.get(config.password_environment)
        if password is None:
            raise ConfigError(f"mqtt.password_environment: no variable {config.password_environment}; set it")
        return password
    return None


def _no_passphrase() -> str:
    raise ValueError("a key with a passphrase, which nobody types at a station; take the passphrase off")


def _tls(config: MqttConfig) -> ssl.SSLContext:
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


def _port(config: MqttConfig) -> int:
    return config.port or (8883 if config.tls else 1883)
