"""What the capture process can and cannot do: tried in real processes, with the kernel's own answers."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waste_edge.device.cameras import camera_source, media_source
from waste_edge.device.cameras.camera import Candidate
from waste_edge.device.cameras.process.sandbox import _MACHINES, _filter, support
from waste_edge.device.capture import Opened, ProcessCapture
from waste_edge.device.capture.link import _environment
from waste_edge.device.clock import SystemClock
from waste_edge.files.resources import DEMO_CLIP
from waste_edge.imaging.frames import Frame

needs_landlock = pytest.mark.skipif("landlock" not in support(), reason="needs a kernel with Landlock")
needs_seccomp = pytest.mark.skipif("seccomp" not in support(), reason="needs a kernel with seccomp")


def tried(code: str, hidden: list[str], *arguments: object, **options: bool) -> str:
    """What a confined process prints: `yes`, or the name of what it was refused with."""
    program = (
        "import sys\nfrom waste_edge.device.cameras.process.sandbox import confine\n"
        f"held = confine({hidden!r}, **{options!r})\n"
        f"try:\n    {code}\n    print('yes')\nexcept BaseException as error:\n    print(type(error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() or f"{done.returncode} {done.stderr}"


@pytest.fixture
def secret(tmp_path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "outbox").write_text("secret")
    return folder / "outbox"


@needs_landlock
def test_secrets_and_state_are_out_of_sight_and_their_neighbours_are_not(secret, tmp_path):
    neighbour = tmp_path / "film"
    neighbour.write_text("seen")
    (tmp_path / "link").symlink_to(secret)
    hidden = [str(secret.parent)]
    assert tried("open(sys.argv[1]).read()", hidden, neighbour) == "yes"
    for path in (secret, tmp_path / "link", tmp_path / "state" / ".." / "state" / "outbox"):
        assert tried("open(sys.argv[1]).read()", hidden, path) == "PermissionError"
    assert tried("import os; os.listdir(sys.argv[1])", hidden, secret.parent) == "PermissionError"
    assert tried("open(sys.argv[1]).read()", [str(secret)], secret) == "PermissionError"
    assert tried("open(sys.argv[1]).read()", hidden, secret, shown=[str(secret)]) == "yes"
    assert tried("import numpy, cv2, json", [str(Path(sys.prefix).parent)]) == "yes"


@needs_landlock
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may read it otherwise")
def test_the_machines_own_secrets_are_out_of_sight():
    assert tried("open('/etc/shadow').read()", []) == "PermissionError"
    assert tried("open('/etc/passwd').read()", []) == "yes"


@needs_landlock
def test_nothing_is_written_but_to_devices(tmp_path):
    (tmp_path / "file").touch()
    for mode, name in (("w", "new"), ("a", "file"), ("r+", "file")):
        assert tried(f"open(sys.argv[1], {mode!r})", [], tmp_path / name) == "PermissionError"
    assert tried("import os; os.unlink(sys.argv[1])", [], tmp_path / "file") == "PermissionError"
    assert tried("open('/dev/null', 'w').write('x')", []) == "yes"


@needs_landlock
def test_other_processes_are_neither_read_nor_signalled():
    with subprocess.Popen(["sleep", "60"], env={"PASSWORD": "x"}) as other:
        time.sleep(0.2)
        assert tried("open(f'/proc/{sys.argv[1]}/environ').read()", [], other.pid) == "PermissionError"
        assert tried("import os; os.kill(int(sys.argv[1]), 15)", [], other.pid) == "PermissionError"
        assert other.poll() is None
        other.kill()


@needs_seccomp
def test_there_is_no_network_unless_the_source_is_on_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = "import socket; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
        assert tried(connect, [], port) == "PermissionError"
        assert tried(connect, [], port, network=True) == "yes"
    for family in ("AF_PACKET", "AF_INET6"):
        assert tried(f"import socket; socket.socket(socket.{family}, socket.SOCK_RAW)", []) == "PermissionError"
    assert tried("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", []) == "yes"
    assert tried("import socket; socket.socketpair()", []) == "yes"


@needs_seccomp
def test_no_program_is_started_unless_libcamera_must():
    start = "import subprocess; subprocess.run(['true'], check=True)"
    assert tried(start, []) == "PermissionError"
    assert tried(start, [], programs=True) == "yes"
    assert tried("import threading; t = threading.Thread(target=print); t.start(); t.join()", []).endswith("yes")


@pytest.mark.parametrize("machine", sorted(_MACHINES))
def test_the_filter_fits_both_machines(machine):
    code = _filter(machine, network=False, programs=False)
    assert len(code) % 8 == 0
    assert len(code) // 8 < 255  # jumps are within reach
    assert len(_filter(machine, network=True, programs=True)) == len(code) - 2 * 16 + 2 * 16


@needs_seccomp
@needs_landlock
@pytest.mark.parametrize("given", ["synthetic:30", str(DEMO_CLIP)])
def test_sources_are_read_from_within(given, secret):
    clock = SystemClock()
    source = media_source(given, clock) if "/" in given else camera_source(given, clock)
    source = source.keeping_secret(("BROKER_LOGIN",), (str(secret.parent),))
    capture = ProcessCapture(source, clock, None)
    seen = []
    try:
        while not any(isinstance(message, Frame) for message in seen):
            seen.append(capture.take(60.0))
            assert seen[-1] is not None
        pid = capture._link.pid  # type: ignore[union-attr]
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
    finally:
        capture.close()
    assert isinstance(seen[0], Opened)


@needs_landlock
def test_a_film_in_the_state_folder_is_played_all_the_same(secret):
    film = secret.parent / "film.mp4"
    film.write_bytes(DEMO_CLIP.read_bytes())
    source = media_source(str(film), SystemClock()).keeping_secret((), (str(secret.parent),))
    capture = ProcessCapture(source, SystemClock(), None)
    try:
        assert isinstance(capture.take(60.0), Opened)
    finally:
        capture.close()


@pytest.mark.skipif(platform.machine() not in _MACHINES, reason="another machine")
def test_a_kernel_with_neither_is_said_to_have_nothing(monkeypatch):
    class Bare:
        def __getattr__(self, name):
            return lambda *_: -1

    monkeypatch.setattr("waste_edge.device.cameras.process.sandbox.ctypes.CDLL", lambda *_, **__: Bare())
    assert support() == "nothing"


SECRETS = {
    "BROKER_LOGIN": "x", "MQTT_PASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "x", "SSH_AUTH_SOCK": "x",
    "DB_PW": "x", "API_KEY": "x", "NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "5", "CREDENTIALS_DIRECTORY": "x",
    "SOMETHING": "postgres://me:secret@host/db", "http_proxy": "http://me:secret@proxy:3128",
}  # fmt: skip
PLAIN = {
    "PATH": "/bin", "HOME": "/root", "LANG": "C", "FAKE_CAMERA": "/x", "OPENCV_FFMPEG_LOGLEVEL": "8", "TZ": "UTC",
    "PYTHONPATH": "/x", "LIBCAMERA_LOG_LEVELS": "*:ERROR", "KEYBOARD": "de", "PWD": "/x", "URL": "http://a/b",
}  # fmt: skip


def test_the_capture_process_is_given_no_secret():
    candidate = Candidate("v4l2", "/dev/video0", sys.executable, withheld=("BROKER_LOGIN",))
    given = _environment(candidate, SECRETS | PLAIN)
    assert not SECRETS.keys() & given.keys()
    assert PLAIN.items() <= given.items()
    stream = Candidate("stream", "rtsp://cam", sys.executable, withheld=("BROKER_LOGIN",))
    assert SECRETS.keys() & _environment(stream, SECRETS).keys() == {"http_proxy"}
