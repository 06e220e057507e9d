"""The container's files agree with the package and with each other; `make test-container` builds and runs the image."""

from __future__ import annotations

import http.server
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from waste_edge import __version__
from waste_edge.device.config import StationConfig, read_config

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "container"
COMPOSE = yaml.safe_load((CONTAINER / "compose/compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def start() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start", CONTAINER / "home-assistant/start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configured(path: Path, text: str) -> StationConfig:
    path.write_text(text, encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize("name", ["station.toml", "compose/station.toml"])
def test_a_station_reads_its_configuration(name: str) -> None:
    config = read_config(CONTAINER / name)
    assert config.page is not None
    assert config.page.port == 8470
    assert config.page.token_environment == "WASTE_EDGE_PAGE_TOKEN"


def test_the_station_of_the_compose_file_may_do_little() -> None:
    station = COMPOSE["services"]["station"]
    assert station["read_only"] is True
    assert station["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in station["security_opt"]
    assert "privileged" not in station


def test_every_file_and_service_that_the_compose_file_names_is_there() -> None:
    volumes = [one for service in COMPOSE["services"].values() for one in service.get("volumes", ())]
    mounted = [one.split(":")[0] for one in volumes]
    files = [one for one in mounted if one.startswith(".")]
    assert [one for one in files if not (CONTAINER / "compose" / one).is_file()] == []
    assert {one for one in mounted if not one.startswith(".")} == set(COMPOSE["volumes"])
    station = read_config(CONTAINER / "compose/station.toml")
    assert station.mqtt is not None
    assert station.mqtt.host in COMPOSE["services"]
    prometheus = yaml.safe_load((CONTAINER / "compose/prometheus.yml").read_text(encoding="utf-8"))
    ((target,),) = (one["targets"] for one in prometheus["scrape_configs"][0]["static_configs"])
    assert target.split(":")[0] in COMPOSE["services"]
    assert station.page is not None
    assert target.split(":")[0] in station.page.names


def test_every_secret_of_the_compose_file_is_asked_for() -> None:
    text = (CONTAINER / "compose/compose.yaml").read_text(encoding="utf-8")
    example = (CONTAINER / "compose/.env.example").read_text(encoding="utf-8")
    for name in ("WASTE_EDGE_PAGE_TOKEN", "MQTT_PASSWORD", "GRAFANA_PASSWORD"):
        assert f"{name}:?" in text
        assert f"\n{name}=\n" in example


def test_the_add_on_s_metadata_agree_with_its_options() -> None:
    described = yaml.safe_load((CONTAINER / "home-assistant/config.yaml").read_text(encoding="utf-8"))
    assert described["version"] == __version__
    assert described["options"].keys() == described["schema"].keys()
    assert described["arch"] == ["aarch64", "amd64"]
    assert "home-assistant.io" not in described.get("url", ""), (
        "Home Assistant's manual is not ours; see `make address`"
    )
    build = yaml.safe_load((CONTAINER / "home-assistant/build.yaml").read_text(encoding="utf-8"))
    assert build["build_from"].keys() == set(described["arch"])


@pytest.mark.parametrize(
    ("mqtt", "host"),
    [({}, None), ({"host": "core-mosquitto", "port": 1883, "username": "addons", "password": "x"}, "core-mosquitto")],
)
def test_options_become_a_configuration(start: ModuleType, tmp_path: Path, mqtt: dict[str, object], host: str) -> None:
    options = {"name": 'bin "1" \\ küche', "camera": "/dev/video0", "site": "four_bins", "page_token": ""}
    config = configured(tmp_path / "station.toml", start.written(options, mqtt))
    assert (config.name, config.camera, config.site) == (options["name"], "/dev/video0", "four_bins")
    assert (config.mqtt.host if config.mqtt else None) == host
    assert config.answers is not None


def test_a_token_is_drawn_once_and_kept(start: ModuleType, tmp_path: Path) -> None:
    token = start.page_token({}, tmp_path / "token")
    assert len(token) == 32
    assert start.page_token({}, tmp_path / "token") == token
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    assert start.page_token({"page_token": "mine"}, tmp_path / "token") == "mine"


class _Supervisor(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        authorized = self.headers["Authorization"] == "Bearer right"
        body = json.dumps({"data": {"host": "core-mosquitto"}}).encode() if authorized else b"{}"
        self.send_response(200 if authorized else 401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def supervisor() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Supervisor) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_the_broker_is_the_supervisor_s(start: ModuleType, supervisor: str) -> None:
    assert start.broker({"SUPERVISOR_TOKEN": "right"}, supervisor) == {"host": "core-mosquitto"}
    assert start.broker({"SUPERVISOR_TOKEN": "wrong"}, supervisor) == {}
    assert start.broker({}, supervisor) == {}


def test_the_health_check_is_the_answer_of_the_page(supervisor: str) -> None:
    command = [sys.executable, "-IS", str(CONTAINER / "health.py")]
    asked = subprocess.run(command, env={"WASTE_EDGE_HEALTH": supervisor}, capture_output=True, text=True, check=False)
    assert asked.returncode == 1  # 401 here; 503 from a station that is unwell
    asked = subprocess.run(
        command, env={"WASTE_EDGE_HEALTH": "http://127.0.0.1:9/"}, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    assert "no answer" in asked.stdout
