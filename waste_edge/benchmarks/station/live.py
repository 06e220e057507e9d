"""Age of a frame when the station has judged it: the real capture process and the real loop, in real time.

A camera gives frames at its own rate; the age counts from the driver's stamp, so waiting in queues, the way between the
processes, conversion, health, presence and network are all in it. A machine that is too slow shows here and nowhere
else: what waited too long is dropped and does not count.
"""

from __future__ import annotations

from waste_edge.benchmarks.schema import Situation
from waste_edge.benchmarks.station.stages import situation
from waste_edge.device.cameras import camera_source
from waste_edge.device.capture import start_capture
from waste_edge.device.clock import NS_PER_S, Clock, SystemClock
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Limits, Listener, Loop, LoopControl, Seen
from waste_edge.device.signals import Stop
from waste_edge.device.vision.camera_health import CameraHealth
from waste_edge.device.vision.inspection import USUAL_LOOKS, inspector_of
from waste_edge.device.vision.presence import Presence
from waste_edge.engines.classifier import Classifier
from waste_edge.site import site_of_labels

CAMERA = "synthetic:30"
_START_S = 30.0  # at most, for the first frame
_FIRST = 15  # frames that are not counted: libraries and networks warm up


class _Ages(Listener):
    """Ages of frames, in ns, and of those that completed an item; ends the loop `seconds` after the first."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until_ns = 0
        self.stop = Stop()
        self.frames_ns: list[int] = []
        self.decisions_ns: list[int] = []

    def seen(self, seen: Seen) -> None:
        now_ns = self._clock.now_ns()
        self.frames_ns.append(now_ns - seen.frame.captured_ns)
        self._until_ns = self._until_ns or now_ns + round(self._seconds * NS_PER_S)
        if now_ns >= self._until_ns:
            self.stop.request("measured")

    def decided(self, event: Event) -> None:
        self.decisions_ns.append(self.frames_ns[-1])


def measure_ages(classifier: Classifier, seconds: float, camera: str = CAMERA) -> list[Situation]:
    """Run the station's loop over a camera for so long.

    Raises:
        CameraError: there is no such camera, or it was lost.
    """
    clock = SystemClock()
    ages = _Ages(clock, seconds)
    site = site_of_labels(classifier.manifest.labels)
    items = CameraItemTracker(
        DecisionPolicy(classifier.manifest, site), inspector_of(classifier, USUAL_LOOKS), Presence(), CameraHealth()
    )
    messages = start_capture(camera_source(camera, clock), clock, None)
    control = LoopControl(Limits(duration_s=_START_S + seconds), ages.stop)
    Loop(messages, items, [ages], clock, control).run()
    found = [
        situation(f"frame of {camera}, from capture to verdict", ages.frames_ns[_FIRST:]),
        situation(f"item of {camera}, from capture to decision", ages.decisions_ns),
    ]
    return [one for one in found if one is not None]
