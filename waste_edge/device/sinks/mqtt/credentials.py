"""Password and certificates of an `[mqtt]` table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from waste_edge.device.sinks.mqtt.settings import MqttSettings
from waste_edge.errors import ConfigError
from waste_edge.files.bounded import read_bounded
from waste_edge.files.limits import MAX_PASSWORD_BYTES

if TYPE_CHECKING:
    import ssl


def read_password(config: MqttSettings, environment: Mapping[str, str]) -> str | None:
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


def tls_context(config: MqttSettings) -> ssl.SSLContext:
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
