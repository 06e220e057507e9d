"""What is done about a capture process that is silent, gone, mad or unkillable: with processes that only pretend."""

from __future__ import annotations

import pytest

from waste_edge.device.cameras import Candidate, Source
from waste_edge.device.capture import CAMERA_RETRY, Absent, Ended, Failed, Message, Opened, ProcessCapture, Timeouts
from waste_edge.device.capture.link import ChildMessage, InvalidMessageError
from waste_edge.device.capture.supervisor import MAX_ABANDONED
from waste_edge.device.clock import RetryPolicy

SILENCE = Timeouts(start_s=20, open_s=8, read_s=4)


class FakeLink:
    """Says what a test puts into `news`; dies when it is killed, unless it hangs in the kernel."""

    def __init__(self, candidate: Candidate, clock, killable: bool = True) -> None:
        self.candidate, self.killable, self._clock = candidate, killable, clock
        self.pid = 77
        self.dropped_frames = 0
        self.news: list[ChildMessage | Exception] = []
        self.killed = self.hung_up = False

    def wait(self, timeout_s: float) -> None:
        self._clock.sleep(timeout_s)

    def receive(self) -> list[ChildMessage]:
        heard, self.news = self.news, []
        for news in heard:
            if isinstance(news, Exception):
                raise news
        return heard

    def frame(self) -> None:
        return None

    def exit_reason(self) -> str:
        return "was ended by signal 11: oh"

    def hang_up(self) -> None:
        self.hung_up = True

    def kill(self) -> None:
        self.killed = True

    def left(self, timeout_s: float = 0) -> bool:
        if not (self.killed and self.killable):
            self._clock.sleep(timeout_s)
        return self.killed and self.killable


class Bench:
    """A ProcessCapture over fake processes."""

    def __init__(self, clock, kinds=("v4l2",), live=True, patience: RetryPolicy | None = None, killable=True) -> None:
        self.clock, self.links, self.killable = clock, [], killable
        candidates = tuple(Candidate(kind, "x", "/python") for kind in kinds)

        def start(candidate: Candidate) -> FakeLink:
            self.links.append(FakeLink(candidate, clock, self.killable))
            return self.links[-1]

        source = Source("cam", lambda: None, live, candidates=candidates)
        self.capture = ProcessCapture(source, clock, patience or CAMERA_RETRY, SILENCE, start)

    def say(self, *kinds: str, text: str = "") -> None:
        self.links[-1].news += [ChildMessage(kind=kind, text=text) for kind in kinds]

    def messages(self, seconds: float) -> list[Message]:
        """All that comes within so long, in steps as the loop takes them."""
        taken = []
        until_ns = self.clock.time_ns + round(seconds * 1e9)
        while self.clock.time_ns < until_ns:
            if (message := self.capture.take(0.1)) is not None:
                taken.append(message)
        return taken


@pytest.mark.parametrize(
    ("said", "limit_s"), [([], 20), (["loaded"], 8), (["loaded", "opened"], 4), (["loaded", "opened", "frame"], 4)]
)
def test_each_silence_has_its_limit(clock, said, limit_s):
    bench = Bench(clock)
    bench.say(*said)
    before = [message for message in bench.messages(limit_s - 0.2) if not isinstance(message, Opened)]
    assert before == []
    assert not bench.links[0].killed
    (absent,) = bench.messages(0.5)
    assert absent == Absent(f"cam: gave nothing for {limit_s} s; its process was killed", 1.0)
    assert bench.links[0].killed
    bench.messages(1.2)
    assert len(bench.links) == 2, "a second later there is another"


def test_after_a_silence_the_next_attempt_comes_soon_however_many_failed(clock):
    bench = Bench(clock)
    for _ in range(5):
        bench.say("loaded")
        (absent,) = bench.messages(9.1)
        assert absent.retry_s == 1.0, "the silence itself was the wait"


def test_whoever_waits_on_purpose_gives_signs_of_life(clock):
    bench = Bench(clock)
    bench.say("loaded", "opened")
    for _ in range(20):
        bench.messages(3)
        bench.say("alive")
    assert len(bench.links) == 1


def test_attempts_become_rarer_up_to_a_limit(clock):
    bench = Bench(clock)
    absences = []
    while len(absences) < 6:
        if bench.links and not bench.links[-1].hung_up:
            bench.say("absent", text="no camera")
        absences += bench.messages(0.1)
    assert absences == [Absent("no camera", wait_s) for wait_s in (1, 2, 4, 4, 4, 4)]


def test_the_next_candidate_is_tried_at_once_and_the_reasons_are_told_together(clock):
    bench = Bench(clock, kinds=("picamera", "first-v4l2"))
    bench.say("absent", text="no Pi camera")
    assert bench.messages(0.1) == []
    assert [link.candidate.kind for link in bench.links] == ["picamera", "first-v4l2"]
    bench.say("absent", text="no USB camera")
    assert bench.messages(0.1) == [Absent("no Pi camera; no USB camera", 1.0)]
    bench.messages(1.1)
    assert bench.links[-1].candidate.kind == "picamera"


@pytest.mark.parametrize(
    ("news", "reason"),
    [
        (ChildMessage(kind="gone"), "cam: the capture process was ended by signal 11: oh"),
        (ChildMessage(kind="failed", text="ZeroDivisionError: oh"), "cam: ZeroDivisionError: oh"),
        (
            InvalidMessageError("an unreadable line"),
            "cam: the capture process wrote garbage (an unreadable line) and was killed",
        ),
    ],
)
def test_whatever_becomes_of_it_is_named(clock, news, reason):
    bench = Bench(clock)
    bench.links[0].news.append(news)
    assert bench.messages(0.1) == [Absent(reason, 1.0)]
    assert bench.links[0].hung_up


def test_without_patience_an_absence_ends_it(clock):
    bench = Bench(clock, live=False)
    bench.say("absent", text="no such film")
    (failed,) = bench.messages(0.1)
    assert isinstance(failed, Failed)
    assert str(failed.error) == "no such film"
    assert bench.messages(20) == []
    assert len(bench.links) == 1


def test_after_the_end_nothing_is_started(clock):
    bench = Bench(clock)
    bench.say("loaded", "opened", "ended", "gone")
    assert bench.messages(30) == [Opened(""), Ended()]
    assert len(bench.links) == 1
    assert bench.links[0].killed, "it did not go by itself"


def test_a_process_that_cannot_be_killed_is_abandoned_and_reported_and_their_number_is_bounded(clock):
    bench = Bench(clock, killable=False)
    reasons = [message.reason for message in bench.messages(300)]
    assert any("capture process 77 hangs in the kernel and cannot be ended; abandoned" in text for text in reasons)
    assert f"{MAX_ABANDONED} capture processes hang in the kernel and cannot be ended; restart the board" in reasons
    assert len(bench.links) <= MAX_ABANDONED + 1, "the last was started before its predecessor was given up"
    for link in bench.links:
        link.killable = True  # the driver has let go
    bench.messages(5)
    assert bench.capture.abandoned == 0
    assert len(bench.links) > MAX_ABANDONED


def test_an_interpreter_that_is_not_there_is_named(clock):
    def refuse(candidate: Candidate):
        raise FileNotFoundError(2, "No such file or directory")

    source = Source("cam", lambda: None, True, candidates=(Candidate("picamera", "0", "/opt/python"),))
    capture = ProcessCapture(source, clock, CAMERA_RETRY, SILENCE, refuse)
    assert capture.take(0) == Absent(
        "/opt/python: cannot be started (No such file or directory); check --camera-python", 1.0
    )


def test_closing_takes_less_than_a_second_whatever_is_left(clock):
    bench = Bench(clock, killable=False)
    bench.messages(100)
    started_ns = clock.time_ns
    bench.capture.close()
    assert clock.time_ns - started_ns < 1e9
    assert all(link.killed for link in bench.links)


def test_the_camera_that_was_opened_stays_and_no_other_takes_its_place(clock):
    bench = Bench(clock, kinds=("picamera", "first-v4l2"))
    bench.say("loaded", "opened", text="picamera:0 (imx708)")
    assert bench.messages(1) == [Opened("picamera:0 (imx708)")]
    bench.say("absent", text="picamera:0: stopped giving frames")
    (lost,) = bench.messages(0.5)
    assert isinstance(lost, Absent)
    assert lost.reason == "picamera:0: stopped giving frames"
    bench.messages(30)
    assert {link.candidate.kind for link in bench.links} == {"picamera"}
    assert len(bench.links) > 1


def test_of_several_cameras_the_very_one_is_opened_again(clock):
    bench = Bench(clock, kinds=("picamera", "first-v4l2"))
    bench.say("absent", text="no Pi camera")
    bench.messages(0.5)
    bench.links[-1].news.append(
        ChildMessage(
            kind="opened", text="/dev/video2", identity="usb 1:2 #0 640x480", again=("v4l2", "/dev/video2\tusb 1:2 #0")
        )
    )
    (opened,) = bench.messages(0.5)
    assert isinstance(opened, Opened)
    assert (opened.title, opened.identity) == ("/dev/video2", "usb 1:2 #0 640x480")
    bench.say("gone")
    bench.messages(10)
    assert [(link.candidate.kind, link.candidate.argument) for link in bench.links] == [
        ("picamera", "x"),
        ("first-v4l2", "x"),
        ("v4l2", "/dev/video2\tusb 1:2 #0"),
    ]


def test_whoever_has_a_busy_camera_is_named(clock, monkeypatch):
    monkeypatch.setattr("waste_edge.device.cameras.query.holders", lambda *_: ["cheese (pid 12)"])
    bench = Bench(clock)
    bench.say("absent", text="/dev/video0: is busy: another program uses it")
    (lost,) = bench.messages(0.5)
    assert isinstance(lost, Absent)
    named = "/dev/video0: is busy: another program uses it: cheese (pid 12); end it, or choose another camera"
    assert lost.reason == named
