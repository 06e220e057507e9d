from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.device.boards import BOARDS, HEALTHY_PI5, HOT_ZERO2W, X86_VM, FakeBoard, write
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.device.clock import NS_PER_S, SystemClock
from waste_edge.device.doctor import Checks, Setting, all_checks, examine
from waste_edge.device.doctor.board import check_board, check_disk, check_python
from waste_edge.device.doctor.camera import check_camera, check_permissions, check_picamera, video_devices
from waste_edge.device.doctor.engines import check_engines
from waste_edge.device.doctor.service import Service, check_clock, check_service, read_service
from waste_edge.device.doctor.setting import User
from waste_edge.device.system.command import Answer, run_program
from waste_edge.device.system.condition import Condition, Level
from waste_edge.engines import engine
from waste_edge.errors import BundleError

HOURS_UP = 5
RUNNING = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "WatchdogUSec": "30s",
    "MainPID": "321",
    "ExecMainStartTimestampMonotonic": str(3600 * 1_000_000),
    "User": "waste-edge",
    "SupplementaryGroups": "video",
}
NO_SERVICE = Service(facts={"LoadState": "not-found", "ActiveState": "inactive"})


class Uptime:
    """A clock that stands at an uptime."""

    def now_ns(self) -> int:
        return (HOURS_UP + 1) * 3600 * NS_PER_S

    def sleep(self, seconds: float, interrupt: object = None) -> None:
        raise AssertionError("the doctor does not sleep")


class Programs:
    """Answers as a machine's programs would: by the first word that stands in the command."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str], timeout_s: float) -> Answer | None:
        self.asked.append(command)
        return next((self.answers[key] for key in self.answers if any(key in word for word in command)), None)


def nobody_opens() -> contextlib.AbstractContextManager[Bundle]:
    raise BundleError("no bundle in this test")


def setting(root: Path, programs: Programs | None = None, **changes: object) -> Setting:
    """A setting in which nothing is of this machine."""
    told = Setting(
        bundle=nobody_opens,
        root=root,
        run_program=programs or Programs(),
        pythons=("/venv/python", "/usr/bin/python3"),
        user=User("pi", lambda node: True),
        clock=Uptime(),
        utc_now=lambda: datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
    )
    return replace(told, **changes)  # type: ignore[arg-type]


def levels(conditions: Sequence[Condition]) -> dict[str, str]:
    return {condition.part: str(condition.level) for condition in conditions}


# ---------------------------------------------------------------- the board


@pytest.mark.parametrize(
    ("name", "not_ok"),
    [
        ("healthy-pi5", {}),
        ("throttled-pi4", {"int8": "warn", "power": "warn"}),
        ("hot-zero2w", {"int8": "warn", "power": "warn", "temperature": "bad", "memory": "warn"}),
        ("old-cpu", {"int8": "warn"}),
        ("missing-governor", {"int8": "warn", "temperature": "warn"}),
        ("x86-vm", {}),
        ("pi4-of-32-bits", {"system": "bad", "int8": "warn"}),
    ],
)
def test_what_is_not_well_with_a_board(name: str, not_ok: dict[str, str], tmp_path: Path) -> None:
    found = levels(check_board(setting(BOARDS[name].make(tmp_path), run_program=run_program)))
    assert set(found) == {"system", "int8", "power", "temperature", "memory"}
    assert {part: level for part, level in found.items() if level != "ok"} == not_ok


def test_a_machine_that_tells_nothing_is_not_accused(tmp_path: Path) -> None:
    assert set(levels(check_board(setting(tmp_path))).values()) == {"ok"}


# ---------------------------------------------------------------- the disk


def test_a_station_that_writes_more_than_its_budget(tmp_path: Path) -> None:
    root = HEALTHY_PI5.make(tmp_path)
    write(root, "proc/321/io", f"write_bytes: {HOURS_UP * 20_000_000}\n")  # 20 MB an hour for as long as it runs
    conditions = check_disk(setting(root), Service(facts=RUNNING))
    assert levels(conditions)["disk-writes"] == "warn"
    assert "writes 480 MB a day of 250" in conditions[1].text


def test_a_counter_that_only_root_may_read_is_said(tmp_path: Path) -> None:
    (condition,) = [
        one
        for one in check_disk(setting(HEALTHY_PI5.make(tmp_path)), Service(facts=RUNNING))
        if one.part == "disk-writes"
    ]
    assert condition.level is Level.OK
    assert "sudo" in condition.text


@pytest.mark.parametrize(("board", "level", "words"), [(HEALTHY_PI5, "ok", "on a card"), (X86_VM, "warn", "overlay")])
def test_the_disk_says_what_it_is(board: FakeBoard, level: str, words: str, tmp_path: Path) -> None:
    (condition,) = check_disk(setting(board.make(tmp_path)), NO_SERVICE)
    assert (condition.part, condition.level) == ("disk", level)
    assert words in condition.text


def test_a_state_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    (condition,) = check_disk(setting(HEALTHY_PI5.make(tmp_path), state=tmp_path / "typo"), NO_SERVICE)
    assert condition.level is Level.BAD
    assert "typo" in condition.text


# ---------------------------------------------------------------- the camera

NO_PICAMERA = Answer(1, "", "ModuleNotFoundError: No module named 'picamera2'\n")
OLD_NUMPY = Answer(1, "", "ValueError: numpy.dtype size changed, may indicate binary incompatibility\n")
FOUND = Answer(0, "picamera:0 (imx708)\n")
SILENT = Answer(2, "", "picamera:0: does not start (timed out)\n")


@pytest.mark.parametrize(
    ("picamera", "look", "wanted", "level", "words"),
    [
        (Answer(0, "1\n"), FOUND, None, "ok", "picamera:0 (imx708) gives frames"),
        (Answer(0, "1\n"), SILENT, None, "bad", "does not start"),
        (Answer(0, "1\n"), Answer(None), None, "bad", "no answer within 8 s"),
        (Answer(0, "1\n"), Answer(-11), None, "bad", "code -11"),
        (Answer(0, "0\n"), SILENT, None, "warn", "plug one in"),
        (NO_PICAMERA, SILENT, None, "warn", "plug one in"),
        (NO_PICAMERA, SILENT, "picamera:0", "bad", "does not start"),
    ],
)
def test_one_frame(picamera: Answer, look: Answer, wanted: str | None, level: str, words: str, tmp_path: Path) -> None:
    programs = Programs(picamera2=picamera, doctor=look)
    conditions = check_camera(setting(HEALTHY_PI5.make(tmp_path), programs, camera=wanted), NO_SERVICE)
    assert levels(conditions)["camera"] == level
    assert words in conditions[1].text
    assert programs.asked[-1][-1] == (wanted or "auto")


def test_a_device_that_gives_no_frame_is_bad(tmp_path: Path) -> None:
    root = HEALTHY_PI5.make(tmp_path)
    write(root, "dev/video0", "")
    programs = Programs(picamera2=Answer(0, "0\n"), doctor=SILENT)
    assert levels(check_camera(setting(root, programs), NO_SERVICE))["camera"] == "bad"


def test_a_running_service_keeps_its_camera(tmp_path: Path) -> None:
    programs = Programs(picamera2=Answer(0, "1\n"), doctor=SILENT)
    conditions = check_camera(setting(HEALTHY_PI5.make(tmp_path), programs), Service(facts=RUNNING))
    assert levels(conditions)["camera"] == "ok"
    assert not any("waste_edge.device.doctor.grab_frame" in command for command in programs.asked)


@pytest.mark.parametrize(
    ("said", "level", "words"),
    [
        ("python (pid 31); end it, or choose another camera", "ok", "runs and holds it; see its line"),
        ("cheese (pid 40); end it, or choose another camera", "bad", "cheese (pid 40)"),
        ("", "warn", "runs and may hold it"),  # not as root: nobody may be named
    ],
)
def test_a_camera_that_the_running_service_holds_is_no_fault(tmp_path: Path, said: str, level: str, words: str) -> None:
    root = HEALTHY_PI5.make(tmp_path)
    main = int(RUNNING["MainPID"])
    for pid, parent in ((31, 30), (30, main), (40, 1)):
        (root / "proc" / str(pid)).mkdir(parents=True, exist_ok=True)
        (root / "proc" / str(pid) / "status").write_text(f"Name:\tx\nPPid:\t{parent}\n")
    busy = "/dev/video0: is busy: another program uses it" + (f": {said}" if said else "")
    programs = Programs(grab_frame=Answer(2, "", busy))
    found = check_camera(setting(root, programs, camera="/dev/video0"), Service(facts=RUNNING))
    (camera,) = [one for one in found if one.part == "camera"]
    assert (str(camera.level), words in camera.text) == (level, True)


@pytest.mark.parametrize(
    ("board", "venv", "system", "level", "words"),
    [
        (HEALTHY_PI5, Answer(0, "2\n"), NO_PICAMERA, "ok", "under /venv/python and finds 2 cameras"),
        (HEALTHY_PI5, OLD_NUMPY, Answer(0, "1\n"), "ok", "under /usr/bin/python3 and finds 1 camera"),
        (HEALTHY_PI5, OLD_NUMPY, NO_PICAMERA, "warn", "numpy 1"),
        (HEALTHY_PI5, NO_PICAMERA, NO_PICAMERA, "warn", "apt install python3-picamera2"),
        (X86_VM, NO_PICAMERA, NO_PICAMERA, "ok", "no Raspberry Pi"),
    ],
)
def test_picamera2_may_live_in_either_python(
    board: FakeBoard, venv: Answer, system: Answer, level: str, words: str, tmp_path: Path
) -> None:
    programs = Programs(**{"/venv/python": venv, "/usr/bin/python3": system})
    _, condition = check_picamera(setting(board.make(tmp_path), programs))
    assert condition.level == level
    assert words in condition.text


def test_codecs_of_a_pi_are_no_cameras(tmp_path: Path) -> None:
    for name, driver in {"video10": "bcm2835-codec-decode", "video2": "HD Webcam", "video0": "unicam-image"}.items():
        write(tmp_path, f"dev/{name}", "")
        write(tmp_path, f"sys/class/video4linux/{name}/name", f"{driver}\n")
    write(tmp_path, "dev/video-loop", "")
    assert [Path(device).name for device in video_devices(tmp_path)] == ["video2"]


def test_a_camera_process_that_hangs_costs_seconds(tmp_path: Path) -> None:
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nsleep 60\n", encoding="utf-8")
    sleeper.chmod(0o755)

    def soon(command: Sequence[str], timeout_s: float) -> Answer | None:
        return run_program([str(sleeper), *command[1:]], timeout_s / 20)

    started = time.monotonic()
    conditions = check_camera(setting(HEALTHY_PI5.make(tmp_path), run_program=soon, camera="0"), NO_SERVICE)
    assert levels(conditions) == {"picamera": "warn", "camera": "bad"}
    assert time.monotonic() - started < 20


# ---------------------------------------------------------------- who may, and with what


GROUPS = {"video": "video", "media": "video", "linux,cma": "video", "renderD": "render", "gpiochip": "gpio"}


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes under a folder belong to the groups that udev gives them."""

    def group(node: Path) -> str:
        return next((group for name, group in GROUPS.items() if node.name.startswith(name)), "")

    for where in ("cameras.libcamera.devices", "doctor.setting"):
        monkeypatch.setattr(f"waste_edge.device.{where}.opening_group", group)


@pytest.mark.parametrize(
    ("closed", "level", "words"),
    [
        ([], "ok", "may open every"),
        (["video"], "bad", "sudo usermod -aG video pi"),
        (["gpiochip"], "warn", "/dev/gpiochip0"),
        (["video", "renderD"], "bad", "usermod -aG video,render pi"),
        (["media", "linux,cma"], "warn", "/dev/media0, /dev/dma_heap/linux,cma; sudo usermod -aG video pi"),
        (["udmabuf"], "ok", "may open every"),
    ],
)
def test_who_may_open_the_devices(closed: list[str], level: str, words: str, tmp_path: Path, owned: None) -> None:
    for node in ("video0", "dri/renderD128", "gpiochip0", "media0", "dma_heap/linux,cma", "dma_heap/system", "udmabuf"):
        write(tmp_path, f"dev/{node}", "")
    user = User("pi", lambda node: not any(node.name.startswith(name) for name in closed))
    (condition,) = check_permissions(setting(tmp_path, user=user), NO_SERVICE)
    assert condition.level == level
    assert words in condition.text


def test_a_ribbon_camera_needs_more(tmp_path: Path, owned: None) -> None:
    write(tmp_path, "dev/media0", "")
    user = User("pi", lambda node: False)
    shut, missing = check_permissions(setting(tmp_path, user=user, camera="picamera:0"), NO_SERVICE)
    assert (shut.level, missing.level) == (Level.BAD, Level.WARN)
    assert "linux,cma, which is not there; use Raspberry Pi's own kernel" in missing.text
    write(tmp_path, "dev/udmabuf", "")
    shut, _ = check_permissions(setting(tmp_path, user=user, camera="picamera:0"), NO_SERVICE)
    assert "/dev/udmabuf" in shut.text
    assert 'KERNEL=="udmabuf", GROUP="video"' in shut.text


def test_the_service_s_user_is_looked_at_too(tmp_path: Path, owned: None) -> None:
    write(tmp_path, "dev/video0", "")
    write(tmp_path, "dev/gpiochip0", "")
    write(tmp_path, "etc/group", "root:x:0:\ngpio:x:997:pi\nvideo:x:44:pi\n")
    pi = User("pi", lambda node: True)
    _, condition = check_permissions(setting(tmp_path, user=pi), Service(facts=RUNNING))
    assert condition.level is Level.WARN  # it is in video by the unit, in gpio by nothing
    assert "waste-edge may not open /dev/gpiochip0" in condition.text
    write(tmp_path, "etc/group", "gpio:x:997:pi,waste-edge\n")
    assert {one.level for one in check_permissions(setting(tmp_path), Service(facts=RUNNING))} == {Level.OK}


def test_that_root_may_says_nothing(tmp_path: Path) -> None:
    for node, mode in (("dma_heap/linux,cma", 0o600), ("video0", 0o666)):
        write(tmp_path, f"dev/{node}", "")
        (tmp_path / "dev" / node).chmod(mode)
    (condition,) = check_permissions(setting(tmp_path, user=User("root", lambda node: True)), NO_SERVICE)
    assert condition.level is Level.WARN
    assert condition.text.startswith("waste-edge may not open /dev/dma_heap/linux,cma; no group may: printf ")
    assert "/etc/udev/rules.d/60-waste-edge.rules" in condition.text


@pytest.mark.parametrize(
    ("version", "bits", "libraries", "level", "words"),
    [
        ((3, 11), 64, ("numpy", "cv2"), "ok", "numpy "),
        ((3, 13), 64, ("numpy",), "ok", "Python 3.13"),
        ((3, 14), 64, ("numpy",), "warn", "tried with"),
        ((3, 10), 64, ("numpy",), "bad", "3.11 or later"),
        ((3, 11), 32, ("numpy",), "bad", "64-bit Raspberry Pi OS"),
        ((3, 11), 64, ("no_such_library",), "bad", "pip install no_such_library"),
    ],
)
def test_python(version: tuple[int, int], bits: int, libraries: tuple[str, ...], level: str, words: str) -> None:
    (condition,) = check_python(version, bits, libraries)
    assert condition.level == level
    assert words in condition.text


def test_a_library_built_against_another_numpy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "waste_edge_broken.py").write_text("raise ValueError('numpy.dtype size changed')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (condition,) = check_python(libraries=("waste_edge_broken",))
    assert condition.level is Level.BAD
    assert "does not load (numpy.dtype size changed)" in condition.text


# ---------------------------------------------------------------- systemd and the clock


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "ok", "runs for 5.0 h, 0 restarts, watchdog 30s"),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, "warn", "service install"),
        ({"ActiveState": "failed", "Result": "watchdog", "MainPID": "0"}, "bad", "failed, watchdog"),
        ({"ActiveState": "inactive"}, "bad", "systemctl restart"),
        ({"UnitFileState": "disabled"}, "warn", "systemctl enable"),
        ({"WatchdogUSec": "0"}, "warn", "without a watchdog"),
        ({"NRestarts": "7"}, "warn", "7 restarts; see journalctl"),
    ],
)
def test_the_service(changes: dict[str, str], level: str, words: str, tmp_path: Path) -> None:
    shown = "".join(f"{name}={value}\n" for name, value in {**RUNNING, **changes}.items())
    told = setting(tmp_path, Programs(systemctl=Answer(0, shown)))
    (condition,) = check_service(told, read_service(told))
    assert condition.level == level
    assert words in condition.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "no systemd here"),
        (Answer(None), "no answer within"),
        (Answer(1, "", "System has not been booted with systemd as init system.\nmore\n"), "has not been booted"),
    ],
)
def test_a_machine_without_systemd_says_so(answer: Answer | None, words: str, tmp_path: Path) -> None:
    told = setting(tmp_path, Programs() if answer is None else Programs(systemctl=answer))
    (condition,) = check_service(told, read_service(told))
    assert condition.level is Level.WARN
    assert words in condition.text


@pytest.mark.parametrize(
    ("year", "answer", "level", "words"),
    [
        (2026, Answer(0, "yes\n"), "ok", "synchronized"),
        (2026, Answer(0, "no\n"), "warn", "set-ntp"),
        (2026, Answer(1, "", "no bus"), "warn", "not known"),
        (1970, Answer(0, "yes\n"), "bad", "1970-11-21"),
        (2106, Answer(0, "no\n"), "bad", "wrong dates"),
    ],
)
def test_the_clock(year: int, answer: Answer, level: str, words: str, tmp_path: Path) -> None:
    told = setting(tmp_path, Programs(timedatectl=answer), utc_now=lambda: datetime(year, 11, 21, 12, 0, tzinfo=UTC))
    (condition,) = check_clock(told)
    assert condition.level == level
    assert words in condition.text


def test_timesyncd_s_mark_counts_where_timedatectl_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "run/systemd/timesync/synchronized", "")
    assert check_clock(setting(tmp_path))[0].level is Level.OK


# ---------------------------------------------------------------- the engines


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Bundle]:
    with open_bundle(folder) as bundle:
        yield bundle


def test_engines_are_timed_and_their_golden_outputs_verified(default_bundle: Path, tmp_path: Path) -> None:
    conditions = check_engines(setting(tmp_path, bundle=lambda: opened(default_bundle)))
    assert levels(conditions) == {"engine-litert": "ok", "engine-onnx": "ok"}
    for condition in conditions:
        assert "INT8 " in condition.text
        assert "FP32 " in condition.text
        assert "golden outputs right" in condition.text


def test_an_engine_that_the_bundle_has_nothing_for(tiny_bundle: Path, tmp_path: Path) -> None:
    conditions = check_engines(setting(tmp_path, bundle=lambda: opened(tiny_bundle)))
    assert levels(conditions) == {"engine-litert": "warn", "engine-onnx": "ok"}


def test_a_missing_engine_is_named_with_what_to_install(
    default_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = engine.importlib.util.find_spec
    monkeypatch.setattr(
        engine.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name)
    )
    conditions = check_engines(setting(tmp_path, bundle=lambda: opened(default_bundle)))
    assert levels(conditions) == {"engine-litert": "ok", "engine-onnx": "warn"}
    assert "pip install onnxruntime" in conditions[1].text


def test_a_damaged_bundle_is_bad(bundle_copy: Path, tmp_path: Path) -> None:
    path = bundle_copy / "onnx-int8.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    (condition,) = check_engines(setting(tmp_path, bundle=lambda: opened(bundle_copy)))
    assert condition.level is Level.BAD
    assert "damaged" in condition.text


def test_a_network_that_answers_otherwise_is_bad(
    bundle_copy: Path, tmp_path: Path, replace_file: Callable[[Path, str, bytes], None]
) -> None:
    fp32 = (bundle_copy / "onnx-fp32.onnx").read_bytes()
    other = fp32.replace(b"\x00\x00\xc0\x40", b"\x00\x00\x00\x41")  # the weights: 6.0 becomes 8.0
    assert other != fp32
    replace_file(bundle_copy, "artifacts.onnx-fp32", other)
    found = check_engines(setting(tmp_path, bundle=lambda: opened(bundle_copy)))
    assert levels(found)["engine-onnx"] == "bad"
    assert "onnx-fp32: logits differ" in found[1].text


# ---------------------------------------------------------------- all of them


def test_a_whole_examination_of_a_hot_board(tiny_bundle: Path, tmp_path: Path) -> None:
    def sinks() -> list[Condition]:
        return [Condition("sink-mqtt", Level.WARN, "the broker does not answer")]

    told = setting(
        HOT_ZERO2W.make(tmp_path),
        Programs(picamera2=Answer(0, "1\n"), doctor=FOUND, timedatectl=Answer(0, "yes\n")),
        bundle=lambda: opened(tiny_bundle),
    )
    examination = examine(all_checks(told, [sinks]), SystemClock())
    assert examination.level is Level.BAD
    found = levels(examination.conditions)
    assert list(found) == [
        *("picamera", "camera", "permissions", "python", "system", "int8", "power", "temperature", "memory", "disk"),
        *("clock", "service", "sink-mqtt", "engine-litert", "engine-onnx"),
    ]
    assert (found["temperature"], found["sink-mqtt"], found["camera"]) == ("bad", "warn", "ok")
    assert sum(examination.count(level) for level in Level) == len(examination.conditions)


def test_a_check_that_fails_itself_hides_nothing(tmp_path: Path) -> None:
    def broken() -> list[Condition]:
        raise RuntimeError("two\nlines")

    def well() -> list[Condition]:
        return [Condition("disk", Level.OK, "well")]

    examination = examine(Checks([broken, well]), SystemClock())
    assert [condition.level for condition in examination.conditions] == [Level.BAD, Level.OK]
    assert "RuntimeError: two lines" in examination.conditions[0].text


def test_the_camera_s_own_process_tells_why_there_is_no_frame() -> None:
    answer = run_program([sys.executable, "-m", "waste_edge.device.doctor.grab_frame", "/dev/video987"], 60)
    assert answer is not None
    assert answer.code == 2
    assert "there is no such device" in answer.complaint
