"""One scripted day at a bin, replayed as fast as it goes: hundreds of items, and all that befalls a station meanwhile.

The station is made of its real parts (loop, items, outbox, deliveries, sinks); time, camera and classifier are the
script's. A kill throws all parts away as they are, and builds new ones over what lies on the disk.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.device.conftest import COLOURS, LABELS, FakeClock
from tests.device.telling import FakeWall
from waste_edge.device.capture import Absent, Ended, Message, Opened
from waste_edge.device.clock import RetryPolicy
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Listener, Loop, LoopServices, Seen
from waste_edge.device.outbox.event_store import EventRecorder
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.outbox.record import Record
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.sink import Sink
from waste_edge.device.vision.inspection import Classify, Inspector
from waste_edge.imaging.frames import Frame

FPS = 8
EMPTY, MOVING, RESTING = 4, 2, 12  # frames
OFF_NS = 3_000_000_000  # from a kill to the next start
CAMERA_AWAY_NS = 45_000_000_000
# Where in an item's visit a station is killed.
MOMENTS = ("empty", "arriving", "resting", "before the commit", "before it is told", "before it is noted", "leaving")


class Killed(BaseException):
    """Passes through everything, as the end of a process does."""


@dataclass
class Day:
    """What happens at which item.

    Attributes:
        labels: the items, in order.
        kills: at which item, at which of MOMENTS.
        camera_lost: the items at which the camera is gone for a while: before they come, and while they lie there.
        reloads: the items before which the configuration is read again.
        acts: what else happens before an item: a broker that goes, a disk that fills, a clock that jumps.
    """

    labels: Sequence[str]
    kills: Mapping[int, str] = field(default_factory=dict)
    camera_lost: frozenset[int] = frozenset()
    reloads: frozenset[int] = frozenset()
    acts: Mapping[int, Callable[[], None]] = field(default_factory=dict)


def make_day(items: int, away: range, safe: range, acts: Mapping[int, Callable[[], None]], seed: int = 4) -> Day:
    """A day with a kill at every seventh item or so.

    Args:
        items: how many.
        away: the items while a receiver is away: none is noted meanwhile.
        safe: the items while events may be in memory only: nobody is killed, and nothing read again.
        acts: see `Day`.
        seed: of all that is random.
    """
    randomly = random.Random(seed)

    def moment(order: int, number: int) -> str:
        chosen = MOMENTS[order % len(MOMENTS)]
        return "before it is told" if chosen == "before it is noted" and number in away else chosen

    kills = {
        number: moment(order, number)
        for order, number in enumerate(sorted(set(randomly.sample(range(items), items // 7)) - set(safe)))
    }
    lost = frozenset(randomly.sample(range(items), items // 30))
    reloads = frozenset(number for number in randomly.sample(range(items), items // 50) if number not in safe)
    return Day([randomly.choice(LABELS) for _ in range(items)], kills, lost, reloads, acts)


class Bin:
    """The world: plays a day, whoever looks on."""

    def __init__(self, day: Day, clock: FakeClock) -> None:
        self.number = -1  # the item whose visit it is
        self.killed: dict[int, str] = {}
        self._day = day
        self._clock = clock
        self._noise = np.random.default_rng(3).integers(0, 6, (16, 120, 160, 3), dtype=np.uint8)
        self._tray = np.repeat(np.linspace(100, 150, 160)[None, :, None], 120, axis=0).repeat(3, 2).astype(np.uint8)
        self._frames = 0

    def die_here(self, moment: str) -> None:
        """The end of the station, if it is to come at this moment."""
        if self._day.kills.get(self.number) == moment and self.number not in self.killed:
            self.killed[self.number] = moment
            self._clock.time_ns += OFF_NS
            raise Killed

    def play(self) -> Iterator[Message | str]:
        """Frames and news of the camera, with the moments at which the station may be killed in between."""
        yield from self._hold(10, None)
        for number, label in enumerate(self._day.labels):
            self.number = number
            if number in self._day.acts:
                self._day.acts[number]()
            if number in self._day.reloads:
                yield "reload"
            yield from self._visit(label, lost=number in self._day.camera_lost)
        yield from self._hold(EMPTY, None)

    def _visit(self, label: str, lost: bool) -> Iterator[Message | str]:
        yield "empty"
        if lost:
            yield from self._away()
        yield from self._hold(EMPTY, None)
        yield from self._hold(MOVING // 2, label, top=-30)
        yield "arriving"
        yield from self._hold(MOVING // 2, label, top=5)
        yield from self._hold(RESTING // 4, label)
        yield "resting"
        before = self.number in self.killed
        yield from self._hold(RESTING, label)
        if (
            self.number in self.killed and not before
        ):  # whoever was killed before the decision gets the time that it takes
            yield from self._hold(RESTING, label)
        if lost:
            yield from self._away()
            yield from self._hold(RESTING, label)
        yield from self._hold(MOVING // 2, label, top=60)
        yield "leaving"
        yield from self._hold(MOVING // 2, label, top=90)

    def _away(self) -> Iterator[Message]:
        yield Absent("unplugged", 1.0)
        self._clock.time_ns += CAMERA_AWAY_NS
        yield Opened("the camera")

    def _hold(self, frames: int, label: str | None, top: int = 30) -> Iterator[Frame]:
        for _ in range(frames):
            self._clock.time_ns += 1_000_000_000 // FPS
            self._frames += 1
            picture = self._tray + self._noise[self._frames * 7 % 16]
            if label is not None:
                picture[max(0, top) : top + 60, 50:110] = COLOURS[label]
            yield Frame(picture, self._clock.time_ns)


class Ticket:
    """One life's view of the day: the `Messages` of its loop."""

    dropped_frames = 0

    def __init__(self, bin_: Bin, play: Iterator[Message | str]) -> None:
        self._bin, self._play = bin_, play
        self.reload = False

    def take(self, timeout_s: float) -> Message | None:
        for message in self._play:
            if message == "reload":
                self.reload = True
                return Ended()
            if not isinstance(message, str):
                return message
            self._bin.die_here(message)
        return Ended()

    def close(self) -> None:
        """Nothing to give back."""


class MortalKeeper(EventRecorder):
    """A station may die just before an event is on the disk, or just after."""

    def __init__(self, outbox: Outbox, items: CameraItemTracker, clock: FakeClock, bin_: Bin) -> None:
        super().__init__(outbox, items, clock)
        self._bin = bin_

    def keep(self, frame: Frame, event: Event | None) -> None:
        if event is not None:
            self._bin.die_here("before the commit")
        super().keep(frame, event)
        if event is not None:
            self._bin.die_here("before it is told")


class MortalSink:
    """A station may die when the receiver has an event and the outbox does not know it."""

    def __init__(self, sink: Sink, bin_: Bin) -> None:
        self.name, self.tell_health, self.close = sink.name, sink.tell_health, sink.close
        self._sink, self._bin = sink, bin_

    def deliver(self, records: Sequence[Record]) -> None:
        self._sink.deliver(records)
        if records:
            self._bin.die_here("before it is noted")


class Carrier(Listener):
    """Has the sinks told, in the loop's thread: a day that is played fast must not depend on what threads do."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries
        self._frames = 0

    def seen(self, seen: Seen) -> None:
        self._frames += 1
        if self._frames % FPS == 0:
            for delivery in self._deliveries:
                delivery.step()


class Replay:
    """Plays a day to stations over one folder, one after the other."""

    def __init__(
        self, folder: Path, policy: DecisionPolicy, classify: Classify, make_sinks: Callable[[], list[Sink]]
    ) -> None:
        self.clock, self.wall_clock = FakeClock(), FakeWall()
        self.conditions: set[str] = set()  # what the outbox and the sinks said of themselves, in level words
        self.lives = 0
        self._path = folder / "outbox.sqlite"
        self._policy, self._classify, self._make_sinks = policy, classify, make_sinks
        self._dead: list[object] = []  # kept, so that nothing is closed in passing

    def play(self, day: Day) -> Bin:
        """The whole day; then all that waits is delivered."""
        bin_ = Bin(day, self.clock)
        play = bin_.play()
        while self._live(bin_, play):
            pass
        return bin_

    def _live(self, bin_: Bin, play: Iterator[Message | str]) -> bool:
        """One life of a station; whether another follows."""
        self.lives += 1
        outbox = Outbox(self._path, "bin", self.clock, self.wall_clock)
        deliveries = [
            Delivery(
                outbox, MortalSink(sink, bin_), self.clock, self.wall_clock, RetryPolicy(longest_s=8.0, jitter=0.5)
            )
            for sink in self._make_sinks()
        ]
        items = CameraItemTracker(self._policy, Inspector(self._classify))
        items.presence.recall(outbox.scene() or b"")
        ticket = Ticket(bin_, play)
        recorder = MortalKeeper(outbox, items, self.clock, bin_)
        watch = _Watch(outbox, deliveries, self.conditions)
        try:
            Loop(ticket, items, [Carrier(deliveries), watch], self.clock, services=LoopServices(recorder)).run()
            self._deliver_all(outbox, deliveries)
        except Killed:
            self._dead.append((outbox, deliveries))
            return True
        outbox.close()
        return ticket.reload

    def _deliver_all(self, outbox: Outbox, deliveries: Sequence[Delivery]) -> None:
        for _ in range(60):
            self.clock.time_ns += 2_000_000_000
            outbox.tend()
            for delivery in deliveries:
                delivery.step()


class _Watch(Listener):
    """Notes how the outbox and the sinks fare."""

    def __init__(self, outbox: Outbox, deliveries: Sequence[Delivery], said: set[str]) -> None:
        self._outbox, self._deliveries, self._said = outbox, deliveries, said

    def decided(self, event: Event) -> None:
        for condition in (self._outbox.condition(), *(delivery.condition() for delivery in self._deliveries)):
            self._said.add(f"{condition.part}: {condition.level.value}")
