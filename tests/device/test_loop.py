"""The loop on scripted messages: no thread, no camera, no engine."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.device.conftest import Stage
from tests.device.telling import make_event
from waste_edge.device.capture import Absent, BadPicture, Ended, Failed, Message, Opened
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event, Observation, PictureItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Limits, Listener, Loop, LoopControl, LoopServices, Seen
from waste_edge.device.signals import Stop, stopped_by_signals
from waste_edge.device.statistics import Summary
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.device.vision.camera_health import Fault
from waste_edge.device.vision.inspection import Inspector
from waste_edge.device.vision.presence import State
from waste_edge.errors import CameraError, EngineError
from waste_edge.imaging.frames import Frame


class ScriptedMessages:
    """Gives messages in order, then none; each take costs a hundredth of a second."""

    def __init__(self, clock, *script: Message, dropped_frames: int = 0) -> None:
        self.dropped_frames = dropped_frames
        self.closed = False
        self._clock = clock
        self._script = deque(script)

    def take(self, timeout_s: float) -> Message | None:
        if self._script:
            self._clock.time_ns += 10_000_000
            return self._script.popleft()
        self._clock.time_ns += max(1, round(timeout_s * 1e9))
        return None

    def close(self) -> None:
        self.closed = True


class Diary(Listener):
    """A listener that remembers."""

    def __init__(self) -> None:
        self.entries: list[object] = []

    def news(self, message: Opened | Absent | BadPicture) -> None:
        self.entries.append(message)

    def seen(self, seen: Seen) -> None:
        self.entries.append(seen.state)

    def decided(self, event: Event) -> None:
        self.entries.append(event)

    def health(self, conditions: Sequence[Condition]) -> None:
        self.entries += conditions

    def ended(self, summary: Summary) -> None:
        self.entries.append(summary)

    def only(self, kind: type) -> list[object]:
        return [entry for entry in self.entries if isinstance(entry, kind)]


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def make_loop(clock, manifest, site, classify, diary):
    def make(*script: Message, still_images: bool = False, dropped_frames: int = 0, **options) -> Loop:
        policy = DecisionPolicy(manifest, site)
        ask = options.pop("classify", classify)
        items = PictureItemTracker(policy, ask) if still_images else CameraItemTracker(policy, Inspector(ask, looks=4))
        messages = ScriptedMessages(clock, *script, dropped_frames=dropped_frames)
        services = LoopServices(health=options.pop("health", None) or Health())
        return Loop(messages, items, [diary], clock, LoopControl(**options), services)

    return make


def picture(name: str = "a.jpg") -> Frame:
    return Frame(np.full((9, 9, 3), (220, 40, 40), np.uint8), 0, name)


def test_an_item_is_seen_decided_and_counted(make_loop, make_stage, diary):
    stage = make_stage()
    frames = [*stage.hold(1.0), *stage.visit("paper"), *stage.hold(1.0)]
    summary = make_loop(Opened("a camera"), *frames, Ended(), dropped_frames=7).run()
    events = diary.only(Event)
    assert [event.decision.stream for event in events] == ["paper"]
    assert diary.entries[0] == Opened("a camera")
    assert diary.entries[diary.entries.index(events[0]) - 1] is State.DECIDED, "seen first, then decided"
    assert diary.entries[-1] == summary
    assert (summary.frames, summary.items, summary.dropped_frames) == (len(frames), 1, 7)
    assert (summary.streams, summary.labels) == ({"paper": 1}, {"paper": 1})
    assert summary.fps == pytest.approx(100.0)
    assert summary.latency_p50_ms == summary.latency_p95_ms == 3.0
    assert summary.ended == "the source ended"


def test_a_frame_s_age_counts_from_its_capture_to_its_verdict(make_loop, make_stage, clock):
    frames = [Frame(make_stage().frame().pixels, clock.time_ns + 10_000_000 * number) for number in range(3)]
    summary = make_loop(Opened("a camera"), *frames, Ended()).run()
    assert summary.frame_age_p50_ms == summary.frame_age_p95_ms == 20.0


def test_pictures_are_decided_one_by_one_and_bad_ones_counted(make_loop, diary):
    script = [picture("a.jpg"), BadPicture("b.jpg: damaged"), picture("c.jpg"), Ended()]
    summary = make_loop(Opened("photos"), *script, still_images=True).run()
    assert [event.picture for event in diary.only(Event)] == ["a.jpg", "c.jpg"]
    assert diary.only(BadPicture) == [BadPicture("b.jpg: damaged")]
    assert (summary.items, summary.bad_pictures) == (2, 1)


def test_it_ends_after_so_many_frames(make_loop):
    summary = make_loop(*(picture() for _ in range(9)), still_images=True, limits=Limits(frames=4)).run()
    assert (summary.frames, summary.ended) == (4, "4 frames, as asked")


def test_it_ends_after_so_long_even_without_a_camera(make_loop, diary):
    summary = make_loop(Absent("no camera", 1.0), limits=Limits(duration_s=2.5)).run()
    assert summary.seconds == pytest.approx(2.5)
    assert (summary.frames, summary.fps, summary.latency_p50_ms) == (0, 0.0, 0.0)
    assert diary.only(Absent) == [Absent("no camera", 1.0)]


def test_it_ends_when_asked_after_the_frame_in_hand(make_loop, classify, diary):
    stop = Stop()

    def classify_and_stop(pixels):
        stop.request("enough")
        return classify(pixels)

    summary = make_loop(picture(), picture(), still_images=True, stop=stop, classify=classify_and_stop).run()
    assert (summary.frames, summary.items, summary.ended) == (1, 1, "enough")


@pytest.mark.parametrize("error", [CameraError("the camera is gone"), EngineError("the engine broke")])
def test_an_error_comes_after_the_summary(make_loop, diary, error):
    with pytest.raises(type(error), match=str(error)):
        make_loop(picture(), Failed(error), still_images=True).run()
    (summary,) = diary.only(Summary)
    assert (summary.frames, summary.ended) == (1, "an error")


def test_the_camera_is_given_back_even_if_a_listener_breaks(clock, manifest, site, classify):
    class Broken(Diary):
        def seen(self, seen: Seen) -> None:
            raise BrokenPipeError

    messages = ScriptedMessages(clock, picture())
    with pytest.raises(BrokenPipeError):
        Loop(messages, PictureItemTracker(DecisionPolicy(manifest, site), classify), [Broken()], clock).run()
    assert messages.closed


def test_a_camera_that_comes_back_finds_the_scene_as_it_was(make_loop, make_stage, diary):
    stage = make_stage()
    before, item = list(stage.hold(1.0)), ("glass", 55, 35, 50)
    resting = list(stage.hold(2.0, item))
    stage.pause(20.0)
    after = [*stage.hold(2.0, item), *stage.hold(1.0)]
    make_loop(Opened("usb"), *before, *resting, Absent("unplugged", 1.0), Opened("usb"), *after, Ended()).run()
    assert len(diary.only(Event)) == 1


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_signals_ask_the_loop_to_end_once(number, reason):
    before = signal.getsignal(number)
    with stopped_by_signals() as stop:
        assert stop.reason == ""
        os.kill(os.getpid(), number)
        assert stop.reason == reason
        assert signal.getsignal(number) == before, "the second signal acts as ever"
    assert signal.getsignal(number) == before


def test_elsewhere_than_in_the_main_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with stopped_by_signals() as stop:
            seen.append((stop.reason, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [("", before)]


def test_the_present_rate_is_that_of_the_last_seconds():
    from waste_edge.device.statistics import Statistics

    statistics = Statistics(started_ns=0)
    for tick in range(100):
        statistics.count_frame(tick * 1_000_000_000)  # one a second
        statistics.count_answer(1.0)
    for tick in range(40):
        statistics.count_frame(99_000_000_000 + tick * 100_000_000)  # then ten a second
        statistics.count_answer(5.0)
    assert statistics.fps_now == pytest.approx(10.0, rel=0.05)
    assert statistics.latency_ms(50) == 1.0
    assert statistics.latency_ms(95) == 5.0


class ScriptedItems:
    """Suspects frames by their number, and notes how it was asked to see each."""

    scene_changes = 0

    def __init__(self, faulty: Collection[int] = (), decides: Collection[int] = ()) -> None:
        self.fault: Fault | None = None
        self.spared: list[bool] = []
        self._faulty, self._decides = faulty, decides

    def see(self, frame: Frame, spare: bool = False) -> Observation:
        number = len(self.spared)
        self.spared.append(spare)
        self.fault = BLOCKED if number in self._faulty else None
        return Observation(State.EMPTY, make_event(number) if number in self._decides else None)

    def remember(self) -> bytes:
        return b""


BLOCKED = Fault("blocked", "the lens is covered; uncover it")


class NotingKeeper:
    """Writes into the diary, so that the order shows."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self.tended = 0

    def keep(self, frame: Frame, event: Event | None) -> None:
        self._diary.entries.append(("kept", event and event.id))

    def tend(self) -> None:
        self.tended += 1


def frames_at(*times_s: float) -> list[Frame]:
    return [Frame(np.full((9, 9, 3), (220, 40, 40), np.uint8), round(time_s * 1e9)) for time_s in times_s]


def test_frames_with_a_fault_are_counted_apart(clock, diary):
    items = ScriptedItems(faulty=(2, 3, 4))
    summary = Loop(ScriptedMessages(clock, *frames_at(*range(8)), Ended()), items, [diary], clock).run()
    assert (summary.frames, summary.unclassified_frames, summary.answers) == (5, 3, 0)


def test_the_network_is_asked_of_no_frame_of_an_empty_scene(make_loop, make_stage, classify):
    asked = []

    def counted(pixels):
        asked.append(pixels)
        return classify(pixels)

    stage = make_stage()
    summary = make_loop(*stage.hold(20.0), Ended(), classify=counted).run()
    assert (summary.frames, summary.answers, len(asked)) == (300, 0, 0)
    visited = make_loop(*make_stage().hold(1.0), *stage.visit("paper"), Ended(), classify=counted).run()
    assert (visited.items, visited.answers, len(asked)) == (1, 4, 4)


def test_a_fault_is_told_with_each_frame_and_a_camera_with_one_decides_nothing(clock, manifest, site, classify):
    """Real presence and camera health: the lens is covered by a hand, and then no longer."""
    told: list[Seen] = []

    class Watcher(Listener):
        def seen(self, seen: Seen) -> None:
            told.append(seen)

    black = [Frame(np.zeros((120, 160, 3), np.uint8) + noise, 0) for noise in np.uint8([1, 2])]
    stage = Stage()
    tray = list(stage.hold(1.0))
    covered = [replace(black[i % 2], captured_ns=stage.frame().captured_ns) for i in range(90)]
    items = CameraItemTracker(DecisionPolicy(manifest, site), Inspector(classify))
    script = [*tray, *covered, *stage.hold(3.0), *stage.visit("paper"), *stage.hold(1.0)]
    summary = Loop(ScriptedMessages(clock, *script, Ended()), items, [Watcher()], clock).run()
    faulty = [index for index, seen in enumerate(told) if seen.fault is not None]
    assert faulty, "it was noticed"
    assert all(told[index].prediction is None for index in faulty)
    assert len(tray) <= faulty[0] < faulty[-1] < len(tray) + 90 + 45, "it came with the hand and went with it"
    assert len({told[index].state for index in faulty}) == 1, "presence stood still"
    assert (summary.items, summary.streams) == (1, {"paper": 1}), "the hand was no item, the paper was"


@pytest.mark.parametrize(("gap_s", "classified"), [(0.0, 10), (0.2, 5), (0.5, 2)])
def test_a_board_that_suffers_is_given_fewer_frames(clock, diary, gap_s, classified):
    health = Health()
    health.least_gap_s = gap_s
    items = ScriptedItems()
    messages = ScriptedMessages(clock, *frames_at(*(number / 10 for number in range(10))), Ended())
    summary = Loop(messages, items, [diary], clock, services=LoopServices(health=health)).run()
    assert (summary.frames, summary.shed_frames) == (classified, 10 - classified)
    assert items.spared == [gap_s > 0] * classified
    assert len(diary.only(State)) == classified


def test_of_pictures_none_is_passed_over_however_hot_it_is(make_loop, diary):
    health = Health()
    health.least_gap_s = 0.5
    summary = make_loop(*(picture(f"{n}.jpg") for n in range(4)), Ended(), still_images=True, health=health).run()
    assert (summary.items, summary.shed_frames) == (4, 0)


def test_the_keeper_is_asked_before_anyone_is_told(clock, diary):
    recorder = NotingKeeper(diary)
    messages = ScriptedMessages(clock, *frames_at(0, 1), Ended())
    Loop(messages, ScriptedItems(decides={1}), [diary], clock, services=LoopServices(recorder)).run()
    event = make_event(1)
    assert diary.entries[:-1] == [("kept", None), State.EMPTY, ("kept", event.id), State.EMPTY, event]
    assert recorder.tended == 3, "after each message"


def test_an_event_that_cannot_be_kept_is_told_to_nobody(clock, diary):
    class Broken(NotingKeeper):
        def keep(self, frame: Frame, event: Event | None) -> None:
            raise ZeroDivisionError

    messages = ScriptedMessages(clock, *frames_at(0))
    with pytest.raises(ZeroDivisionError):
        Loop(messages, ScriptedItems(decides={0}), [diary], clock, services=LoopServices(Broken(diary))).run()
    assert diary.only(Event) == []


def test_what_changed_in_health_is_told_even_if_no_frame_comes(make_loop, diary):
    health = Health()
    health.set(Condition("disk", Level.BAD, "full"), Condition("power", Level.OK, "enough"))
    make_loop(health=health, limits=Limits(duration_s=1.0)).run()
    assert diary.only(Condition) == [Condition("disk", Level.BAD, "full")]


def test_a_reload_that_is_refused_goes_on_and_one_that_is_accepted_ends_the_loop(clock, diary):
    stop, answers, asked_at = Stop(), ["", "a better one"], []

    class Wishing(ScriptedItems):
        def see(self, frame: Frame, spare: bool = False) -> Observation:
            stop.reload = len(self.spared) in (1, 4)
            return super().see(frame, spare)

    items = Wishing()

    def reload() -> str:
        asked_at.append(len(items.spared))
        return answers.pop(0)

    messages = ScriptedMessages(clock, *frames_at(*range(9)))
    summary = Loop(messages, items, [diary], clock, LoopControl(stop=stop, reload=reload)).run()
    assert asked_at == [2, 5], "each wish is heard once, between two frames"
    assert (summary.frames, summary.ended) == (5, "a better one")
    assert messages.closed
    assert stop.reload is False


def test_to_end_goes_before_to_reload(make_loop):
    stop = Stop()
    stop.request("SIGTERM")
    stop.reload = True
    assert make_loop(picture(), stop=stop, still_images=True, reload=lambda: "a better one").run().ended == "SIGTERM"


def test_a_hangup_asks_to_reload_where_there_is_something_to_read_and_else_to_end():
    before = signal.getsignal(signal.SIGHUP)
    with stopped_by_signals() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert (stop.reload, stop.reason) == (False, "SIGHUP"), "without a configuration a closed terminal ends it"
    with stopped_by_signals(reloads=True) as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert (stop.reload, stop.reason) == (True, "")
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == before
