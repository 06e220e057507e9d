"""Several stations on one board: the units, files and folders of each, and what two of them must not share.

    waste-edge.service       /etc/waste-edge/station.toml       /var/lib/waste-edge        the board's only station
    waste-edge@left.service  /etc/waste-edge/left/station.toml  /var/lib/waste-edge-left   an instance named left

The template `waste-edge@.service` is made from the shipped unit, so that both confine their program alike.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from waste_edge.errors import UserError

UNIT, TEMPLATE_UNIT = "waste-edge.service", "waste-edge@.service"
CONFIG_FOLDER, CONFIG_NAME = Path("etc/waste-edge"), "station.toml"
STATE_FOLDER = Path("var/lib/waste-edge")
_UNITS = Path("etc/systemd/system")
# A part of a file's name, a unit's and a folder's: nothing that systemd would escape (systemd.unit(5), "%i").
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
# Each must be there once, or the template would silently start the board's only station again.
_CHANGES = (
    ("Description=waste-edge: ", "Description=waste-edge %i: "),
    ("--config /etc/waste-edge/station.toml", "--config /etc/waste-edge/%i/station.toml"),
    ("StateDirectory=waste-edge\n", "StateDirectory=waste-edge-%i\n"),
    ("WorkingDirectory=%S/waste-edge\n", "WorkingDirectory=%S/waste-edge-%i\n"),
    ("Environment=HOME=%S/waste-edge\n", "Environment=HOME=%S/waste-edge-%i\n"),
    ("SyslogIdentifier=waste-edge\n", "SyslogIdentifier=waste-edge-%i\n"),
)


@dataclass(frozen=True)
class Instance:
    """One station of a board, as systemd knows it.

    Attributes:
        name: the instance's; empty for the board's only station.

    Raises:
        UserError: a name that is no part of a unit's name.
    """

    name: str = ""

    def __post_init__(self) -> None:
        if self.name and not _NAME.fullmatch(self.name):
            raise UserError(
                f"--instance {self.name!r}: expected 1 to 32 of a-z, 0-9, - and _, beginning with a letter or digit"
            )

    @property
    def unit(self) -> str:
        """Name of the unit for `systemctl`."""
        return f"waste-edge@{self.name}.service" if self.name else UNIT

    @property
    def option(self) -> str:
        """Option that means this station, with a space before it; empty for the only one."""
        return f" --instance {self.name}" if self.name else ""

    def unit_file(self, root: Path = Path("/")) -> Path:
        """The unit's file, which all instances share."""
        return root / _UNITS / (TEMPLATE_UNIT if self.name else UNIT)

    def config(self, root: Path = Path("/")) -> Path:
        """Its `station.toml`."""
        return root / CONFIG_FOLDER / self.name / CONFIG_NAME

    def state(self, root: Path = Path("/")) -> Path:
        """The folder of its events, which systemd makes."""
        return root / (f"{STATE_FOLDER}-{self.name}" if self.name else STATE_FOLDER)


ONLY = Instance()


def installed_instances(root: Path = Path("/")) -> list[Instance]:
    """The stations of this board: the only one, then the instances that start at boot, by name.

    Read off the links that `systemctl enable` makes, so that it needs no systemd that runs.
    """
    units = root / _UNITS
    found = [ONLY] if (units / UNIT).exists() else []
    links = {path.name for path in units.glob("*.wants/waste-edge@*.service")} if units.is_dir() else set()
    names = sorted(link.removeprefix("waste-edge@").removesuffix(".service") for link in links)
    return found + [Instance(name) for name in names if _NAME.fullmatch(name)]


def chosen_instances(name: str | None, root: Path = Path("/")) -> list[Instance]:
    """The named station, else all of this board; the only one where none is installed, of which that is then said."""
    if name is not None:
        return [Instance(name)]
    return installed_instances(root) or [ONLY]


def instance_of_config(config: Path, root: Path = Path("/")) -> Instance | None:
    """The station that a `station.toml` belongs to by its place; None if it lies elsewhere."""
    folder = config.absolute().parent
    if config.name != CONFIG_NAME:
        return None
    if folder == root / CONFIG_FOLDER:
        return ONLY
    if folder.parent == root / CONFIG_FOLDER and _NAME.fullmatch(folder.name):
        return Instance(folder.name)
    return None


def template_of(unit: str) -> str:
    """The text of `waste-edge@.service`, made from that of `waste-edge.service`.

    Raises:
        ValueError: the unit lacks a line that the template must change.
    """
    for old, new in _CHANGES:
        if unit.count(old) != 1:
            raise ValueError(f"systemd/{UNIT}: expected one {old.strip()!r}, found {unit.count(old)}")
        unit = unit.replace(old, new)
    return unit


def begun_config(template: str, instance: Instance, camera: str | None) -> str:
    """The configuration that a new station begins with.

    Args:
        template: the text of a `station.toml`.
        instance: whose name the station takes, unless it is the board's only one.
        camera: ID of its camera; None leaves the template's.

    Raises:
        UserError: the template has no line for what is to be set.
    """
    if instance.name:
        template = _with_line(template, "name", instance.name)
    return template if camera is None else _with_line(template, "camera", camera)


def _with_line(text: str, key: str, value: str) -> str:
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    changed, count = re.subn(rf"^{key} *=.*$", lambda _: f"{key} = {quoted}", text, count=1, flags=re.MULTILINE)
    if not count or not value.isprintable():
        raise UserError(f"{key} = {value!r}: cannot be set; write it into a station.toml and give that by --config")
    return changed


def check_apart(instance: Instance, text: str, root: Path = Path("/")) -> None:
    """See that a station shares with no other of this board what only one can have.

    Args:
        instance: the station.
        text: of its `station.toml`.
        root: of the file system.

    Raises:
        UserError: it does; the message names both files and the key. Also where the text is no TOML.
    """
    mine = _only_once(instance.config(root), text)
    for other in installed_instances(root):
        path = other.config(root)
        if other == instance or not path.is_file():
            continue
        theirs = _only_once(path, path.read_text(encoding="utf-8"))
        for key in sorted(mine.keys() & theirs.keys()):
            # One that is looked for may be any, the other's too.
            if mine[key] == theirs[key] or (key == "camera" and "auto" in (mine[key], theirs[key])):
                remedy = "; list them with v4l2-ctl --list-devices, and give --camera ID" if key == "camera" else ""
                raise UserError(
                    f"{instance.config(root)}: {key} is {mine[key]}, and {theirs[key]} in {path}; two stations of a "
                    f"board need one each{remedy}"
                )


def _only_once(path: Path, text: str) -> dict[str, str]:
    """List by key what only one station of a board can have; wrong values are left to who reads the whole file."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: is no TOML ({error}); correct it first") from error
    found: dict[str, str] = {key: str(table[key]) for key in ("name", "camera", "state") if key in table}
    if found.get("camera", "").startswith("synthetic"):
        del found["camera"]
    from waste_edge.device.page.config import DEFAULT_PORT

    page, gpio = table.get("page"), table.get("gpio")
    if isinstance(page, dict):
        found["[page] port"] = str(page.get("port", DEFAULT_PORT))
    if isinstance(gpio, dict):
        pins = [one for kind in ("outputs", "buttons") for one in gpio.get(kind, ()) if isinstance(one, dict)]
        found |= {f"[gpio] pin {one['pin']}": "in use" for one in pins if "pin" in one}
    return found
