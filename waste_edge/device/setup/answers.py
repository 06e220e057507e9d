"""Answers of a setup: how each is checked, and what it changes in a `station.toml`.

An answer that is None changes nothing: what stands in the file stays. Each check raises a `ConfigError` of one line,
which is shown and asked again in a terminal, and ends the command otherwise.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from waste_edge.device.cameras.address import is_address
from waste_edge.device.clock import SystemClock
from waste_edge.device.gpio.config import ButtonConfig, GpioConfig, OutputConfig
from waste_edge.device.page.config import DEFAULT_HOST, DEFAULT_PORT, PageConfig, with_address
from waste_edge.device.setup.document import TomlText, literal
from waste_edge.device.sinks.mqtt.settings import MqttSettings
from waste_edge.device.sinks.mqtt.table import MqttConfig
from waste_edge.errors import ConfigError, MissingPackageError
from waste_edge.files.resources import SITES, is_shipped_site, shipped
from waste_edge.files.strict import readable
from waste_edge.site import ASK, Site, read_site

PageChoice = Literal["off", "local", "network"]
NONE = "none"  # no site, no broker, no pins
EVERYWHERE = "0.0.0.0"
PAGE_TOKEN, BROKER_PASSWORD = "page-token", "mqtt-password"  # files beside the configuration
_BROKER = re.compile(r"(?P<host>\[[^\]]+\]|[^:\s]+)(?::(?P<port>\d{1,5}))?")
_LOGIN = ("username", "password_file", "password_environment")
_PIN = re.compile(r"(?P<what>.+?)=(?P<pin>\d{1,2})(?P<low>:low)?")


@dataclass(frozen=True)
class Broker:
    """Broker of `[mqtt]`.

    Attributes:
        address: HOST or HOST:PORT; `none` for none.
        username: empty: as it is; `none` for none.
        password: as it was typed; it goes into a file beside the configuration.
        password_file: holds it already.
        tls: encrypt; None: as it is.
    """

    address: str
    username: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""
    tls: bool | None = None

    def settings(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Keys of the table `[mqtt]`: those that stood there, and the answered ones over them."""
        match = _BROKER.fullmatch(self.address)
        if match is None or int(match["port"] or 1) not in range(1, 65536):
            raise ConfigError(f"--broker {self.address}: expected HOST or HOST:PORT, such as broker.local:1883")
        table: dict[str, Any] = {key: value for key, value in before.items() if key != "port"}
        table["host"] = match["host"].removeprefix("[").removesuffix("]")
        if match["port"]:
            table["port"] = int(match["port"])
        if self.username:
            table["username"] = self.username
        if self.username == NONE:
            table = {key: value for key, value in table.items() if key not in _LOGIN}
        if self.password or self.password_file:
            table["password_file"] = self.password_file or BROKER_PASSWORD
            table.pop("password_environment", None)
        if self.tls is not None:
            table["tls"] = self.tls
        return table


@dataclass(frozen=True)
class Answers:
    """Answers to all questions; None: as it is.

    Attributes:
        name: of the station, in every event.
        camera: an ID as in `run --camera`, or a network address as in `run --source`.
        site: a shipped site, a path, or `none`.
        state: folder for events.
        broker: see `Broker`.
        page: `off`, `local` (this machine), `network` (with a token), or HOST, PORT or HOST:PORT.
        page_token_file: holds the token already; empty: one is made where one is needed and there is none.
        lights: `STREAM=PIN`, with `:low` behind it for one that is on at 0 V; one `none` for none.
        buttons: `ANSWER=PIN`; one `none` for none.
    """

    name: str | None = None
    camera: str | None = None
    site: str | None = None
    state: str | None = None
    broker: Broker | None = None
    page: str | None = None
    page_token_file: str = ""
    lights: tuple[str, ...] | None = None
    buttons: tuple[str, ...] | None = None


def check_camera(given: str) -> str:
    """Return the camera's ID or address; raises CameraError unless it is one. Whether it is there is not looked at."""
    from waste_edge.device.cameras.find import camera_source, media_source

    if is_address(given):
        media_source(given, SystemClock())
    else:
        camera_source(given, SystemClock())
    return given


def check_site(given: str, folder: Path, labels: Sequence[str], tree: Mapping[str, str]) -> Site | None:
    """The site that is meant, checked against the model's labels; None for `none`.

    Raises:
        ConfigError: it is missing, or does not fit the model.
    """
    if given == NONE:
        return None
    if is_shipped_site(given):
        return read_site(given, labels, tree)
    if not (folder / given).is_file():
        names = ", ".join(sorted(path.stem for path in shipped(SITES).glob("*.toml")))
        raise ConfigError(
            f"--site {given}: no such file beside the configuration, in {folder.absolute()}; give a site.toml, or a "
            f"shipped one ({names})"
        )
    return read_site(str(folder / given), labels, tree)


def broker_config(broker: Broker, before: Mapping[str, Any]) -> MqttConfig:
    """The table `[mqtt]` as it will be; raises ConfigError."""
    try:
        return msgspec.convert(broker.settings(before), MqttConfig)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"--broker {broker.address}: {readable(error, MqttSettings)}") from error


def try_broker(config: MqttConfig, password: str, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Connect to a broker and leave again; nothing is published.

    Args:
        config: the table `[mqtt]`.
        password: as it was typed; empty for the configured one.
        folder: from which the table's files are named.
        environment: where `password_environment` is looked up.

    Raises:
        SinkError: no connection, or the broker refuses it; the message says why.
        ConfigError: a file or variable that the table names cannot be read.
        MissingPackageError: paho-mqtt is not installed.
    """
    if importlib.util.find_spec("paho") is None:
        raise MissingPackageError("[mqtt] needs paho-mqtt; pip install 'waste-edge[mqtt]'")
    from waste_edge.device.sinks.mqtt.broker import Broker as MqttBroker
    from waste_edge.device.sinks.mqtt.broker import read_password, tls_context

    there = config.with_paths("mqtt", folder.resolve())
    known = password or read_password(there, environment)
    MqttBroker(there, known, tls_context(there) if there.tls else None).connect("").leave()


def page_config(given: str, before: Mapping[str, Any]) -> PageConfig | None:
    """The table `[page]` as it will be, its token aside; None for `off`. Raises ConfigError."""
    if given == "off":
        return None
    if given.isdecimal() and int(given) not in range(1, 65536):
        raise ConfigError(f"--page {given}: expected a port from 1 to 65535; or off, local, network")
    known = {key: before[key] for key in ("host", "port") if key in before}
    words = {"local": DEFAULT_HOST, "network": EVERYWHERE}
    try:
        return with_address(msgspec.convert(known, PageConfig), words.get(given, given))
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{error}; or off, local, network") from error


def gpio_config(answers: Answers) -> GpioConfig | None:
    """The table `[gpio]` of lights and buttons; None for neither.

    Raises:
        ConfigError: a pin that is none, or is used twice.
    """
    lights = [_pin("--light", one) for one in answers.lights or () if one != NONE]
    buttons = [_pin("--button", one) for one in answers.buttons or () if one != NONE]
    if not lights and not buttons:
        return None
    try:
        outputs = [
            OutputConfig(stream=stream, pin=pin, active_high=False if low else None) for stream, pin, low in lights
        ]
        return GpioConfig(tuple(outputs), tuple(ButtonConfig(answer=answer, pin=pin) for answer, pin, _ in buttons))
    except ValueError as error:
        raise ConfigError(f"--light and --button: {error}") from error


def check_pins(config: GpioConfig | None, site: Site, labels: Sequence[str]) -> None:
    """Raise ConfigError for a light of a stream, or a button for an answer, that the site does not have."""
    if config is None:
        return
    places = [*site.places(), ASK]
    for output in config.outputs:
        if output.stream not in places:
            raise ConfigError(f"--light {output.stream}={output.pin}: no such stream; expected {', '.join(places)}")
    answers = [*site.places(), *labels]
    for button in config.buttons:
        if button.answer not in answers:
            raise ConfigError(f"--button {button.answer}={button.pin}: no such answer; expected {', '.join(answers)}")


def apply(answers: Answers, document: TomlText, before: Mapping[str, Any]) -> None:
    """Change the text by the answers.

    Args:
        answers: of this setup.
        document: the text.
        before: its values.

    Raises:
        ConfigError: an answer that cannot be used.
    """
    if answers.name is not None:
        document.set("", "name", answers.name)
    if answers.camera is not None:
        key, other = ("source", "camera") if is_address(answers.camera) else ("camera", "source")
        document.unset("", other)
        document.set("", key, check_camera(answers.camera))
    for key in ("site", "state"):
        given = getattr(answers, key)
        if given == NONE:
            document.unset("", key)
        elif given is not None:
            document.set("", key, given)
    _apply_broker(answers, document, before.get("mqtt", {}))
    _apply_page(answers, document, before.get("page", {}))
    if answers.lights is not None or answers.buttons is not None:
        _apply_gpio(answers, document, before)


def _apply_broker(answers: Answers, document: TomlText, before: Mapping[str, Any]) -> None:
    if answers.broker is None:
        return
    if answers.broker.address == NONE:
        document.switch_off("mqtt")
        return
    broker_config(answers.broker, before)
    settings = answers.broker.settings(before)
    for key in before.keys() - settings.keys():
        document.unset("mqtt", key)
    for key, value in settings.items():
        if key not in before or before[key] != value:
            document.set("mqtt", key, value)


def _apply_page(answers: Answers, document: TomlText, before: Mapping[str, Any]) -> None:
    if answers.page is None:
        return
    config = page_config(answers.page, before)
    if config is None:
        document.switch_off("page")
        return
    document.set("page", "host", config.host)
    if config.port != before.get("port", DEFAULT_PORT):
        document.set("page", "port", config.port)
    if answers.page_token_file:
        document.unset("page", "token_environment")
        document.set("page", "token_file", answers.page_token_file)
    elif needs_token(config, before):
        document.set("page", "token_file", PAGE_TOKEN)


def needs_token(config: PageConfig, before: Mapping[str, Any]) -> bool:
    """Return whether a token is to be made: other machines reach the page, and none is named."""
    return not config.is_local and not before.get("token_file") and not before.get("token_environment")


def _apply_gpio(answers: Answers, document: TomlText, before: Mapping[str, Any]) -> None:
    if answers.lights is None or answers.buttons is None:
        old = before.get("gpio", {})
        kept = "buttons" if answers.buttons is None else "outputs"
        if old.get(kept):
            raise ConfigError(f"[gpio] has {kept} already: give --light and --button together, or change it by hand")
    config = gpio_config(answers)
    if config is None:
        document.switch_off("gpio")
        return
    lines = ["[gpio]"]
    if "watchdog_s" in before.get("gpio", {}):
        lines.append(f"watchdog_s = {literal(before['gpio']['watchdog_s'])}")
    for output in config.outputs:
        lines += ["[[gpio.outputs]]", f"stream = {literal(output.stream)}", f"pin = {output.pin}"]
        lines += ["active_high = false   # on at 0 V"] if output.active_high is False else []
    for button in config.buttons:
        lines += ["[[gpio.buttons]]", f"pin = {button.pin}", f"answer = {literal(button.answer)}"]
    document.replace("gpio", lines)
    if config.buttons and "answers" not in before:
        document.set("answers", "sources", ["page", "mqtt", "gpio"])


def _pin(option: str, given: str) -> tuple[str, int, bool]:
    match = _PIN.fullmatch(given.strip())
    if match is None:
        raise ConfigError(f"{option} {given}: expected NAME=PIN, such as paper=17, or paper=17:low, or none")
    return match["what"].strip(), int(match["pin"]), match["low"] is not None
