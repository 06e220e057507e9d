"""Capture in a process of its own, with real processes; their camera is the fake picamera2 in `fakes/`."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from waste_edge.device.cameras import camera_source, media_source
from waste_edge.device.capture import CAMERA_RETRY, Absent, Ended, Failed, Message, Opened, ProcessCapture, Timeouts
from waste_edge.device.capture.supervisor import start_capture
from waste_edge.device.clock import RetryPolicy, SystemClock
from waste_edge.imaging.frames import Frame

pytestmark = pytest.mark.alone  # real processes and threads that must be done within a second or so

FAKES = Path(__file__).parents[1] / "fakes"
RED = (220, 30, 30)
# Generous: these tests share two cores with others. What a test waits for being silent has its own limit.
LONG_S = 60.0
QUICK = RetryPolicy(0.05, 0.05)


@pytest.fixture
def do(tmp_path, monkeypatch):
    """Tells the fake camera what to do, also in processes that are yet to start."""
    word = tmp_path / "word"

    def tell(what: str) -> None:
        draft = word.with_suffix(".new")
        draft.write_text(what)
        os.replace(draft, word)

    tell("ok")
    monkeypatch.setenv("FAKE_CAMERA", str(word))
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    return tell


@pytest.fixture
def begin():
    """Starts captures, and closes them and sees that nothing is left."""
    captures: list[ProcessCapture] = []

    def start(given: str = "picamera:0", silence: Timeouts | None = None, python: str = sys.executable, **more):
        clock = SystemClock()
        source = media_source(given, clock) if "." in given or "/" in given else camera_source(given, clock, python)
        captures.append(ProcessCapture(source, clock, more.get("patience", QUICK), silence))
        return captures[-1]

    yield start
    for capture in captures:
        capture.close()
    assert children() == []


def children() -> list[int]:
    """Processes of this one that run child.py."""
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    found = {int(pid) for path in listed for pid in path.read_text().split()}
    return [pid for pid in found if b"child.py" in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def until(capture: ProcessCapture, kind: type, within_s: float = LONG_S) -> Message:
    """Take messages until one is of this kind."""
    deadline = time.monotonic() + within_s
    passed = []
    while time.monotonic() < deadline:
        message = capture.take(0.1)
        if isinstance(message, kind):
            return message
        passed += [message] if message is not None and not isinstance(message, Frame) else []
    raise AssertionError(f"no {kind.__name__} in {within_s} s, but {passed}")


def test_frames_of_a_camera_pass_and_it_is_closed_within_a_second(do, begin):
    started = time.monotonic()
    capture = begin()
    assert until(capture, Opened) == Opened("picamera:0 (imx708)")
    frame = until(capture, Frame)
    print(f"{time.monotonic() - started:.3f} s from start to first frame")
    assert frame.pixels.shape == (480, 640, 3)
    assert tuple(frame.pixels[100, 100]) == RED
    assert 0 <= time.monotonic_ns() - frame.captured_ns < LONG_S * 1e9
    assert until(capture, Frame).captured_ns > frame.captured_ns
    (pid,) = children()
    ending = time.monotonic()
    capture.close()
    assert time.monotonic() - ending < 1.0
    assert not Path(f"/proc/{pid}").exists()


def test_frames_are_dropped_while_nobody_takes_them(do, begin):
    capture = begin()
    until(capture, Frame)
    time.sleep(0.5)
    slept_ns = time.monotonic_ns()
    newest = until(capture, Frame)
    assert capture.dropped_frames > 3
    assert slept_ns - newest.captured_ns < 0.4e9, "the newest, not what was there half a second ago"


@pytest.mark.parametrize("board", ["VC4", "PISP"])
def test_a_foreign_interpreter_needs_numpy_and_picamera2_and_nothing_else(do, begin, monkeypatch, tmp_path, board):
    """As on Bookworm, where picamera2 is built against the system's numpy and this program has its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    bare = tmp_path / "bare"
    bare.mkdir()
    numpy = Path(np.__file__).parent
    for path in (numpy, numpy.with_name("numpy.libs"), FAKES / "picamera2", FAKES / "libcamera.py"):
        if path.exists():
            (bare / path.name).symlink_to(path)
    monkeypatch.setenv("PYTHONPATH", str(bare))
    monkeypatch.setenv("FAKE_PLATFORM", board)
    python = str(tmp_path / "venv" / "bin" / "python")
    for lacking in ("cv2", "msgspec", "PIL"):
        assert subprocess.run([python, "-c", f"import {lacking}"], capture_output=True, check=False).returncode == 1
    capture = begin(python=python)
    frame = until(capture, Frame)
    assert np.abs(frame.pixels[::60, ::60].reshape(-1, 3).astype(int) - RED).max() <= 3
    (pid,) = children()
    assert command_line(pid).startswith(python.encode())


def test_an_interpreter_without_numpy_is_named(do, begin, monkeypatch, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    absent = until(begin(python=python), Absent)
    assert absent.reason == f"picamera: {python} lacks what it needs (No module named 'numpy')"


@pytest.mark.parametrize(("what", "limit"), [("hang", "read_s"), ("hang-open", "open_s")])
def test_a_camera_call_that_never_returns_costs_seconds(do, begin, what, limit):
    silence = Timeouts(**{"start_s": LONG_S, "open_s": LONG_S, "read_s": LONG_S, limit: 0.5})
    if what == "hang-open":
        do(what)
        capture = begin(silence=silence)
    else:
        capture = begin(silence=silence)
        until(capture, Frame)
        do(what)
    absent = until(capture, Absent)
    assert absent.reason == "picamera:0: gave nothing for 0.5 s; its process was killed"
    do("ok")
    healed = time.monotonic()
    until(capture, Opened)
    until(capture, Frame)
    print(f"{time.monotonic() - healed:.2f} s from being able to a frame")
    assert capture.abandoned == 0


def test_by_the_limits_a_hung_read_is_over_within_ten_seconds(do, begin):
    capture = begin(patience=CAMERA_RETRY)
    until(capture, Frame)
    do("hang")
    time.sleep(0.1)
    hung = time.monotonic()
    until(capture, Absent)
    do("ok")
    until(capture, Frame)
    took_s = time.monotonic() - hung
    print(f"{took_s:.1f} s from a hung read to the next frame")
    assert took_s < 10


def test_a_killed_process_is_named_and_replaced(do, begin):
    capture = begin()
    for _ in range(3):
        until(capture, Frame)
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)
        assert until(capture, Absent).reason == "picamera:0: the capture process was ended by signal 9"
        until(capture, Opened)


def test_the_last_words_of_a_process_that_dies_are_told(do, begin, capfd):
    capture = begin()
    until(capture, Frame)
    do("die")
    reason = until(capture, Absent).reason
    assert reason == "picamera:0: the capture process ended with exit code 3: libcamera: the pipeline broke"
    assert capfd.readouterr() == ("", "")


def test_a_chatty_library_neither_shows_nor_blocks(do, begin, capfd):
    do("chatter")
    capture = begin()
    for _ in range(100):
        until(capture, Frame)
    assert capfd.readouterr() == ("", "")


def test_a_camera_that_disappears_is_told_and_comes_back(do, begin):
    capture = begin()
    until(capture, Frame)
    do("timeout")
    assert "stopped giving frames (TimeoutError); check its cable" in until(capture, Absent).reason
    do("absent")
    for _ in range(2):
        assert "is not there; waiting for the one that was opened first" in until(capture, Absent).reason
    do("ok")
    until(capture, Opened)
    until(capture, Frame)


def test_auto_goes_on_to_usb_where_there_is_no_pi_camera(do, begin):
    do("absent")
    reason = until(begin("auto"), Absent).reason
    assert reason.startswith("picamera:0: libcamera finds 0 cameras; ")
    assert "no USB camera" in reason or "/dev/video" in reason


GARBAGE = {
    "an unreadable line": "os.write(news, b'{\"kind\": 5}\\n')",
    "bytes": "os.write(news, os.urandom(5000) + b'\\n')",
    "a line without end": "os.write(news, b'x' * 40000)",
    "deep": "os.write(news, b'[' * 15000 + b'\\n')",
    "a header": "os.pwrite(memory, b'\\x09' * 64, 0); os.write(news, b'\\n')",
    "a wrong size": "os.pwrite(memory, struct.pack('<QqIIIIQ', 1, 0, 0, 640, 480, 1920, 4), 0); os.write(news, b'\\n')",
    "an unknown kind": 'os.write(news, b\'{"kind": "hello"}\\n\')',
}


@pytest.mark.parametrize("what", GARBAGE)
def test_a_process_that_writes_garbage_is_ended_and_named(begin, tmp_path, what):
    mad = tmp_path / "mad"
    lines = (f"#!{sys.executable}", "import os, struct, sys, time", "news, memory = map(int, sys.argv[2:4])")
    mad.write_text("\n".join((*lines, GARBAGE[what], "time.sleep(600)")))
    mad.chmod(0o755)
    capture = begin(python=str(mad))
    assert "the capture process wrote garbage (" in (reason := until(capture, Absent).reason)
    assert "\n" not in reason
    assert "wrote garbage" in until(capture, Absent).reason, "its successor was watched as well"


def test_what_a_process_says_is_one_line_that_no_terminal_obeys(begin, tmp_path):
    rude = tmp_path / "rude"
    said = r'{"kind": "absent", "text": "no\\n camera\\u001b[2J here"}\n'
    rude.write_text(f"#!{sys.executable}\nimport os, sys\nos.write(int(sys.argv[2]), b'{said}')\n")
    rude.chmod(0o755)
    assert until(begin(python=str(rude)), Absent).reason == "no camera [2J here"


def test_bells_without_frames_are_no_signs_of_life(begin, tmp_path):
    liar = tmp_path / "liar"
    body = "import os, sys, time\nwhile True:\n    os.write(int(sys.argv[2]), b'\\n')\n    time.sleep(0.01)\n"
    liar.write_text(f"#!{sys.executable}\n{body}")
    liar.chmod(0o755)
    capture = begin(python=str(liar), silence=Timeouts(0.5, 0.5, 0.5))
    assert "gave nothing for 0.5 s" in until(capture, Absent).reason


def film(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 50.0, (62, 46))
    for index in range(frames):
        writer.write(np.full((46, 62, 3), 10 * index, np.uint8))
    writer.release()
    return path


def test_a_film_passes_to_its_last_frame_and_ends(begin, tmp_path):
    capture = begin(str(film(tmp_path / "film.mp4", 20)))
    frames: list[Frame] = []
    while not isinstance(message := capture.take(LONG_S), Ended):
        frames += [message] if isinstance(message, Frame) else []
    assert len(frames) + capture.dropped_frames == 20
    assert frames[-1].captured_ns - frames[0].captured_ns <= 0.381e9
    assert abs(float(frames[-1].pixels.mean()) - 190) < 8, "the last frame is never dropped"
    assert capture.take(0.2) is None


def test_a_film_that_is_none_ends_it(begin, tmp_path):
    (tmp_path / "film.mp4").write_text("no film")
    failed = until(begin(str(tmp_path / "film.mp4")), Failed)
    assert "neither a picture nor a video" in str(failed.error)


def test_a_film_so_slow_that_it_seems_to_hang_is_waited_for(begin, tmp_path):
    path = tmp_path / "slow.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 0.4, (64, 48))
    for _ in range(2):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    capture = begin(str(path), silence=Timeouts(LONG_S, LONG_S, 1.8))  # less than the 2.5 s between two frames
    first, second = until(capture, Frame), until(capture, Frame)
    assert second.captured_ns - first.captured_ns > 2e9


def test_pictures_stay_in_this_process(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    capture = start_capture(media_source(str(tmp_path), SystemClock()), SystemClock(), None)
    assert not isinstance(capture, ProcessCapture)
    assert children() == []
    capture.close()


def test_a_synthetic_camera_gives_a_thousand_frames_a_second_or_what_the_machine_can(begin):
    capture = begin("synthetic:1000")
    until(capture, Frame)
    started = time.monotonic()
    taken = [until(capture, Frame) for _ in range(200)]
    rate = (taken[-1].captured_ns - taken[0].captured_ns) / 1e9
    print(
        f"{200 / (time.monotonic() - started):.0f} frames/s taken, {capture.dropped_frames} dropped, over {rate:.2f} s"
    )
    assert all(one.captured_ns < other.captured_ns for one, other in pairwise(taken))


PARENT = """
import sys, time
from waste_edge.device.cameras import camera_source
from waste_edge.device.capture import CAMERA_RETRY, ProcessCapture
from waste_edge.device.clock import SystemClock
from waste_edge.imaging.frames import Frame
clock = SystemClock()
capture = ProcessCapture(camera_source("picamera:0", clock, sys.executable), clock, CAMERA_RETRY)
while not isinstance(capture.take(1), Frame):
    pass
print(capture._link.pid, flush=True)
{then}
"""


@pytest.mark.parametrize("state", ["ok", "hang"])
def test_the_process_dies_with_its_parent(do, state):
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, str(FAKES)])}
    command = [sys.executable, "-c", PARENT.format(then="time.sleep(600)")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        pid = int(parent.stdout.readline())
        do(state)
        time.sleep(0.1)
        parent.kill()
    deadline = time.monotonic() + LONG_S
    while b"child.py" in command_line(pid):
        assert time.monotonic() < deadline, "an orphan"
        time.sleep(0.01)


def test_ctrl_c_at_the_terminal_goes_past_the_child(do):
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, str(FAKES)])}
    then = "try:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    capture.close()"
    command = [sys.executable, "-c", PARENT.format(then=then)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, start_new_session=True) as parent:
        try:
            pid = int(parent.stdout.readline())
            time.sleep(0.2)
            os.killpg(parent.pid, signal.SIGINT)  # what a terminal does
            _, complaints = parent.communicate(timeout=LONG_S)
        finally:
            parent.kill()  # else a failure would be waited for
    assert (parent.returncode, complaints) == (0, b"")
    assert b"child.py" not in command_line(pid)


class Broadcast(http.server.BaseHTTPRequestHandler):
    """A network camera: 50 frames a second, ever brighter; `sent` is the last one's grey level."""

    sent = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=frame")
        self.end_headers()
        for number in range(10_000):
            level = min(250, number // 2)  # five seconds
            _, jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
            except OSError:
                return  # nobody looks any more
            type(self).sent = level
            time.sleep(0.02)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


def test_of_a_network_stream_the_newest_frame_is_taken(begin):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broadcast) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        capture = begin(f"http://127.0.0.1:{server.server_port}/live")
        until(capture, Frame)
        time.sleep(1.0)  # the loop is busy; 50 frames pass
        level = float(until(capture, Frame).pixels.mean())
        behind = Broadcast.sent - level
        capture.close()
        server.shutdown()
    print(f"{behind * 2:.0f} frames behind after a second's pause")
    assert behind < 18


def test_addresses_with_passwords_are_not_on_the_command_line(begin):
    clock = SystemClock()
    capture = ProcessCapture(media_source("rtsp://admin:secret@127.0.0.1:9/live", clock), clock, QUICK)
    time.sleep(0.1)
    assert all(b"secret" not in command_line(pid) for pid in children())
    assert "secret" not in until(capture, Absent).reason
    capture.close()


def test_nothing_is_left_open_after_many_replacements(do, begin):
    do("absent")
    capture = begin(patience=RetryPolicy(0.01, 0.01))
    until(capture, Absent)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        until(capture, Absent)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 8, "at most what the last two hold"
