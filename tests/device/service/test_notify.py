"""What systemd is told: over a real datagram socket, and by a watchdog whose time is the test's own."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Limits, Loop, LoopControl
from waste_edge.device.service.notify import Notifier, Watchdog, watchdog_ns
from waste_edge.device.vision.camera_health import Fault
from waste_edge.device.vision.inspection import Inspector
from waste_edge.errors import ConfigError

S = 1_000_000_000


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request, tmp_path):
    """A socket as systemd's, and the address it gives to services."""
    name = f"@waste-edge-test-{os.getpid()}"
    address = str(tmp_path / "notify") if request.param == "a path" else name
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + address[1:] if address.startswith("@") else address)
        listening.settimeout(10)
        yield SimpleNamespace(address=address, hears=lambda: listening.recv(4096).decode())


def test_systemd_hears_each_message(systemd):
    notifier = Notifier.of_environment({"NOTIFY_SOCKET": systemd.address})
    assert notifier.ready("looking at a tray")
    assert systemd.hears() == "READY=1\nSTATUS=looking at a tray"
    assert notifier.reloading(now_ns=12_345_678_999)
    assert systemd.hears() == "RELOADING=1\nMONOTONIC_USEC=12345678"
    assert notifier.ready()
    assert systemd.hears() == "READY=1"
    assert notifier.send("WATCHDOG=1")
    assert systemd.hears() == "WATCHDOG=1"
    assert notifier.stopping("ended: SIGTERM")
    assert systemd.hears() == "STOPPING=1\nSTATUS=ended: SIGTERM"


def test_a_status_is_one_line_and_cannot_smuggle_in_another_message(systemd):
    Notifier(systemd.address).status("no camera\nREADY=1")
    assert systemd.hears() == "STATUS=no camera READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_without_systemd_it_is_silent_and_says_that_nobody_heard(environment):
    assert not Notifier.of_environment(environment).ready()


def test_a_systemd_that_does_not_read_is_not_waited_for(tmp_path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        heard = [Notifier(address).send("WATCHDOG=1") for _ in range(2000)]  # more than any queue holds
    assert heard[0]
    assert not heard[-1]


@pytest.mark.parametrize(
    ("environment", "expected_ns"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60 * S),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "41"}, 60 * S),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "42"}, None),
    ],
)
def test_the_watchdog_is_fed_only_where_systemd_waits_for_this_process(environment, expected_ns):
    assert watchdog_ns(environment, pid=41) == expected_ns


@pytest.mark.parametrize("value", ["soon", "0", "-5", ""])
def test_a_watchdog_variable_that_is_no_number_is_named(value):
    with pytest.raises(ConfigError, match=r"WATCHDOG_USEC=.*expected a number above 0"):
        watchdog_ns({"WATCHDOG_USEC": value})


@dataclass
class Heard(Notifier):
    """What would have been sent; `deaf` is a systemd whose queue is full."""

    messages: list[tuple[str, ...]] = field(default_factory=list)
    deaf: bool = False

    def send(self, *assignments: str) -> bool:
        if assignments and not self.deaf:
            self.messages.append(assignments)
        return bool(assignments) and not self.deaf

    def count(self, assignment: str) -> int:
        return sum(assignment in message for message in self.messages)


def seen(fps: float = 14.83, items: int = 12, fault: Fault | None = None):
    return SimpleNamespace(statistics=SimpleNamespace(fps_now=fps, items=items), fault=fault)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def watchdog(heard, clock) -> Watchdog:
    return Watchdog(heard, clock, patience_ns=60 * S)


def test_it_is_ready_at_the_first_verdict_and_only_then(watchdog, heard):
    assert heard.messages == []
    watchdog.seen(seen())
    assert heard.messages == [
        ("READY=1", "WATCHDOG=1", "STATUS=looking at the camera, 14.8 frames/s, 12 items"),
    ]
    watchdog.seen(seen())
    assert heard.count("READY=1") == 1


@pytest.mark.parametrize("news", [Opened("picamera:0"), Absent("no camera found", 2.0)])
def test_it_is_ready_at_the_first_attempt_to_open_the_camera(watchdog, heard, news):
    watchdog.news(news)
    assert heard.messages[0][:2] == ("READY=1", "WATCHDOG=1")


def test_fifteen_frames_a_second_feed_once_a_second(watchdog, heard, clock):
    for _ in range(15 * 10):
        watchdog.seen(seen())
        clock.time_ns += S // 15
    assert heard.count("WATCHDOG=1") == 10


def test_time_alone_feeds_nothing(watchdog, heard, clock):
    watchdog.seen(seen())
    before = list(heard.messages)
    clock.time_ns += 3600 * S
    watchdog.news(BadPicture("half.jpg: cannot be read"))
    watchdog.decided(None)
    assert heard.messages == before


def test_attempts_to_open_an_absent_camera_feed_for_as_long_as_it_takes(watchdog, heard, clock):
    for _ in range(100):
        watchdog.news(Absent("no camera found", 8.0))
        clock.time_ns += 8 * S
    assert heard.count("WATCHDOG=1") == 100
    assert heard.messages[-1][-1] == "STATUS=waiting for a camera: no camera found; next attempt in 8 s"


def test_frames_that_are_unfit_to_be_classified_feed_too_and_the_status_says_why(watchdog, heard, clock):
    watchdog.news(Opened("picamera:0"))
    clock.time_ns += 6 * S
    watchdog.seen(seen(fault=Fault("blocked", "the view is blocked; clear it")))
    assert heard.messages[-1] == ("WATCHDOG=1", "STATUS=looking at picamera:0, the view is blocked; clear it")


def test_the_status_follows_the_camera_at_once_and_the_frames_every_five_seconds(watchdog, heard, clock):
    watchdog.news(Opened("picamera:0"))
    for _ in range(15 * 20):
        watchdog.seen(seen())
        clock.time_ns += S // 15
    watchdog.news(Absent("unplugged", 1.0))
    statuses = [line for message in heard.messages for line in message if line.startswith("STATUS=")]
    assert statuses == [
        "STATUS=looking at picamera:0",
        *["STATUS=looking at picamera:0, 14.8 frames/s, 12 items"] * 3,
        "STATUS=waiting for a camera: unplugged; next attempt in 1 s",
    ]


def test_a_short_patience_is_fed_twice_in_it_and_none_not_at_all(heard, clock):
    short = Watchdog(heard, clock, patience_ns=S)
    for _ in range(10):
        short.seen(seen())
        clock.time_ns += S // 10
    assert heard.count("WATCHDOG=1") == 2
    unwatched = Heard()
    Watchdog(unwatched, clock, patience_ns=None).seen(seen())
    assert unwatched.messages[0][0] == "READY=1"
    assert unwatched.count("WATCHDOG=1") == 0


def test_what_systemd_had_no_room_for_is_said_at_the_next_frame(watchdog, heard):
    heard.deaf = True
    watchdog.seen(seen())
    heard.deaf = False
    watchdog.seen(seen())
    assert heard.messages[0][:2] == ("READY=1", "WATCHDOG=1")


class Silent:
    """Messages of a camera that hangs after some frames; time passes all the while."""

    dropped_frames = 0

    def __init__(self, frames, clock) -> None:
        self._frames = list(frames)
        self._clock = clock

    def take(self, timeout_s: float):
        self._clock.time_ns += round(0.1 * S)
        return self._frames.pop(0) if self._frames else None

    def close(self) -> None:
        pass


@pytest.fixture
def run_loop(clock, heard, manifest, site, classify, make_stage):
    """Runs a real loop over a second of frames, or more, then an hour of silence; returns when it was fed."""

    def run(classify=classify, visits=()):
        watchdog = Watchdog(heard, clock, patience_ns=60 * S)
        stage = make_stage(fps=10)
        messages = Silent([*stage.hold(1.0), *(frame for label in visits for frame in stage.visit(label))], clock)
        items = CameraItemTracker(DecisionPolicy(manifest, site), Inspector(classify))
        return Loop(messages, items, [watchdog], clock, LoopControl(Limits(duration_s=3600))).run()

    return run


def test_a_loop_that_sees_nothing_more_feeds_nothing_more(run_loop, heard):
    assert run_loop().frames == 10
    assert heard.count("READY=1") == 1
    assert heard.count("WATCHDOG=1") == 1
    assert heard.count("STOPPING=1") == 0, "a loop that ends for a reload is no station that stops"


def test_a_frame_whose_classification_fails_is_no_verdict(run_loop, heard):
    def hang(pixels):
        raise TimeoutError("stands for an engine that never answers")

    with pytest.raises(TimeoutError):
        run_loop(classify=hang, visits=["paper"])
    assert heard.count("WATCHDOG=1") == 2, "of the empty scene's second and the arrival's, none after it"
