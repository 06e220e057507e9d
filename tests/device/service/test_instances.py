"""Several stations on one board: names, units, files, and what two of them must not share."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.device.service.test_unit import Commands
from waste_edge.device.config import read_config
from waste_edge.device.service import unit as service
from waste_edge.device.service.find_state import find_state
from waste_edge.device.service.instances import (
    ONLY,
    Instance,
    check_apart,
    chosen_instances,
    installed_instances,
    instance_of_config,
    template_of,
)
from waste_edge.device.service.status import parse
from waste_edge.device.service.update import start_services
from waste_edge.errors import UserError, WasteEdgeError
from waste_edge.files.resources import shipped

LEFT, RIGHT = Instance("left"), Instance("right")


class Systemd(Commands):
    """Makes and removes the links that `systemctl enable` and `disable` make; remembers every command."""

    def __init__(self, root: Path, failing: str = "") -> None:
        super().__init__(failing)
        self.wants = root / "etc/systemd/system/multi-user.target.wants"

    def __call__(self, command) -> None:
        super().__call__(command)
        if command[:2] == ("systemctl", "enable"):
            self.wants.mkdir(parents=True, exist_ok=True)
            (self.wants / command[2]).symlink_to("/etc/systemd/system/waste-edge@.service")
        if command[:2] == ("systemctl", "disable"):
            (self.wants / command[-1]).unlink()


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service, "this_executable", lambda: Path("/opt/waste-edge/current/bin/waste-edge"))
    monkeypatch.setattr(service, "check_reachable", lambda *paths: None)
    return tmp_path / "root"


def places(root: Path, instance: Instance, camera: str | None = None) -> service.Places:
    return service.Places(root, grp.getgrgid(os.getgid()).gr_name, instance=instance, camera=camera)


def install(root: Path, instance: Instance, camera: str | None = None) -> Systemd:
    systemd = Systemd(root)
    service.install(places(root, instance, camera), systemd)
    return systemd


@pytest.mark.parametrize("name", ["Left", "left.one", "-left", "a/b", "..", "a" * 33, "a b", "%i"])
def test_a_name_that_systemd_would_escape_is_refused(name):
    with pytest.raises(UserError, match=r"--instance .* expected 1 to 32 of a-z"):
        Instance(name)


def test_each_has_a_unit_a_file_and_a_folder_of_its_own():
    assert (ONLY.unit, LEFT.unit) == ("waste-edge.service", "waste-edge@left.service")
    assert [str(one.config()) for one in (ONLY, LEFT)] == [
        "/etc/waste-edge/station.toml",
        "/etc/waste-edge/left/station.toml",
    ]
    assert [str(one.state()) for one in (ONLY, LEFT)] == ["/var/lib/waste-edge", "/var/lib/waste-edge-left"]
    assert [instance_of_config(one.config()) for one in (ONLY, LEFT)] == [ONLY, LEFT]
    assert instance_of_config(Path("/home/me/station.toml")) is None
    assert instance_of_config(Path("/etc/waste-edge/left/other.toml")) is None


def test_the_template_differs_by_its_name_in_six_lines_and_confines_alike():
    unit = service.render_unit(Path("/usr/bin/waste-edge"))
    template = service.render_unit(Path("/usr/bin/waste-edge"), LEFT)
    changed = [line for line in template.splitlines() if line not in unit.splitlines()]
    assert changed == [
        "Description=waste-edge %i: names what is put into the bin",
        "ExecStart=/usr/bin/waste-edge run --config /etc/waste-edge/%i/station.toml --json",
        "StateDirectory=waste-edge-%i",
        "WorkingDirectory=%S/waste-edge-%i",
        "Environment=HOME=%S/waste-edge-%i",
        "SyslogIdentifier=waste-edge-%i",
    ]
    assert len(template.splitlines()) == len(unit.splitlines())
    with pytest.raises(ValueError, match="expected one 'StateDirectory"):
        template_of(unit.replace("StateDirectory=waste-edge\n", ""))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)")
def test_systemd_accepts_the_template(tmp_path):
    path = tmp_path / "waste-edge@left.service"
    path.write_text(service.render_unit(Path("/bin/true"), LEFT))
    judged = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


def test_one_is_installed_beside_the_other(root):
    install(root, ONLY, "/dev/video0")
    commands = install(root, LEFT, "/dev/video2").run
    assert commands[-2:] == [
        "systemctl enable waste-edge@left.service",
        "systemctl restart waste-edge@left.service",
    ]
    assert installed_instances(root) == chosen_instances(None, root) == [ONLY, LEFT]
    assert chosen_instances("right", root) == [RIGHT]
    first, second = (read_config(one.config(root)) for one in (ONLY, LEFT))
    assert (first.name, first.camera) == ("bin 1", "/dev/video0")
    assert (second.name, second.camera) == ("left", "/dev/video2")
    assert LEFT.config(root).stat().st_mode & 0o777 == 0o640


def test_uninstalling_one_leaves_the_unit_to_the_others(root):
    install(root, LEFT, "/dev/video0")
    install(root, RIGHT, "/dev/video2")
    service.uninstall(places(root, LEFT), Systemd(root))
    assert installed_instances(root) == [RIGHT]
    assert LEFT.unit_file(root).exists()
    assert LEFT.config(root).exists()
    with pytest.raises(UserError, match=r"waste-edge@left.service: the service is not installed"):
        service.uninstall(places(root, LEFT), Systemd(root))
    service.uninstall(places(root, RIGHT), Systemd(root))
    assert not RIGHT.unit_file(root).exists()
    assert installed_instances(root) == []


def test_an_install_that_fails_leaves_no_trace_of_it(root):
    install(root, LEFT, "/dev/video0")
    with pytest.raises(WasteEdgeError, match=r"enable .* failed"):
        service.install(places(root, RIGHT, "/dev/video2"), Systemd(root, "enable"))
    assert not RIGHT.config(root).parent.exists()
    assert LEFT.config(root).exists()
    assert "waste-edge@" in str(LEFT.unit_file(root))
    assert LEFT.unit_file(root).exists()


def test_the_camera_of_a_station_that_is_configured_is_not_changed_in_passing(root):
    install(root, LEFT, "/dev/video0")
    with pytest.raises(UserError, match="is there already, and --camera changes none"):
        service.install(places(root, LEFT, "/dev/video2"), pytest.fail)


@pytest.mark.parametrize(
    ("theirs", "mine", "key"),
    [
        ('name = "bin"', 'name = "bin"', "name is bin, and bin in .*station.toml; two stations of a board need one"),
        ('camera = "/dev/video0"', 'camera = "/dev/video0"', "camera is /dev/video0.*--camera ID"),
        ('camera = "auto"', 'camera = "/dev/video0"', "camera is /dev/video0, and auto in"),
        ('state = "/data"', 'state = "/data"', "state is /data"),
        ("[page]", "[page]\nport = 8470", r"\[page\] port is 8470"),
        (
            '[gpio]\n[[gpio.outputs]]\nstream = "a"\npin = 17',
            '[gpio]\n[[gpio.buttons]]\nanswer = "a"\npin = 17',
            r"\[gpio\] pin 17 is in use",
        ),
    ],
)
def test_what_only_one_can_have_is_found_before_anything_is_done(root, theirs, mine, key):
    install(root, LEFT, "/dev/video9")
    LEFT.config(root).write_text(theirs + "\n")
    with pytest.raises(UserError, match=key):
        check_apart(RIGHT, mine, root)
    check_apart(LEFT, mine, root)  # it does not stand in its own way
    check_apart(RIGHT, 'name = "other"\ncamera = "synthetic"\n[page]\nport = 8471\n', root)


def test_two_cameras_that_are_looked_for_are_refused_at_the_install(root):
    install(root, ONLY)
    with pytest.raises(UserError, match=r"left/station.toml: camera is auto, and auto in .*--camera ID"):
        service.install(places(root, LEFT), pytest.fail)
    assert not LEFT.config(root).parent.exists()


def test_a_damaged_file_of_another_is_named(root):
    install(root, LEFT, "/dev/video0")
    LEFT.config(root).write_text("name = ")
    with pytest.raises(UserError, match=r"left/station.toml: is no TOML"):
        check_apart(RIGHT, 'name = "x"', root)


@pytest.mark.parametrize("camera", ["a\nb", "\0"])
def test_a_camera_that_is_no_line_is_refused(root, camera):
    with pytest.raises(UserError, match=r"camera = .*: cannot be set"):
        service.install(places(root, LEFT, camera), pytest.fail)


def test_quotes_in_a_camera_stay_in_it(root):
    install(root, LEFT, 'rtsp://"a"\\b')
    assert read_config(LEFT.config(root)).camera == 'rtsp://"a"\\b'


def test_the_folder_of_an_instance_is_found_by_its_configuration(root, monkeypatch):
    install(root, LEFT, "/dev/video0")
    monkeypatch.setattr(
        "waste_edge.device.service.find_state.instance_of_config", lambda path: instance_of_config(path, root)
    )
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert find_state(None, LEFT.config(root))[0] == Path("/var/lib/waste-edge-left")


def test_an_update_restarts_all_of_them_from_the_new_program(root, tmp_path):
    install(root, ONLY, "/dev/video0")
    install(root, LEFT, "/dev/video2")
    program = tmp_path / "waste-edge"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\n')
    program.chmod(0o755)
    start_services(program, root)
    assert (tmp_path / "said").read_text() == "service install\nservice install --instance left\n"


def test_remedies_name_the_instance():
    shown = {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "Result": "success"}
    assert parse(shown, 0, LEFT).remedy == "start it: sudo systemctl start waste-edge@left"
    assert "service logs --instance left" in parse({**shown, "Result": "watchdog"}, 0, LEFT).remedy
    with pytest.raises(UserError, match=r"waste-edge@left.service: not installed; .* service install --instance left"):
        parse({"LoadState": "not-found"}, 0, LEFT)


def test_the_shipped_configuration_can_begin_each(root):
    assert shipped("device/station.toml").is_file()
    for one, camera in ((LEFT, "/dev/video0"), (RIGHT, "/dev/video2")):
        install(root, one, camera)
    assert [read_config(one.config(root)).name for one in installed_instances(root)] == ["left", "right"]


def test_the_table_of_the_page_is_the_recorded_run():
    from tests.device.service import instances
    from waste_edge.files.strict import read_json

    page = (Path(__file__).parents[3] / "docs" / "instances.md").read_text(encoding="utf-8")
    newest = max(shipped(instances.RESULTS).glob("*.json"))
    record = read_json(newest, instances.Record)
    assert instances.table(record) in page, f"docs/instances.md: put in what {instances.__name__} --table prints"
    assert all(row.once == row.items == row.events for row in record.rows)
    assert [row.mapped for row in record.rows] == [row.stations for row in record.rows]
