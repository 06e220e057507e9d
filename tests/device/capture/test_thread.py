"""Capture in a thread: what is dropped, what is not, and what happens without a camera."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from waste_edge.device.cameras import RawFrame, Source
from waste_edge.device.cameras.camera import packed
from waste_edge.device.capture import CAMERA_RETRY, Absent, BadPicture, Ended, Failed, Message, Opened
from waste_edge.device.capture.thread import Capture, Slot
from waste_edge.device.clock import RetryPolicy
from waste_edge.errors import CameraError, PictureError
from waste_edge.imaging.frames import Frame

pytestmark = pytest.mark.alone  # real processes and threads that must be done within a second or so

PIXELS = np.zeros((4, 4, 3), np.uint8)


def frame(number: int) -> Frame:
    return Frame(PIXELS, number)


def raw(number: int) -> RawFrame:
    return packed(PIXELS, "rgb", number)


class ScriptedCamera:
    """Gives what it was told to, then ends; exceptions are raised."""

    title = "scripted"

    def __init__(self, *script: RawFrame | Exception | None, still_images: bool = False) -> None:
        self.still_images = still_images
        self.closed = False
        self._script = iter(script)

    def read(self) -> RawFrame | None:
        step = next(self._script, None)
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed = True


def source_of(*attempts: ScriptedCamera | Exception, live: bool = True) -> Source:
    """A source whose attempts to open it have these outcomes."""
    outcomes = iter(attempts)

    def open_next() -> ScriptedCamera:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Source("a script", open_next, live)


def take_all(capture: Capture) -> list[Message | None]:
    """Everything up to the end; fails rather than hangs."""
    messages: list[Message | None] = []
    deadline = time.monotonic() + 10
    while not (messages and isinstance(messages[-1], Ended | Failed)):
        assert time.monotonic() < deadline, messages
        if (message := capture.take(0.1)) is not None:
            messages.append(message)
    capture.close()
    return messages


def numbers(messages: list[Message | None]) -> list[int]:
    return [message.captured_ns for message in messages if isinstance(message, Frame)]


def test_the_slot_keeps_the_newest_frame_and_counts_the_rest():
    slot = Slot()
    for number in range(5):
        slot.put(frame(number))
    assert numbers([slot.take(0)]) == [4]
    assert slot.dropped_frames == 4
    assert slot.take(0) is None


def test_the_slot_never_drops_news_and_keeps_its_place():
    slot = Slot()
    for message in (frame(1), Absent("gone", 1), Opened("back"), frame(2), frame(3), Ended()):
        slot.put(message)
    kinds = []
    while (message := slot.take(0)) is not None:
        kinds.append(message.captured_ns if isinstance(message, Frame) else type(message))
    assert kinds == [1, Absent, Opened, 3, Ended]
    assert slot.dropped_frames == 1


def test_frames_of_a_camera_are_dropped_while_nobody_takes_them(clock):
    camera = ScriptedCamera(*(raw(number) for number in range(50)))
    capture = Capture(source_of(camera), clock, None)
    while capture.dropped_frames < 49:
        time.sleep(0.001)
    messages = take_all(capture)
    assert messages[0] == Opened("scripted")
    assert numbers(messages) == [49]
    assert isinstance(messages[-1], Ended)
    assert camera.closed


def test_pictures_wait_until_they_are_taken(clock):
    camera = ScriptedCamera(*(raw(number) for number in range(20)), still_images=True)
    capture = Capture(source_of(camera), clock, None)
    time.sleep(0.05)
    messages = take_all(capture)
    assert numbers(messages) == list(range(20))
    assert capture.dropped_frames == 0


def test_one_bad_picture_is_told_and_the_rest_follow(clock):
    camera = ScriptedCamera(raw(1), PictureError("b.jpg: damaged"), raw(3), still_images=True)
    messages = take_all(Capture(source_of(camera, live=False), clock, CAMERA_RETRY))
    assert numbers(messages) == [1, 3]
    assert BadPicture("b.jpg: damaged") in messages


def test_an_absent_camera_is_waited_for_ever_more_patiently(clock):
    absences = [CameraError("no camera here")] * 6
    messages = take_all(Capture(source_of(*absences, ScriptedCamera(raw(1))), clock, RetryPolicy(1.0, 8.0)))
    assert [message.retry_s for message in messages if isinstance(message, Absent)] == [1, 2, 4, 8, 8, 8]
    assert clock.slept == [1, 2, 4, 8, 8, 8]
    assert messages[-3] == Opened("scripted")
    assert numbers(messages) == [1]


def test_a_camera_that_vanishes_is_opened_again(clock):
    lost = ScriptedCamera(raw(1), CameraError("unplugged"))
    messages = take_all(
        Capture(source_of(lost, CameraError("still gone"), ScriptedCamera(raw(2))), clock, CAMERA_RETRY)
    )
    assert numbers(messages) == [1, 2]
    reasons = [message.reason for message in messages if isinstance(message, Absent)]
    assert reasons == ["unplugged", "still gone"]
    assert lost.closed
    assert clock.slept == [1, 2], "even the first attempt to open it again is paced"


@pytest.mark.parametrize("live", [True, False])
def test_without_patience_an_absence_ends_it(clock, live):
    patience = None if live else CAMERA_RETRY  # a missing file is never waited for
    messages = take_all(Capture(source_of(CameraError("nothing there"), live=live), clock, patience))
    assert isinstance(messages[-1], Failed)
    assert str(messages[-1].error) == "nothing there"
    assert clock.slept == []


def test_any_other_error_reaches_the_loop(clock):
    messages = take_all(Capture(source_of(ScriptedCamera(raw(1), ZeroDivisionError("oh"))), clock, CAMERA_RETRY))
    assert isinstance(messages[-1], Failed)
    assert isinstance(messages[-1].error, ZeroDivisionError)


def test_a_library_that_ends_the_thread_reaches_the_loop(clock):
    class Exiting(ScriptedCamera):
        def read(self):
            raise SystemExit("a decoder")

    (*_, last) = take_all(Capture(source_of(Exiting()), clock, RetryPolicy()))
    assert isinstance(last, Failed)
    assert "a decoder" in str(last.error)


def test_closing_ends_a_wait_for_the_camera_at_once():
    from waste_edge.device.clock import SystemClock

    capture = Capture(source_of(CameraError("no camera")), SystemClock(), RetryPolicy(60.0, 60.0))
    assert isinstance(capture.take(5), Absent)
    started = time.monotonic()
    capture.close()
    assert time.monotonic() - started < 0.9
    assert "camera" not in {thread.name for thread in threading.enumerate()}


def test_closing_ends_a_handover_that_nobody_takes(clock):
    camera = ScriptedCamera(*(raw(number) for number in range(5)), still_images=True)
    capture = Capture(source_of(camera), clock, None)
    time.sleep(0.02)
    capture.close()
    assert camera.closed


def test_a_camera_that_never_returns_does_not_hold_up_the_end(clock, monkeypatch):
    monkeypatch.setattr("waste_edge.device.capture.thread._CLOSING_S", 0.1)
    release = threading.Event()

    class Stuck(ScriptedCamera):
        def read(self) -> RawFrame | None:
            release.wait(10)
            return None

    capture = Capture(source_of(Stuck()), clock, None)
    started = time.monotonic()
    capture.close()
    assert time.monotonic() - started < 1.0
    release.set()


def test_patience_stays_bounded_after_weeks():
    assert RetryPolicy(1.0, 8.0).after(1_000_000) == 8.0
