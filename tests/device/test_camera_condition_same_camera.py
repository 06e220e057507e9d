"""A scene is judged through the camera that it was learned by."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from waste_edge.device.camera_condition import SameCamera
from waste_edge.device.capture import Absent, Opened
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.device.vision.presence import State


@pytest.fixture
def learned() -> list[str]:
    return []


def same_camera(learned: list[str], note=None) -> tuple[SameCamera, Health]:
    health = Health()
    return SameCamera(lambda: learned.append("anew"), health, note), health


def test_the_same_camera_again_changes_nothing(learned):
    camera, health = same_camera(learned)
    for message in (Opened("a", "a 640x480"), Absent("lost", 1.0), Opened("a", "a 640x480"), Opened("b")):
        camera.news(message)
    assert (learned, health.now()) == ([], ())


@pytest.mark.parametrize("other", ["b 640x480", "a 1280x720"])
def test_another_camera_or_another_size_is_said_and_learned_anew(learned, other):
    camera, health = same_camera(learned)
    camera.news(Opened("a", "a 640x480"))
    camera.news(Opened("other", other))
    assert learned == ["anew"]
    (said,) = health.now()
    assert (said.part, said.level) == ("scene", Level.WARN)
    assert "other is another camera than before, or looks in another way: the scene is learned anew" in said.text
    for state, level in ((State.LEARNING, Level.WARN), (State.EMPTY, Level.OK)):
        camera.seen(SimpleNamespace(state=state))
        assert health.now()[0].level is level


def test_it_is_known_over_a_restart(learned, tmp_path):
    note = tmp_path / "camera.txt"
    same_camera(learned, note)[0].news(Opened("a", "a 640x480"))
    same_camera(learned, note)[0].news(Opened("a", "a 640x480"))
    assert learned == []
    same_camera(learned, note)[0].news(Opened("b", "b 640x480"))
    assert learned == ["anew"]
    assert note.read_text() == "b 640x480\n"
    assert note.stat().st_mode & 0o777 == 0o600


def test_another_turn_is_another_view(learned, tmp_path):
    note = tmp_path / "camera.txt"
    for rotate in (0, 180, 180):
        SameCamera(lambda: learned.append("anew"), Health(), note, rotate).news(Opened("a", "a 640x480"))
    assert learned == ["anew"]


@pytest.mark.timeout(20)
def test_a_pipe_in_the_note_s_place_is_not_waited_for(learned, tmp_path):
    os.mkfifo(tmp_path / "camera.txt")
    camera, _ = same_camera(learned, tmp_path / "camera.txt")
    camera.news(Opened("a", "a 640x480"))
    assert (tmp_path / "camera.txt").read_text() == "a 640x480\n"


def test_a_folder_that_cannot_be_written_is_said(learned, tmp_path):
    (tmp_path / "file").touch()
    camera, health = same_camera(learned, tmp_path / "file" / "camera.txt")
    camera.news(Opened("a", "a 640x480"))
    assert "cannot be written" in health.now()[0].text


def test_items_forget_the_scene(manifest, site, inspector, make_stage):
    items, stage = CameraItemTracker(DecisionPolicy(manifest, site), inspector), make_stage()
    for frame in stage.hold(3.0):
        items.see(frame)
    assert items.presence.state is State.EMPTY
    items.learn_anew()
    assert items.presence.state is State.LEARNING
    assert items.remember() == b""
