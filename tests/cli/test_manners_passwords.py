"""What `ps` shows of a camera's address with a password in it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waste_edge.cli import manners


def test_ps_shows_no_password(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection, and says nothing
        url = f"rtsp://user:SECRET@127.0.0.1:{mute.getsockname()[1]}/live"
        command = [sys.executable, "-m", "waste_edge", "run", "--source", url, "--json"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            cmdline = Path(f"/proc/{process.pid}/cmdline")
            deadline = time.monotonic() + 30
            while True:  # read once a turn: a program that is being started shows nothing for a moment
                shown = cmdline.read_bytes().split(b"\0")
                hidden = any(b"rtsp://" in word for word in shown) and not any(b"SECRET" in word for word in shown)
                if hidden or time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            time.sleep(1.0)
            below = [
                path.read_bytes()
                for path in Path("/proc").glob("[0-9]*/cmdline")
                if f"\0{process.pid}\0".encode() in path.read_bytes()
            ]
            process.send_signal(signal.SIGKILL)
    assert not any(b"SECRET" in word for word in [*shown, *below])
    (address,) = [word for word in shown if b"rtsp://" in word]
    assert address.rstrip() == url.replace("user:SECRET@", "").encode()
    assert len(address) == len(url)
    assert shown[-2] == b"--json"


@pytest.mark.parametrize("stat", ["", "1 (a) S 1", "1 (a b) c) S " + "0 " * 60])
def test_a_system_that_does_not_tell_is_left_alone(tmp_path, monkeypatch, stat):
    (tmp_path / "stat").write_text(stat)
    monkeypatch.setattr(manners, "STAT", tmp_path / "stat")
    manners.hide_passwords(["run", "rtsp://a:b@c/d"])
    monkeypatch.setattr(manners, "STAT", tmp_path / "none")
    manners.hide_passwords(["run", "rtsp://a:b@c/d"])
