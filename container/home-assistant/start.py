"""Start of the Home Assistant add-on: options become a station.toml, root becomes the station's user.

The supervisor gives the options in /data/options.json and, with its token, the broker of the MQTT service. A
/config/station.toml of the user's own wins over both.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USER = 10001
SUPERVISOR = "http://supervisor/services/mqtt"
KEYS = ("name", "camera", "site")


def broker(environment: Mapping[str, str], address: str = SUPERVISOR) -> dict[str, Any]:
    """The broker that the supervisor knows; empty without one."""
    token = environment.get("SUPERVISOR_TOKEN", "")
    if not token:
        return {}
    asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            found = json.loads(answer.read(1 << 16)).get("data", {})
            return found if isinstance(found, dict) else {}
    except (OSError, ValueError) as error:
        print(f"waste-edge add-on: no MQTT service ({error}); install the Mosquitto add-on", file=sys.stderr)
        return {}


def written(options: Mapping[str, Any], mqtt: Mapping[str, Any]) -> str:
    """The station.toml of the options. JSON's strings are TOML's."""
    lines = [f"{key} = {json.dumps(str(options[key]))}" for key in KEYS if options.get(key)]
    lines += ["", "[page]", 'host = "0.0.0.0"', "port = 8470", 'token_environment = "WASTE_EDGE_PAGE_TOKEN"']
    if mqtt.get("host"):
        lines += ["", "[mqtt]", f"host = {json.dumps(str(mqtt['host']))}", f"port = {int(mqtt.get('port', 1883))}"]
        lines += [f"tls = {'true' if mqtt.get('ssl') else 'false'}"]
        if mqtt.get("username"):
            lines += [f"username = {json.dumps(str(mqtt['username']))}", 'password_environment = "MQTT_PASSWORD"']
    lines += ["", "[answers]", f"sources = {json.dumps(['page', 'mqtt'] if mqtt.get('host') else ['page'])}"]
    return "\n".join(lines) + "\n"


def page_token(options: Mapping[str, Any], kept: Path) -> str:
    """The page's token: of the options, else one that is drawn once, kept, and printed."""
    if options.get("page_token"):
        return str(options["page_token"])
    if not kept.exists():
        kept.write_text(secrets.token_hex(16), encoding="ascii")
        kept.chmod(0o600)
    token = kept.read_text(encoding="ascii")
    print(f"waste-edge add-on: no page_token is set; the page's token is {token}", file=sys.stderr)
    return token


def become(user: int, data: Path) -> None:
    """Make the folder the station's, then be its user, with the groups that the cameras belong to."""
    for folder, _, files in os.walk(data):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            os.chown(path, user, user, follow_symlinks=False)
    groups = set()
    for node in Path("/dev").glob("video*"):
        with contextlib.suppress(OSError):
            groups.add(node.stat().st_gid)
    os.setgroups(sorted(groups - {0}))
    os.setgid(user)
    os.setuid(user)


def main(data: Path = Path("/data"), own: Path = Path("/config/station.toml")) -> None:
    """Prepare, and become the station."""
    options = json.loads((data / "options.json").read_text(encoding="utf-8"))
    mqtt = broker(os.environ)
    config = own
    if not own.exists():
        config = data / "station.toml"
        config.write_text(written(options, mqtt), encoding="utf-8")
    token = page_token(options, data / "page-token")
    environment = {name: value for name, value in os.environ.items() if name != "SUPERVISOR_TOKEN"}
    environment |= {"WASTE_EDGE_PAGE_TOKEN": token, "MQTT_PASSWORD": str(mqtt.get("password", ""))}
    if os.geteuid() == 0:
        become(USER, data)
    command = ["waste-edge", "run", "--config", str(config), "--state", str(data), "--json"]
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    main()
