"""Questions of a setup: only what cannot be found out, each with what stands there now as its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import msgspec

from waste_edge.device.cameras.address import without_password
from waste_edge.device.page.config import read_token
from waste_edge.device.setup.answers import (
    NONE,
    Answers,
    Broker,
    broker_config,
    check_camera,
    check_pins,
    check_site,
    gpio_config,
    page_config,
)
from waste_edge.device.setup.pictures import FoundCamera, Look
from waste_edge.device.setup.write import Before
from waste_edge.device.sinks.mqtt.table import MqttConfig
from waste_edge.errors import ConfigError, UserError
from waste_edge.files.limits import MAX_STATION_LETTERS
from waste_edge.files.resources import SITES, shipped
from waste_edge.site import Site, site_of_labels

T = TypeVar("T")


class Asker(Protocol):
    """Giver of answers: a terminal, or a list in tests."""

    def ask(self, question: str, default: str) -> str:
        """A line of text; the default for an empty one."""
        ...

    def ask_secret(self, question: str) -> str:
        """A line that is not shown; empty for none."""
        ...

    def confirm(self, question: str, default: bool) -> bool: ...

    def tell(self, line: str) -> None: ...

    def show(self, look: Look) -> None:
        """Show what a camera sees, or say why it gives no picture."""
        ...


@dataclass(frozen=True)
class Machine:
    """Machine that is set up.

    Attributes:
        cameras: finds them.
        look: through one of them.
        try_broker: connects to a broker, with a typed password; raises OSError with the reason.
        pins: True if there is a header of pins that may be asked for.
        labels, tree: of the model.
    """

    cameras: Callable[[], Sequence[FoundCamera]]
    look: Callable[[str], Look]
    try_broker: Callable[[MqttConfig, str], None]
    pins: bool
    labels: Sequence[str]
    tree: Mapping[str, str]


@dataclass(frozen=True)
class Interview:
    """One setup in a terminal.

    Attributes:
        asker: who answers.
        machine: what can be found out.
        start: the configuration that is there.
    """

    asker: Asker
    machine: Machine
    start: Before

    @property
    def before(self) -> Mapping[str, Any]:
        """Values of the configuration that is there."""
        return self.start.values

    def check(self, given: Answers, broker_check: bool, camera_check: bool = True) -> None:
        """Check the answers that were given as options, the broker by connecting to it, the camera by a picture.

        Args:
            given: the answers.
            broker_check: connect to the broker.
            camera_check: take a picture; not of `auto`, which waits for a camera, nor of the camera that stands there
                already, which the running station may hold.

        Raises:
            UserError: one cannot be used; the message names the option.
        """
        if given.camera is not None:
            check_camera(given.camera)
        if given.broker is not None and given.broker.address != NONE:
            config = broker_config(given.broker, self.before.get("mqtt", {}))
            try:
                if broker_check:
                    self.machine.try_broker(config, given.broker.password)
            except OSError as error:
                remedy = "nothing is written; mend it, or write it untried with --no-broker-check"
                raise UserError(f"--broker {error}; {remedy}") from error
        if given.page is not None:
            page = page_config(given.page, self.before.get("page", {}))
            if page is not None and given.page_token_file:
                read_token(msgspec.structs.replace(page, token_file=given.page_token_file, token_environment=""))
        site = self._checked_site(given.site or str(self.before.get("site", NONE)))
        check_pins(gpio_config(given), site, self.machine.labels)
        if given.camera is not None and camera_check:  # last: it takes seconds
            self._look_through(given.camera)

    def _look_through(self, camera: str) -> None:
        if camera in ("auto", self.before.get("source"), self.before.get("camera")):
            return
        look = self.machine.look(camera)
        if look.path is not None:
            look.path.unlink(missing_ok=True)  # nobody is shown it, and a picture of a room is not left behind
        if look.fault:
            name = without_password(camera)
            said = look.fault if look.fault.startswith(name) else f"{name}: {look.fault}"
            remedy = "nothing is written; mend it, or write it unseen with --no-camera-check"
            raise UserError(f"--camera {said}; {remedy}")

    def complete(self, given: Answers) -> Answers:
        """Ask for every answer that was not given; one that cannot be used is asked again."""
        name = self._name() if given.name is None else given.name
        camera = self._camera() if given.camera is None else given.camera
        site = self._site() if given.site is None else given.site
        broker = self._broker() if given.broker is None else given.broker
        page = self._page() if given.page is None else given.page
        answers = replace(given, name=name, camera=camera, site=site, broker=broker, page=page)
        if given.lights is None and given.buttons is None and self.machine.pins:
            answers = self._pins(answers)
        return answers

    def _name(self) -> str:
        def check(given: str) -> str:
            if not given.strip() or len(given) > MAX_STATION_LETTERS:
                raise ConfigError(f"expected 1 to {MAX_STATION_LETTERS} letters")
            return given

        return self._until_right("Name of this station, in every event", str(self.before.get("name", "bin 1")), check)

    def _camera(self) -> str:
        """Show a picture of each camera, then let one be chosen by its number, or be named."""
        found: list[FoundCamera] = []
        for camera in self.machine.cameras():
            look = self.machine.look(camera.camera)
            if look.is_no_camera:
                continue
            found.append(camera)
            self.asker.tell(f"{len(found)}: {camera.camera}  {camera.about}")
            self.asker.show(look)
        if not found:
            self.asker.tell("No camera is there now. auto waits for one; a network camera has an address, rtsp://…")
        now = str(self.before.get("source") or self.before.get("camera") or "auto")
        shown = without_password(now)

        def check(given: str) -> str:
            if given == shown:
                return now
            if given.isdecimal() and found:
                if int(given) not in range(1, len(found) + 1):
                    raise ConfigError(f"{given}: expected a number from 1 to {len(found)}, or /dev/video{given}")
                return found[int(given) - 1].camera
            check_camera(given)
            if given not in ("auto", *(one.camera for one in found)):
                look = self.machine.look(given)
                self.asker.show(look)
                if not self.asker.confirm("Take this one?", default=not look.fault):
                    raise ConfigError("choose another one")
            return given

        choice = "number of a camera, auto, " if found else "auto, "
        return self._until_right(f"Camera ({choice}ID or address)", shown, check)

    def _site(self) -> str:
        for path in sorted(shipped(SITES).glob("*.toml")):
            self.asker.tell(f"{path.stem}: {', '.join(self._checked_site(path.stem).places())}")
        self.asker.tell(f"{NONE}: {', '.join(self.machine.labels)} (each label is a bin)")

        def check(given: str) -> str:
            self._checked_site(given)
            return given

        return self._until_right(
            "Site: a name from this list, or a site.toml", str(self.before.get("site", NONE)), check
        )

    def _checked_site(self, given: str) -> Site:
        site = check_site(given, self.start.path.parent, self.machine.labels, self.machine.tree)
        return site or site_of_labels(self.machine.labels)

    def _broker(self) -> Broker | None:
        table = self.before.get("mqtt", {})
        port = f":{table['port']}" if "port" in table else ""
        while True:
            now = f"{table['host']}{port}" if "host" in table else NONE
            address = self._until_right("MQTT broker (HOST, HOST:PORT or none)", now, self._checked_address)
            if address == NONE:
                return Broker(NONE) if table else None
            broker = self._login(Broker(address), table)
            try:
                config = broker_config(broker, table)
                self.machine.try_broker(config, broker.password)
            except (UserError, OSError) as error:
                self.asker.tell(f"The broker cannot be told: {error}")
                if self.asker.confirm("Keep it all the same? Events wait on the disk until it can", default=False):
                    return broker
                continue
            self.asker.tell(f"The broker takes the connection: {address}")
            return broker

    def _checked_address(self, given: str) -> str:
        if given != NONE:
            Broker(given).settings({})
        return given

    def _login(self, broker: Broker, table: Mapping[str, Any]) -> Broker:
        tls = self.asker.confirm("Encrypted (TLS)?", default=bool(table.get("tls", False)))
        username = self.asker.ask("User name at the broker (none for none)", str(table.get("username", NONE)))
        password = ""
        if username != NONE:
            keeps = bool(table.get("password_file") or table.get("password_environment"))
            hint = "empty keeps the one that is there" if keeps else "empty for none"
            password = self.asker.ask_secret(f"Password ({hint})")
        return replace(broker, username=username, password=password, tls=tls if tls or "tls" in table else None)

    def _page(self) -> str | None:
        table = self.before.get("page")
        host = (table or {}).get("host", "127.0.0.1")
        now = "off" if table is None else "network" if host in ("0.0.0.0", "::") else "local"
        if table is not None and host not in ("0.0.0.0", "::", "127.0.0.1", "localhost"):
            now = f"{host}:{table.get('port', 8470)}"

        def check(given: str) -> str:
            page_config(given, table or {})
            return given

        question = "Page in the browser (off, local: this machine, network: with a token, HOST:PORT)"
        page = self._until_right(question, now, check)
        return None if page == now else page

    def _pins(self, answers: Answers) -> Answers:
        """Ask for the pins of lights and buttons, stream by stream, if there are to be any."""
        table = self.before.get("gpio")
        question = "Change the lights and buttons on the pins?" if table else "Lights or buttons on the board's pins?"
        if not self.asker.confirm(question, default=False):
            return answers
        site = self._checked_site(answers.site or str(self.before.get("site", NONE)))
        while True:
            lights = self._pins_of("light", site)
            buttons = self._pins_of("button", site)
            asked = replace(answers, lights=lights or (NONE,), buttons=buttons or (NONE,))
            try:
                gpio_config(asked)
                return asked
            except ConfigError as error:
                self.asker.tell(str(error))

    def _pins_of(self, part: str, site: Site) -> tuple[str, ...]:
        found = []
        for stream in site.places():
            pin = self._until_right(f"Pin of the {part} for {stream} (BCM number, empty for none)", "", _checked_pin)
            if pin:
                found.append(f"{stream}={pin}")
        return tuple(found)

    def _until_right(self, question: str, default: str, check: Callable[[str], T]) -> T:
        while True:
            try:
                return check(self.asker.ask(question, default).strip())
            except (UserError, ValueError) as error:
                self.asker.tell(str(error))


def _checked_pin(given: str) -> str:
    if given and not (given.isdecimal() and 2 <= int(given) <= 27):
        raise ConfigError(f"{given}: expected a BCM number from 2 to 27, or nothing")
    return given
