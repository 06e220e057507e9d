"""What the tests of the cameras share: the fake of picamera2, and a folder that stands for /dev."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from waste_edge.device.cameras.libcamera import devices as libcamera_devices

FAKES = Path(__file__).parents[1] / "fakes"


@pytest.fixture
def picamera2(no_devices, monkeypatch, tmp_path):
    """The fake, imported anew; `picamera2.do("hang")` tells it what to do."""
    for name in ("picamera2", "picamera2.platform", "libcamera"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(FAKES))
    word = tmp_path / "word"
    word.write_text("ok")
    monkeypatch.setenv("FAKE_CAMERA", str(word))
    library = importlib.import_module("picamera2")
    library.do = word.write_text
    yield library
    for name in ("picamera2", "picamera2.platform", "libcamera"):
        sys.modules.pop(name, None)


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """Make nodes under a folder that stands for /dev: `devices("media0")`; none of them may be opened if `closed`."""
    folder = tmp_path / "devices"
    folder.mkdir()
    monkeypatch.setattr(libcamera_devices, "DEVICES", folder)

    def make(*names: str, closed: bool = False) -> Path:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        if closed:
            monkeypatch.setattr(libcamera_devices.os, "access", lambda path, mode: False)
        return folder

    return make
