"""Home Assistant as a program: its settings, its start and end, and its REST interface."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from root import PROGRAM, entered

START_S = 240.0  # on a busy machine
SETTINGS = """\
homeassistant:
  name: Trial
  time_zone: UTC
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
recorder:
  commit_interval: 1
logger:
  default: warning
  logs:
    homeassistant.components.mqtt: info
# The example of docs/integrations.md, its notification sent to the broker.
automation:
  - alias: Metal was sorted
    triggers:
      - trigger: state
        entity_id: event.bin_1_item
        not_from: unavailable
        not_to: unavailable
    conditions:
      - "{{{{ trigger.to_state.attributes.event_type == 'sort_metal' }}}}"
    actions:
      - action: mqtt.publish
        data:
          topic: trial/fired
          payload: "{{{{ trigger.to_state.attributes.id }}}}"
    mode: queued
    max: 100
"""
MOMENT = "2025-04-10T00:00:00.000000+00:00"


def until(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `found` gives, once it gives something; None if it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if got := found():
            return got
        time.sleep(0.1)
    return None


class HomeAssistant:
    """One installation, in a folder of the root, connected to a broker on this machine."""

    def __init__(self, root: Path, broker_port: int) -> None:
        self._root = root
        self._folder = root / "trial"
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(["rm", "-rf", self._folder], check=True)
        (self._folder / ".storage").mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        (self._folder / "configuration.yaml").write_text(SETTINGS.format(port=self._port))
        self._store("core.config_entries", 1, {"entries": [_mqtt_entry(broker_port)]}, minor=5)
        self._token = self._make_token()

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self._folder / "home-assistant.log"

    def start(self) -> float:
        """Start it, and wait until it has; returns the seconds that took."""
        started = time.monotonic()
        command = entered(self._root, *PROGRAM, "--config", "/trial", "--skip-pip", "--log-no-color")
        with self._folder.joinpath("console.log").open("ab") as console:
            self._process = subprocess.Popen(command, stdout=console, stderr=console, start_new_session=True)
        if not until(self._is_running, START_S):
            raise SystemExit(f"Home Assistant did not start in {START_S:g} s; see {self._folder}/console.log")
        return time.monotonic() - started

    def stop(self) -> None:
        """End it as a service manager does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def ask(self, path: str, body: object = None) -> Any:
        """Ask its REST interface; None if it does not answer, or knows nothing of it."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/api/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return text

    def states(self) -> dict[str, dict[str, Any]]:
        """Every entity's state, by its id."""
        return {state["entity_id"]: state for state in self.ask("states") or ()}

    def state(self, entity: str) -> str | None:
        """An entity's state; None if there is no such entity."""
        found = self.ask(f"states/{entity}")
        return found["state"] if isinstance(found, dict) else None

    def attributes(self, entity: str) -> dict[str, Any]:
        """An entity's attributes."""
        found = self.ask(f"states/{entity}")
        return found["attributes"] if isinstance(found, dict) else {}

    def template(self, text: str) -> Any:
        """What a template gives."""
        return self.ask("template", {"template": text})

    def _is_running(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise SystemExit(f"Home Assistant ended; see {self._folder}/console.log")
        told = self.ask("config")
        return isinstance(told, dict) and told["state"] == "RUNNING"

    def _store(self, key: str, version: int, data: object, minor: int = 1) -> None:
        content = {"version": version, "minor_version": minor, "key": key, "data": data}
        (self._folder / ".storage" / key).write_text(json.dumps(content))

    def _make_token(self) -> str:
        """A user with a token that lasts, as its own profile page makes one."""
        key, token_id = "5e" * 64, "7" * 32
        user = {"id": "1" * 32, "group_ids": ["system-admin"], "is_owner": True, "name": "Trial", "is_active": True}
        token = {"id": token_id, "user_id": "1" * 32, "client_id": None, "client_name": "trial", "client_icon": None}
        token |= {"token_type": "long_lived_access_token", "created_at": MOMENT, "access_token_expiration": 3.2e8}
        token |= {"token": "9" * 128, "jwt_key": key, "last_used_at": None, "last_used_ip": None}
        users = [{**user, "system_generated": False, "local_only": False}]
        data = {"users": users, "groups": [], "credentials": [], "refresh_tokens": [token]}
        self._store("auth", 1, data)
        now = int(time.time())
        parts = [{"alg": "HS256", "typ": "JWT"}, {"iss": token_id, "iat": now, "exp": now + 86_400}]
        signed = ".".join(_url64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_url64(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())}"


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mqtt_entry(port: int) -> dict[str, Any]:
    """The integration, as its dialogue leaves it."""
    entry = {"created_at": MOMENT, "modified_at": MOMENT, "domain": "mqtt", "entry_id": "0" * 26, "title": "mosquitto"}
    entry |= {"data": {"broker": "127.0.0.1", "port": port, "protocol": "5"}, "options": {}, "source": "user"}
    entry |= {"disabled_by": None, "discovery_keys": {}, "minor_version": 2, "version": 1, "unique_id": None}
    return {**entry, "pref_disable_new_entities": False, "pref_disable_polling": False, "subentries": []}
