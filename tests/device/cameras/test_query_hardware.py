"""Cameras that come back under another number: a folder stands for /sys/class/video4linux."""

from __future__ import annotations

from pathlib import Path

import pytest

from waste_edge.device.cameras import camera_source
from waste_edge.device.cameras.openers import KINDS, load
from waste_edge.device.cameras.query import hardware_of, lasting_name
from waste_edge.errors import CameraError


@pytest.fixture
def plug(no_devices):
    """A USB camera with a serial number, or without, on a port, as the kernel shows it under a number."""

    def plug_in(
        number: int, port: str, serial: str = "", product: str = "5678", index: int = 0, interface: str = "1.0"
    ) -> None:
        usb = no_devices.parent / "devices" / port
        interface = usb / f"{port}:{interface}"
        interface.mkdir(parents=True, exist_ok=True)
        (usb / "idVendor").write_text("1234\n")
        (usb / "idProduct").write_text(f"{product}\n")
        if serial:
            (usb / "serial").write_text(f"{serial}\n")
        node = no_devices.parent / "sys" / f"video{number}"
        node.mkdir(parents=True)
        (node / "index").write_text(f"{index}\n")
        (node / "device").symlink_to(interface)

    return plug_in


def unplug(names: Path, number: int) -> None:
    node = names / f"video{number}"
    for entry in node.iterdir():
        entry.unlink()
    node.rmdir()


def test_a_camera_is_known_by_its_serial_number_else_by_its_port(plug, no_devices):
    names = no_devices.parent / "sys"
    plug(0, "1-1", "SN1")
    plug(1, "1-1", "SN1", index=1)
    plug(2, "1-2")
    assert hardware_of("/dev/video0", names) == "usb 1234:5678 SN1 1.0 #0"
    assert hardware_of("/dev/video1", names) == "usb 1234:5678 SN1 1.0 #1"
    assert hardware_of("/dev/video2", names) == "usb 1234:5678 at 1-2 1.0 #0"
    assert hardware_of("/dev/video9", names) == ""


def test_two_cameras_in_one_piece_of_hardware_are_two(plug, no_devices):
    names = no_devices.parent / "sys"
    plug(0, "1-1", "SN1")
    plug(2, "1-1", "SN1", interface="1.2")  # its infrared
    assert hardware_of("/dev/video0", names) != hardware_of("/dev/video2", names)
    board = no_devices.parent / "devices/platform/vivid.0"
    board.mkdir(parents=True)
    for number, name in ((4, "vivid-000-vid-cap"), (5, "vivid-001-vid-cap")):  # both are number 0 of their driver
        (names / f"video{number}").mkdir()
        (names / f"video{number}/name").write_text(f"{name}\n")
        (names / f"video{number}/device").symlink_to(board)
    assert hardware_of("/dev/video4", names) == f"{board} vivid-000-vid-cap #0"
    assert hardware_of("/dev/video5", names) == f"{board} vivid-001-vid-cap #0"


def test_it_is_found_again_under_another_number(clock, usb, plug, no_devices):
    usb({"video0": 9})
    plug(0, "1-1", "SN1")
    camera = camera_source("auto", clock).open()
    assert camera.title == str(no_devices / "video0")
    kind, again = camera.again
    unplug(no_devices.parent / "sys", 0)
    (no_devices / "video0").unlink()
    usb({"video3": 9})
    plug(3, "1-4", "SN1")
    assert load(kind, KINDS[kind])(again, clock).title == str(no_devices / "video3")


def test_another_camera_under_its_number_does_not_take_its_place(clock, usb, plug, no_devices):
    usb({"video0": 9})
    plug(0, "1-1", "SN1")
    kind, again = camera_source("auto", clock).open().again
    unplug(no_devices.parent / "sys", 0)
    plug(0, "1-2", "SN2", product="9999")
    with pytest.raises(CameraError, match="another camera is there now; waiting for the one that was opened first"):
        load(kind, KINDS[kind])(again, clock)


def test_where_the_kernel_tells_nothing_the_number_must_do(clock, usb, no_devices):
    usb({"video0": 9})
    kind, again = camera_source("auto", clock).open().again
    assert load(kind, KINDS[kind])(again, clock).title == str(no_devices / "video0")


def test_the_name_that_stays_is_by_serial_number_before_by_socket(tmp_path):
    node = tmp_path / "video2"
    node.touch()
    assert lasting_name(str(node), tmp_path) == ""
    for folder, name in (("by-path", "platform-usb-0:1"), ("by-id", "usb-Maker_Cam_123-video-index0")):
        (tmp_path / "v4l" / folder).mkdir(parents=True)
        link = tmp_path / "v4l" / folder / name
        link.symlink_to("../../video2")
        assert lasting_name(str(node), tmp_path) == str(link)
    assert lasting_name(str(link), tmp_path) == "", "named by it already"
    assert lasting_name(str(tmp_path / "video9"), tmp_path) == ""
