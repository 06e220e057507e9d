"""Busy, not a camera, not there: told apart by the device's own answers, which a fake gives here."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from waste_edge.device.cameras.query import holders, look_of, user_of_busy, why_silent

CAPTURE, OUTPUT, META, PLANES, OWN = 0x1, 0x2, 0x00800000, 0x1000, 0x80000000


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device that answers VIDIOC_QUERYCAP with these capabilities, and VIDIOC_REQBUFS with this error."""
    path = tmp_path / "video0"
    path.touch()

    def make(own: int, whole: int = OWN | CAPTURE | META, error: int = 0) -> str:
        def ioctl(handle: int, request: int, data: bytearray) -> int:
            if request == 0x80685600:
                struct.pack_into("=II", data, 84, whole, own)
            elif error and struct.unpack_from("=I", data)[0]:
                raise OSError(error, os.strerror(error))
            return 0

        monkeypatch.setattr(fcntl, "ioctl", ioctl)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"own": CAPTURE}, "gives no frame; check its plug"),
        ({"own": PLANES}, "gives no frame; check its plug"),
        ({"own": 0, "whole": CAPTURE}, "gives no frame; check its plug"),
        ({"own": META}, "is no camera: it takes pictures or metadata"),
        ({"own": OUTPUT}, "is no camera: it takes pictures or metadata"),
        ({"own": CAPTURE, "error": errno.EBUSY}, "is busy: another program uses it"),
        ({"own": CAPTURE, "error": errno.ENODEV}, "gives no frame (No such device)"),
    ],
)
def test_what_a_device_answers_is_the_reason(device, answers, words):
    assert why_silent(device(**answers)).startswith(words)


def test_what_is_no_device_or_not_there_is_named(tmp_path, monkeypatch):
    assert "no such device" in why_silent(str(tmp_path / "video9"))
    (tmp_path / "file").touch()
    assert "is no camera: no video device answers there" in why_silent(str(tmp_path / "file"))
    for number, words in ((errno.EACCES, "group video"), (errno.EBUSY, "is busy"), (errno.EIO, "cannot be opened")):

        def fails(*_, number=number):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", fails)
        assert words in why_silent("/dev/video0")


def test_who_has_it_is_named(tmp_path):
    held = tmp_path / "video7"
    held.touch()
    code = f"import sys; stream = open({str(held)!r}); sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.read(1)
    deadline = time.monotonic() + 20
    while not (found := holders((f"{tmp_path}/",))) and time.monotonic() < deadline:
        time.sleep(0.05)
    other.communicate()
    assert (
        found == [f"{Path(sys.executable).resolve().name[:15]} (pid {other.pid})"] or f"(pid {other.pid})" in found[0]
    )
    assert holders((f"{tmp_path}/",)) == []


def test_only_who_has_this_very_device_is_named(tmp_path, monkeypatch):
    for pid, device in (("12", "/dev/video1"), ("13", "/dev/video10"), ("14", "/dev/null")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(device)
        (tmp_path / pid / "comm").write_text(f"program{pid}\n")
    assert holders(("/dev/video1",), tmp_path) == ["program12 (pid 12)"]
    assert holders(proc=tmp_path) == ["program12 (pid 12)", "program13 (pid 13)"]
    real = holders
    monkeypatch.setattr("waste_edge.device.cameras.query.holders", lambda *given: real(*given, proc=tmp_path))
    said = user_of_busy("/dev/video10: is busy: another program uses it")
    assert said == ": program13 (pid 13); end it, or choose another camera"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert user_of_busy("/dev/video3: is busy") == "; sudo fuser -v /dev/video* names it"
    assert user_of_busy("Camera 0: busy").startswith(": program12 (pid 12), program13 (pid 13)")


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ({}, ""),
        ({0x980914: 0, 0x980915: 0}, ""),
        ({0x980914: 1, 0x980922: 180}, "flipped 1 turned 180"),
        ({0x9A0901: 1, 0x9A0902: 157}, "exposure 157"),
        ({0x9A0901: 3, 0x9A0902: 157, 0x980913: 7}, ""),  # automatic, or no automatic to switch off
        ({0x980912: 0, 0x980913: 7, 0x98090C: 0, 0x98091A: 4600}, "gain 7 white 4600"),
    ],
)
def test_how_a_camera_is_set_is_part_of_what_it_is(tmp_path, monkeypatch, controls, said):
    def ioctl(handle: int, request: int, data: bytearray) -> int:
        assert request == 0xC008561B
        number, _ = struct.unpack("=Ii", data)
        if number not in controls:
            raise OSError(errno.EINVAL, "no such control")
        struct.pack_into("=i", data, 4, controls[number])
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (tmp_path / "video0").touch()
    assert look_of(str(tmp_path / "video0")) == said
    assert look_of(str(tmp_path / "video9")) == ""
