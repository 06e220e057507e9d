"""The udev rule and the units for a USB stick, as far as they go without one; tests/virtual_board has one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.device.models.conftest import MakeVersion
from tests.device.models.keys import make_keys, sign
from waste_edge.bundle.bundle import pack
from waste_edge.device.models.store import ModelStore
from waste_edge.files.resources import shipped

UNIT, RULES = shipped("device/usb/waste-edge-stick@.service"), shipped("device/usb/99-waste-edge-stick.rules")
MOUNT = shipped("device/usb/waste-edge-stick-mount@.service")


def test_the_rule_starts_the_unit_for_a_usb_stick_s_file_system_only() -> None:
    (rule,) = [line for line in RULES.read_text().splitlines() if line and not line.startswith("#")]
    assert {'ENV{ID_BUS}=="usb"', 'ENV{ID_FS_TYPE}=="vfat|exfat|ext[234]"', 'ACTION=="add"'} <= set(rule.split(", "))
    assert f'SYSTEMD_WANTS}}+="{UNIT.name.replace("@.", "@%k.")}"' in rule


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "waste-edge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "waste-edge-stick@sda1.service"
    unit.write_text(UNIT.read_text().replace("/opt/waste-edge/current/bin/waste-edge", str(program)))
    mount = tmp_path / "waste-edge-stick-mount@sda1.service"
    mount.write_text(MOUNT.read_text())
    done = subprocess.run(["systemd-analyze", "verify", unit, mount], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_its_command_installs_the_signed_model_of_a_stick_and_no_other(
    waste_edge: Callable[..., Any], version: MakeVersion, state: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    stick, keys = tmp_path / "stick", make_keys(tmp_path / "keys")
    config = tmp_path / "station.toml"
    config.write_text(
        f'camera = "synthetic"\nbundle = "{tiny_bundle}"\nstate = "{state}"\nengine = "onnx"\n[answers]\n'
    )
    stick.mkdir()
    found = re.search(r"^ExecStart=\S+ (.*)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    places = {
        "/run/waste-edge-stick/%i": stick,
        "/etc/waste-edge/station.toml": config,
        "/etc/waste-edge/station.pub": keys.public,
    }
    words = [places.get(word, word) for word in found[1].split()]
    bundle = version("2.0")
    pack(bundle, stick / "new.zip")
    assert waste_edge(*words).exit_code == 2
    sign(bundle, keys)
    pack(bundle, stick / "new.zip")
    assert waste_edge(*words).exit_code == 0
    candidate = ModelStore(state).roles().candidate
    assert candidate is not None
    assert candidate.version == "2.0"
