"""Writing a setup: the difference first, everything or nothing, and secrets for nobody else."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from waste_edge.device.config import read_config
from waste_edge.device.service.instances import Instance
from waste_edge.device.service.unit import Places
from waste_edge.device.setup.answers import Answers, Broker
from waste_edge.device.setup.write import Before, default_place, give_to_service, plan, read_before, write
from waste_edge.errors import ConfigError, UserError

ALL = Answers("bin 7", "synthetic", "four_bins", None, Broker("b.local", "bin1", "hunter2"), "network")


def test_a_station_from_nothing_and_again_from_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    first = plan(read_before(path), ALL)
    assert first.difference()[0] == "--- the shipped station.toml"
    assert "hunter2" not in f"{first.difference()}{first}"
    write(first)
    config = read_config(path)
    assert (config.name, config.site, config.state) == ("bin 7", "four_bins", str(tmp_path / "state"))
    assert (tmp_path / "state").is_dir()
    assert (tmp_path / "mqtt-password").read_text() == "hunter2\n"
    assert len((tmp_path / "page-token").read_text().strip()) == 32
    for name in ("station.toml", "mqtt-password", "page-token"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
    second = plan(read_before(path), Answers(name="bin 8", page="network"))
    assert [line for line in second.difference() if line[0] in "+-"][2:] == ['-name = "bin 7"', '+name = "bin 8"']
    assert second.secrets == {}
    assert plan(read_before(path), Answers(name="bin 7")).is_empty


def test_passwords_in_addresses_are_not_shown(tmp_path: Path) -> None:
    lines = plan(read_before(tmp_path / "x.toml"), Answers(camera="rtsp://u:hunter2@cam/1")).difference()
    assert "hunter2" not in "\n".join(lines)
    assert '+source = "rtsp://cam/1"' in lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("this is = no toml [", "mend it, or move it away"),
        ('nam = "x"', "unknown key `nam`; did you mean name?; mend it"),
    ],
)
def test_a_file_that_is_wrong_already_is_left_alone(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "station.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"station\.toml") as caught:
        read_before(path)
    assert words in str(caught.value)
    assert path.read_text() == text


def test_a_form_that_is_not_changed_line_by_line_is_said(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text('mqtt = { host = "a" }\n')
    with pytest.raises(ConfigError, match="change this one by hand"):
        plan(read_before(path), Answers(broker=Broker("b")))


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import waste_edge.device.setup.write as module

    path = tmp_path / "station.toml"
    (tmp_path / "mqtt-password").write_text("before\n")
    planned, real = plan(read_before(path), ALL), module.write_atomically

    def full(target: Path, content: bytes | str, mode: int = 0o644) -> None:
        if target == path:
            raise UserError(f"{target}: cannot be written (No space left on device); choose another place")
        real(target, content, mode=mode)

    monkeypatch.setattr(module, "write_atomically", full)
    with pytest.raises(UserError, match="No space left"):
        write(planned)
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == ["mqtt-password"]
    assert (tmp_path / "mqtt-password").read_text() == "before\n"


def test_the_service_s_own_place_and_an_instance_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_place(Places(tmp_path)) == tmp_path / "etc/waste-edge/station.toml"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_place(Places(tmp_path)) == Path("station.toml")
    left = Before(Instance("left").config(), "", 'name = "left"\n', {"name": "left"})
    assert plan(left, Answers(camera="auto")).text == 'name = "left"\ncamera = "auto"\n'  # its state is systemd's
    elsewhere = Before(tmp_path / "station.toml", "", 'name = "left"\n', {"name": "left"})
    assert 'state = "state"' in plan(elsewhere, Answers(camera="auto")).text


def test_files_of_a_service_are_for_its_group(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    write(plan(read_before(path), ALL))
    give_to_service(path, grp.getgrgid(os.getegid()).gr_name)
    for name in ("station.toml", "mqtt-password", "page-token"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    with pytest.raises(UserError, match="cannot be given to the group no-such-group"):
        give_to_service(path, "no-such-group")
