"""A report of a station with secrets planted in every place: none is in any byte of the zip."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from waste_edge.device.service.instances import Instance
from waste_edge.device.service.unit import Places
from waste_edge.device.support.archive import CONTENTS, check_place, lines_of, write_report
from waste_edge.device.support.gather import Gatherer, Part, Wish
from waste_edge.device.support.redact import Redactor
from waste_edge.device.system.command import Answer
from waste_edge.errors import UserError, WasteEdgeError

PLANTED = {
    name: f"Planted{name}7x"
    for name in (
        "Password", "Page", "Webhook", "Push", "Topic", "Stream", "Variable", "Path", "Unit", "File", "Journal",
        "Wrong", "Comment",
    )
}  # fmt: skip
CROP = "0" * 32 + ".jpg"


class Programs:
    """Stands for systemctl, journalctl and our own verbs; says what it was told to."""

    def __init__(self, **answers: Answer | None) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []

    def __call__(self, command, timeout_s, environment=None):
        self.asked.append(list(command))
        name = next((word for word in command if word in self.answers), "")
        return self.answers.get(name)


def journal() -> str:
    lines = [
        "2026-05-01T08:00:00 waste-edge[9]: "
        + json.dumps({"kind": "health", "text": f"broker says {PLANTED['Password']}"}),
        f"2026-05-01T08:00:01 waste-edge[9]: http://bin1:8470/?token={PLANTED['Page']}",
        f"2026-05-01T08:00:02 waste-edge[9]: password={PLANTED['Journal']}",
        f"2026-05-01T08:00:03 x[9]: {PLANTED['Variable']} {PLANTED['File']}",
        f"2026-05-01T08:00:03 x[9]: {PLANTED['Unit']} {PLANTED['Webhook']} {PLANTED['Topic']}",
        "2026-05-01T08:00:04 waste-edge[9]: camera: ok: looking at /dev/video0",
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def station(tmp_path: Path) -> Path:
    files = {"mqtt-password": "Password", "page-token": "Page", "webhook-secret": "Webhook", "push-token": "Push"}
    for name, planted in files.items():
        (tmp_path / name).write_text(PLANTED[planted] + "\n")
    (tmp_path / "site.toml").write_text('name = "yard"\nresidual = "rest"\n[streams]\nglass = "glass"\n')
    (tmp_path / "station.toml").write_text(
        f"""
        name = "bin 1"      # my old password was {PLANTED["Comment"]}
        source = "rtsp://admin:{PLANTED["Stream"]}@cam/h264"
        site = "site.toml"
        state = "state"
        [page]
        token_file = "page-token"
        [json_lines]
        path = "events.jsonl"
        [mqtt]
        host = "broker.local"
        username = "bin1"
        password_file = "mqtt-password"
        [webhook]
        url = "https://example.org/hook/{PLANTED["Path"]}"
        secret_file = "webhook-secret"
        [push]
        url = "https://ntfy.sh"
        topic = "{PLANTED["Topic"]}"
        secret_environment = "PUSH_TOKEN"
        """.replace("# my old password was", "# my old password:")
    )
    (tmp_path / "env").write_text(f"# of a drop-in\nAPI_TOKEN='{PLANTED['File']}'\n")
    state = tmp_path / "state"
    (state / "collect").mkdir(parents=True)
    (state / "collect" / CROP).write_bytes(b"\xff\xd8 a picture")
    conditions = [{"part": "sink-mqtt", "level": "warn", "text": f"refused {PLANTED['Password']}"}]
    line = {"kind": "health", "level": "warn", "conditions": conditions}
    (state / "events.jsonl").write_text(json.dumps(line, separators=(",", ":")) + '\n{"kind":"decision"}\n')
    return tmp_path


def gathered(station: Path, **wish: object) -> tuple[Gatherer, list[Part], Programs]:
    unit = (
        f'[Service]\nEnvironment="PUSH_TOKEN={PLANTED["Unit"]}"\nExecStart=/opt/waste-edge/current/bin/waste-edge run\n'
    )
    programs = Programs(
        show=Answer(0, f'Environment=A=b "PUSH_TOKEN={PLANTED["Unit"]}"\nEnvironmentFiles={station}/env (x=no)\n'),
        cat=Answer(0, unit),
        journalctl=Answer(0, journal()),
        doctor=Answer(2, json.dumps({"level": "bad", "text": f"mqtt: {PLANTED['Password']} {PLANTED['Wrong']}"})),
        bench=Answer(0, json.dumps({"rows": [1.5]})),
    )
    programs.answers["--unit=waste-edge.service"] = programs.answers["journalctl"]
    environment = {"HOME_TOKEN": PLANTED["Variable"], "PYTHONPATH": f"http://u:{PLANTED['Wrong']}@host", "LANG": "C"}
    settings = {"config": station / "station.toml", **wish}
    gatherer = Gatherer(Wish(**settings), environment, programs, Places(station))  # type: ignore[arg-type]
    return gatherer, gatherer.parts(), programs


def test_no_planted_secret_is_in_the_zip_and_what_helps_is(station, tmp_path):
    gatherer, parts, _ = gathered(station)
    out = tmp_path / "report.zip"
    write_report(out, parts, gatherer.redactor)
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    whole = "\n".join([*texts, *texts.values(), *lines_of(parts)])
    assert [name for name, planted in PLANTED.items() if planted in whole] == []
    expected = [
        CONTENTS,
        "versions.json",
        "station.toml",
        "site.toml",
        "service.txt",
        "log.txt",
        "health.json",
        "state.txt",
    ]
    assert list(texts) == [*expected, "doctor.json", "bench.json"]
    assert 'name = "bin 1"' in texts["station.toml"]
    assert "https://example.org/…" in texts["station.toml"]
    assert "looking at /dev/video0" in texts["log.txt"]
    assert "Environment=PUSH_TOKEN=" in texts["service.txt"]
    assert json.loads(texts["health.json"])["conditions"][0]["part"] == "sink-mqtt"
    assert json.loads(texts["doctor.json"])["exit_code"] == 2
    assert json.loads(texts["versions.json"])["environment"] == {
        "LANG": "C", "HOME_TOKEN": "[removed]", "PYTHONPATH": "[not shown]",
    }  # fmt: skip
    assert "events.jsonl" in texts["state.txt"]


def test_pictures_only_when_asked_and_within_bounds(station, monkeypatch):
    assert not [part for part in gathered(station)[1] if part.name.startswith("pictures")]
    pictures = [part for part in gathered(station, pictures=True)[1] if part.name.startswith("pictures")]
    assert [(one.name, one.content) for one in pictures] == [(f"pictures/{CROP}", b"\xff\xd8 a picture")]
    for index in range(30):
        (station / "state/collect" / f"{index:032x}.png").write_bytes(b"x" * 10)
    monkeypatch.setattr("waste_edge.device.support.gather.MAX_SUPPORT_PICTURES_BYTES", 55)
    pictures = [part for part in gathered(station, pictures=True)[1] if part.name.startswith("pictures")]
    assert 1 <= len(pictures) <= 6
    assert sum(len(part.content) for part in pictures) <= 55


def test_what_fails_is_listed_with_the_reason_and_the_rest_goes_on(tmp_path):
    (tmp_path / "station.toml").write_text(f"this is = no toml [\npassword = {PLANTED['Wrong']}\n")
    dead = Programs(doctor=Answer(None))
    gatherer = Gatherer(Wish(tmp_path / "station.toml", tmp_path / "none", bench=False), {}, dead, Places(tmp_path))
    parts = {part.name: part for part in gatherer.parts()}
    assert PLANTED["Wrong"].encode() not in parts["station.toml"].content
    assert "there is no systemd here" in parts["service.txt"].about
    assert "--log FILE" in parts["log.txt"].about
    assert "gave no answer within 90 s" in parts["doctor.json"].about
    assert "bench.json" not in parts
    assert "this user may see" in parts["state.txt"].about


def test_an_instance_has_a_unit_and_a_folder_of_its_own(tmp_path):
    programs = Programs()
    gatherer = Gatherer(Wish(bench=False), {}, programs, Places(tmp_path, instance=Instance("left")))
    gatherer.parts()
    assert gatherer.config == tmp_path / "etc/waste-edge/left/station.toml"
    assert gatherer.state == tmp_path / "var/lib/waste-edge-left"
    asked = [" ".join(command) for command in programs.asked]
    assert [line for line in asked if "journalctl" in line and "--unit=waste-edge@left.service" in line]


def test_a_log_may_come_from_a_file_and_only_its_end_is_taken(station, monkeypatch):
    monkeypatch.setattr("waste_edge.device.support.gather.MAX_SUPPORT_TEXT_BYTES", 2000)
    (station / "log").write_text("begin\n" + f"token={PLANTED['Journal']}\n" * 200 + "end\n")
    log = next(part for part in gathered(station, log=station / "log")[1] if part.name == "log.txt")
    assert log.content.endswith(b"end\n")
    assert b"begin" not in log.content
    assert PLANTED["Journal"].encode() not in log.content


def test_a_part_that_still_holds_a_secret_stops_everything(tmp_path):
    out = tmp_path / "report.zip"
    with pytest.raises(WasteEdgeError, match=r"log\.txt: still holds a secret"):
        write_report(out, [Part("log.txt", b"it is Planted", "a log")], Redactor(["Planted"]))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_before_anything_is_gathered(tmp_path):
    (tmp_path / "there.zip").touch()
    for place, words in ((tmp_path / "there.zip", "exists already"), (tmp_path / "no/where.zip", "there is no folder")):
        with pytest.raises(UserError, match=words):
            check_place(place)
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(UserError, match="cannot be written"):
            write_report(tmp_path / "closed/x.zip", [], Redactor())
