"""`station.toml`: every key, wrong ones, and what relative paths are relative to."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.config import StationConfig, read_config, state_folder
from waste_edge.device.gpio.config import ButtonConfig, GpioConfig, OutputConfig
from waste_edge.device.models.config import ModelsConfig
from waste_edge.device.outbox.config import OutboxConfig
from waste_edge.device.page.config import PageConfig
from waste_edge.device.sinks.json_lines import JsonLinesConfig
from waste_edge.device.sinks.mqtt import MqttConfig
from waste_edge.device.sinks.push import PushConfig
from waste_edge.device.sinks.webhook import WebhookConfig
from waste_edge.device.system.disk import DiskLimits
from waste_edge.device.system.shedding import Thresholds
from waste_edge.errors import ConfigError
from waste_edge.files.resources import shipped

EVERY_KEY = """
name = "bin 7"
camera = "picamera:1"
camera_python = "/usr/bin/python3"
bundle = "small"
engine = "onnx"
precision = "fp32"
threads = 2
looks = 6
require_key = "/etc/waste-edge/key.pub"
allow_older = true
site = "four_bins"
state = "/var/lib/bin"
[disk]
budget_mb_a_day = 100
low_mb = 300
full_mb = 10
[load]
warm_c = 70
hot_c = 75
cooled_by_c = 2
calm_readings = 5
warm_fps = 4
hot_fps = 1
shared_fps = 0.5
[outbox]
max_age_days = 7
max_mb = 8
max_events_in_memory = 50
features = false
[answers]
expire_s = 90
audit = 0.02
sources = ["page", "gpio"]
[collect]
keep = ["asked", "corrected"]
max_days = 7
max_mb = 50
format = "png"
[models]
watch_folder = "/media/models"
shadow = false
judge_by = "audited"
most_answers = 500
probation_items = 50
max_mb = 64
[page]
host = "0.0.0.0"
port = 8080
token_file = "/etc/waste-edge/page-token"
names = ["bin7.example.org"]
items = 20
live_fps = 2
[json_lines]
path = "log/events.jsonl"
max_mb = 1
keep = 2
[mqtt]
host = "broker.local"
port = 8884
topic = "yard/bin7"
client_id = "yard-bin7"
username = "bin7"
password_file = "/etc/waste-edge/password"
tls = true
ca_file = "/etc/waste-edge/ca.pem"
certificate_file = "/etc/waste-edge/bin7.pem"
key_file = "/etc/waste-edge/bin7.key"
keepalive_s = 20
timeout_s = 5
home_assistant = false
discovery = "entities"
discovery_topic = "ha"
image = true
[webhook]
url = "https://example.org/waste"
secret_file = "/etc/waste-edge/webhook-secret"
[push]
url = "http://ntfy.local"
topic = "yard-bin7"
secret_file = "/etc/waste-edge/push-token"
allow_private = true
ask = false
health = "warn"
asks_a_day = 20
every_items = { blue = 200 }
cooldown_s = 60
click = "http://bin7.local:8080"
[[gpio.outputs]]
stream = "blue"
pin = 17
kind = "relay"
active_high = false
hold_s = 3
[[gpio.outputs]]
stream = "black"
pin = 18
kind = "servo"
closed_deg = -45
open_deg = 45
[[gpio.buttons]]
pin = 5
answer = "blue"
pull_up = false
bounce_s = 0.1
[[gpio.buttons]]
pin = 6
candidate = 1
[gpio]
watchdog_s = 2
"""
TABLES = ("json_lines", "mqtt", "webhook", "push", "answers", "gpio")
WEBHOOK = WebhookConfig(url="https://example.org/waste", secret_file="/etc/waste-edge/webhook-secret")
PUSH = PushConfig(
    url="http://ntfy.local",
    topic="yard-bin7",
    secret_file="/etc/waste-edge/push-token",
    allow_private=True,
    ask=False,
    health="warn",
    asks_a_day=20,
    every_items={"blue": 200},
    cooldown_s=60,
    click="http://bin7.local:8080",
)
GPIO = GpioConfig(
    outputs=(
        OutputConfig(stream="blue", pin=17, kind="relay", active_high=False, hold_s=3),
        OutputConfig(stream="black", pin=18, kind="servo", closed_deg=-45, open_deg=45),
    ),
    buttons=(ButtonConfig(pin=5, answer="blue", pull_up=False, bounce_s=0.1), ButtonConfig(pin=6, candidate=1)),
    watchdog_s=2,
)
MQTT = MqttConfig(
    host="broker.local",
    port=8884,
    topic="yard/bin7",
    client_id="yard-bin7",
    username="bin7",
    password_file="/etc/waste-edge/password",
    tls=True,
    ca_file="/etc/waste-edge/ca.pem",
    certificate_file="/etc/waste-edge/bin7.pem",
    key_file="/etc/waste-edge/bin7.key",
    keepalive_s=20,
    timeout_s=5.0,
    home_assistant=False,
    discovery="entities",
    discovery_topic="ha",
    image=True,
)


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> StationConfig:
        path = tmp_path / "station.toml"
        path.write_text(text, encoding="utf-8")
        return read_config(path)

    return read


def test_an_empty_file_is_the_defaults_and_has_no_sinks(read):
    config = read("")
    assert config == StationConfig()
    assert (config.json_lines, config.mqtt) == (None, None)


def test_every_key_is_read(read):
    assert read(EVERY_KEY) == StationConfig(
        name="bin 7",
        camera="picamera:1",
        camera_python="/usr/bin/python3",
        bundle="small",
        engine="onnx",
        precision="fp32",
        threads=2,
        looks=6,
        require_key="/etc/waste-edge/key.pub",
        allow_older=True,
        site="four_bins",
        state="/var/lib/bin",
        disk=DiskLimits(budget_mb_a_day=100, low_mb=300, full_mb=10),
        load=Thresholds(warm_c=70, hot_c=75, cooled_by_c=2, calm_readings=5, warm_fps=4, hot_fps=1, shared_fps=0.5),
        outbox=OutboxConfig(max_age_days=7, max_mb=8, max_events_in_memory=50, features=False),
        answers=AnswersConfig(expire_s=90, audit=0.02, sources=("page", "gpio")),
        collect=CollectConfig(keep=("asked", "corrected"), max_days=7, max_mb=50, format="png"),
        models=ModelsConfig(
            watch_folder="/media/models",
            shadow=False,
            judge_by="audited",
            most_answers=500,
            probation_items=50,
            max_mb=64,
        ),
        page=PageConfig(
            host="0.0.0.0",
            port=8080,
            token_file="/etc/waste-edge/page-token",
            names=["bin7.example.org"],
            items=20,
            live_fps=2,
        ),
        json_lines=JsonLinesConfig(path="log/events.jsonl", max_mb=1, keep=2),
        mqtt=MQTT,
        webhook=WEBHOOK,
        push=PUSH,
        gpio=GPIO,
    )


def test_no_key_was_left_out_of_these_tests():
    tables = {"disk": DiskLimits, "load": Thresholds, "outbox": OutboxConfig, "json_lines": JsonLinesConfig}
    tables |= {"answers": AnswersConfig, "mqtt": MqttConfig, "webhook": WebhookConfig, "push": PushConfig}
    tables |= {"collect": CollectConfig, "gpio": GpioConfig, "gpio.outputs": OutputConfig, "gpio.buttons": ButtonConfig}
    tables |= {"page": PageConfig, "models": ModelsConfig}
    keys = set(StationConfig.__struct_fields__) - {*tables, "sinks"}
    for table in tables.values():
        keys |= set(table.__struct_fields__) - {"outputs", "buttons"}
    tried = set(re.findall(r"^(\w+) = ", EVERY_KEY, re.MULTILINE))
    excluding = {"source", "password_environment", "secret_environment", "token_environment"}
    assert keys - tried == excluding, "they exclude others, and have tests of their own"


def test_a_password_may_come_from_the_environment(read):
    config = read('[mqtt]\nhost = "b"\nusername = "u"\npassword_environment = "SECRET"')
    assert config.mqtt is not None
    assert config.mqtt.password_environment == "SECRET"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('camara = "auto"', "unknown key `camara`"),
        ('[json_lines]\nfile = "a"', "unknown key `file`, in `json_lines`"),
        ('[mqtt]\nhost = "b"\nuser = "u"', "unknown key `user`, in `mqtt`"),
        ("[mqtt]", "missing key `host`, in `mqtt`"),
        ("[kafka]", "unknown key `kafka`"),
        ('threads = "two"', "in `threads`"),
        ("threads = 0", "threads must be 1 to 64, got 0"),
        ('engine = "torch"', "engine: 'torch' is not known; expected one of auto, litert, onnx"),
        ('[sinks.pigeon]\nloft = "a"', "sinks.'pigeon' is not known; none is installed"),
        ('[sinks.mqtt]\nhost = "b"', "sinks.mqtt: is a table of the package's own; write [mqtt]"),
        ('name = ""', "name must not be empty"),
        ("[disk]\nlow_mb = 1", "expected 0 <= full_mb <= low_mb, got 20 and 1"),
        ('camera = "auto"\nsource = "film.mp4"', "camera and source exclude each other; keep one"),
        ("name = \nthreads = 1", "Invalid value (at line 1, column 8)"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_key(read, text, words):
    with pytest.raises(ConfigError) as caught:
        read(text)
    message = str(caught.value)
    assert words in message
    assert "station.toml: " in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"station\.toml: no such file"):
        read_config(tmp_path / "station.toml")


def test_paths_are_relative_to_the_file_and_names_stay_names(read, tmp_path):
    (tmp_path / "yard.toml").touch()
    (tmp_path / "films").mkdir()
    config = read(
        'state = "state"\nrequire_key = "key.pub"\ncamera_python = "bin/python"\nsite = "yard.toml"\nbundle = "small"\n'
        'source = "films"\n[mqtt]\nhost = "b"\nusername = "u"\npassword_file = "password"\ntls = true\n'
        'ca_file = "ca.pem"'
    )
    assert config.mqtt is not None
    below = {"state", "key.pub", "bin/python", "yard.toml", "films", "password", "ca.pem"}
    paths = {config.state, config.require_key, config.camera_python, config.site, config.source}
    assert paths | {config.mqtt.password_file, config.mqtt.ca_file} == {str(tmp_path / name) for name in below}
    assert (config.bundle, config.mqtt.key_file) == ("small", "")


def test_an_address_stays_an_address(read):
    assert read('source = "rtsp://cam/stream"').source == "rtsp://cam/stream"


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        (None, {}, None),
        (None, {"STATE_DIRECTORY": "/var/lib/waste-edge"}, "/var/lib/waste-edge"),
        ("/srv/bin", {"STATE_DIRECTORY": "/var/lib/waste-edge"}, "/srv/bin"),
        ("", {"STATE_DIRECTORY": "/var/lib/waste-edge"}, "/var/lib/waste-edge"),
        (None, {"STATE_DIRECTORY": ""}, None),
    ],
)
def test_where_events_are_kept(configured, environment, expected):
    folder = state_folder(StationConfig(state=configured), environment)
    assert folder == (None if expected is None else Path(expected))


def test_an_empty_state_is_what_systemd_gives_or_an_error():
    config = StationConfig(state="")
    assert state_folder(config, {"STATE_DIRECTORY": "/var/lib/x"}) == Path("/var/lib/x")
    for environment in ({}, {"STATE_DIRECTORY": ""}):
        with pytest.raises(ConfigError, match="nothing would be kept"):
            state_folder(config, environment)


def test_the_shipped_file_is_a_station_with_a_log(read):
    config = read(shipped("device/station.toml").read_text(encoding="utf-8"))
    assert (config.camera, config.bundle, config.mqtt) == ("auto", "auto", None)
    assert config.json_lines == JsonLinesConfig()


def test_the_shipped_file_s_commented_out_keys_are_real(read):
    text = shipped("device/station.toml").read_text(encoding="utf-8")
    uncommented = re.sub(r"^# (\w+ = .+|\[+[\w.]+\]+)$", r"\1", text, flags=re.MULTILINE)
    config = read(uncommented)
    assert (config.site, config.state) == ("four_bins", "/var/lib/waste-edge")
    assert config.mqtt is not None
    given = {key: value for key, value in msgspec.structs.asdict(config.mqtt).items() if value}
    assert {"host", "username", "password_file", "tls"} <= set(given)
    assert not re.search(r"^#\s*\w+\s*=", uncommented, re.MULTILINE), "no example was passed over"
    not_shown = {name for name in StationConfig.__struct_fields__ if getattr(config, name) is None}
    assert not_shown == {"source", "camera_python", "require_key"}
    as_shipped = read(text)
    assert [name for name in TABLES if getattr(as_shipped, name) is not None] == ["json_lines"], "the others are off"


def test_a_home_and_variables_are_what_a_shell_makes_of_them(read, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WHERE", "yard")
    config = read(
        'state = "~/station"\nsite = "$HOME/site.toml"\nbundle = "${HOME}/b"\n[json_lines]\npath = "$WHERE.jsonl"\n'
        '[mqtt]\nhost = "b"\nusername = "u"\npassword_file = "~/password"'
    )
    home = f"{tmp_path}/home"
    assert (config.state, config.site, config.bundle) == (f"{home}/station", f"{home}/site.toml", f"{home}/b")
    assert config.json_lines is not None
    assert config.json_lines.path == "yard.jsonl"
    assert config.mqtt is not None
    assert config.mqtt.password_file == f"{home}/password"
    assert read('source = "rtsp://u:$1~@cam/x"').source == "rtsp://u:$1~@cam/x"
    assert read('state = ""').state == ""  # what systemd gives


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('state = "$NO_SUCH_PLACE/x"', "state $NO_SUCH_PLACE/x: there is no variable NO_SUCH_PLACE"),
        ('state = "~nobody-of-this-name/x"', "no such user's home"),
        ('require_key = "\\u0000"', "require_key: holds a NUL"),
        ('name = "a\\u0000"', "a NUL character"),
        ('camera = "a\\u0000"', "a NUL character"),
        ('[json_lines]\npath = "\\u0000"', "json_lines.path: holds a NUL"),
        (f'name = "{"x" * 201}"', "at most 200 letters, got 201"),
        ("[json_lines]\nmax_mb = inf", "max_mb"),
        ("[json_lines]\nmax_mb = 1e9", "expected max_mb up to 100000"),
        ("[json_lines]\nkeep = 999999999", "keep up to 10000"),
        ("[outbox]\nmax_mb = inf", "max_mb"),
        ("[outbox]\nmax_mb = 1e9", "max_mb up to 1000000"),
        ("[outbox]\nmax_age_days = nan", "max_age_days"),
        ("[load]\nwarm_fps = inf", "load"),
        ("[load]\nhot_c = nan", "load"),
        ("[disk]\nlow_mb = inf", "low_mb"),
        ('[mqtt]\nhost = "b"\nport = 0', "a port from 1 to 65535"),
        ('[mqtt]\nhost = "b"\nkeepalive_s = 70000', "up to 3600"),
        ('[mqtt]\nhost = "b"\ntimeout_s = nan', "timeout_s"),
        ('[mqtt]\nhost = "mqtt://b"', "a name or an address alone"),
        ('[mqtt]\nhost = "b c"', "a name or an address alone"),
        ('[mqtt]\nhost = "user:secret@b"', "host 'b': expected a name or an address alone"),
        ('[mqtt]\nhost = "mqtts://user:se@cret@b/"', "host 'b/': expected a name or an address alone"),
        (f'[mqtt]\nhost = "b"\ntopic = "{"x" * 1001}"', "at most 1000 letters"),
    ],
)
def test_what_could_never_work_is_refused_when_it_is_read(read, text, words):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert words in str(caught.value)
    assert str(caught.value).count("station.toml") == 1


def test_a_pipe_is_not_waited_for_and_a_huge_file_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ConfigError, match=r"pipe.toml: is no regular file"):
        read_config(tmp_path / "pipe.toml")
    with (tmp_path / "huge.toml").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ConfigError, match=r"huge.toml: .* has at most 1048576"):
        read_config(tmp_path / "huge.toml")
