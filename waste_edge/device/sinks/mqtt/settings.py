"""Values of the table `[mqtt]` of a station's configuration, and their checks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from waste_edge.device.config_paths import with_files
from waste_edge.device.sinks.sink import SinkConfig
from waste_edge.files.limits import MAX_KEEPALIVE_S, MAX_MQTT_LETTERS, MAX_TIMEOUT_S

_FILES = ("password_file", "ca_file", "certificate_file", "key_file")


class MqttSettings(SinkConfig, frozen=True):
    """Values of the table `[mqtt]`.

    Attributes:
        host: the broker.
        port: without it 1883, or 8883 with TLS.
        topic: what all topics begin with; empty for `waste-edge/` and the installation's id (docs/events.md).
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
        discovery: one message for the `device` (Home Assistant 2024.11 and later), or one for each of its `entities`.
        discovery_topic: where Home Assistant listens for that.
        image: send the picture of each decided item's crop, for Home Assistant; the broker does not keep it.
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
    discovery: Literal["device", "entities"] = "device"
    discovery_topic: str = "homeassistant"
    image: bool = False

    def __post_init__(self) -> None:
        if not self.host or not (self.port is None or 1 <= self.port <= 65535):
            raise ValueError(f"expected a host and a port from 1 to 65535, got {self.host!r} and {self.port}")
        if any(letter.isspace() or letter in "/@" for letter in self.host) or len(self.host) > 255:
            shown = self.host.rpartition("@")[2][:80]  # a user and a password may stand before it
            raise ValueError(f"host {shown!r}: expected a name or an address alone, such as broker.local")
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

    def with_paths(self, table: str, folder: Path | None) -> Self:
        """See `SinkConfig.with_paths`."""
        return with_files(self, table, _FILES, folder)

    def secret_variables(self) -> tuple[str, ...]:
        """See `SinkConfig.secret_variables`."""
        return (self.password_environment,) if self.password_environment else ()

    def secret_files(self) -> tuple[str, ...]:
        """See `SinkConfig.secret_files`."""
        return tuple(filter(None, (self.password_file, self.key_file)))
