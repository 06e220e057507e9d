"""Cost of a station's loop: an empty frame, an item, and the overhead over the bare calls that a prediction needs.

The real loop runs over synthetic frames of 640x480, in one process and one thread. Each frame lies in the shared memory
as a capture process leaves it. Before the loop takes it, the same frame goes through the bare calls, so whatever
else the machine does strikes both alike.

    bare                 cv2's conversion to RGB, cv2's resize of the middle square, and the interpreter's set_tensor,
                         invoke and get_tensor, each called with what it takes
    take                 from the moment the loop's `take` reaches for the newest raw frame until it has it in RGB
    frame to prediction  take, and from the moment the network is asked about a crop until the prediction exists:
                         resize, engine, probabilities, rejection
    look                 of an empty frame: camera health and presence
    closer look          of an item's frame: where it lies, and its crop
    empty frame          from one `take` to the next without the `take`: look, statistics and everybody who is told
    decision             the frame that completes an item, from its `take` until everybody is told. What is not in it
                         is the commit of an event, which waits for the disk once an item; the soak has it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.camera_condition import CameraCondition
from waste_edge.device.cameras.camera import Layout, RawFrame
from waste_edge.device.cameras.process.memory import create_memory
from waste_edge.device.cameras.process.shared import FrameReader, FrameWriter
from waste_edge.device.cameras.synthetic import SyntheticCamera
from waste_edge.device.capture import Ended, Message
from waste_edge.device.capture.convert import take_frame
from waste_edge.device.clock import SimulatedClock
from waste_edge.device.decision.item_tracker import CameraItemTracker, Observation
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Loop, LoopServices
from waste_edge.device.system.health import Health
from waste_edge.device.views.display import About, JsonView
from waste_edge.device.vision.camera_health import CameraHealth
from waste_edge.device.vision.inspection import USUAL_LOOKS, Inspector, ItemView, inspector_of
from waste_edge.device.vision.presence import Presence, State
from waste_edge.engines.classifier import Classifier, Prediction, load_classifier
from waste_edge.files.strict import Strict
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.preprocess import WHOLE, Region
from waste_edge.item import ItemRegion
from waste_edge.site import Site, site_of_labels

FPS = 500.0
WARM_UP_FRAMES = 60
_TO_RAW: dict[Layout, int | None] = {"rgb": None, "bgr": cv2.COLOR_RGB2BGR, "yuv420": cv2.COLOR_RGB2YUV_I420}
_TO_RGB: dict[Layout, int] = {"bgr": cv2.COLOR_BGR2RGB, "yuv420": cv2.COLOR_YUV2RGB_I420}

TimeKind = Literal["wall", "cpu"]


class Figures(Strict, frozen=True):
    """One run in one kind of time: `wall`, what a station waits, or `cpu`, what its thread worked; medians in ms.

    Attributes:
        time: which kind.
        frames, items: timed ones.
        convert_ms, resize_ms, engine_ms: of the bare calls.
        take_ms: see the module.
        p50_ms, p99_ms: frame to prediction.
        look_ms, closer_look_ms, empty_ms, decision_ms: see the module.
    """

    time: TimeKind
    frames: int
    items: int
    convert_ms: float
    resize_ms: float
    engine_ms: float
    take_ms: float
    p50_ms: float
    p99_ms: float
    look_ms: float
    closer_look_ms: float
    empty_ms: float
    decision_ms: float

    @property
    def baseline_ms(self) -> float:
        """The bare calls together."""
        return self.convert_ms + self.resize_ms + self.engine_ms

    @property
    def overhead(self) -> float:
        """Frame to prediction over the bare calls."""
        return self.p50_ms / self.baseline_ms

    @property
    def tail(self) -> float:
        """The 99th percentile over the median."""
        return self.p99_ms / self.p50_ms

    def idle_share(self, fps: float) -> float:
        """Compute the share of a core that an empty scene takes at `fps`, without capture and conversion."""
        return fps * self.empty_ms / 1000


@dataclass
class _Times:
    """A stopwatch, and what it said: durations in ns by stage, one a frame."""

    kind: TimeKind
    rows: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = time.thread_time_ns if self.kind == "cpu" else time.perf_counter_ns

    def add(self, stage: str, since_ns: int) -> None:
        """A stage that began at `since_ns` ends now."""
        taken_ns = self.now() - since_ns
        self.rows.setdefault(stage, []).append(taken_ns)

    def of(self, stage: str, warm_up: int = 0) -> NDArray[np.float64]:
        """Summarize the times in ms, the warm-up left out."""
        return np.array(self.rows[stage][warm_up:], np.float64) / 1e6


def measure_pipeline(
    bundle: Bundle, frames: int, nowhere: TextIO, kind: TimeKind = "wall", layout: Layout = "yuv420"
) -> Figures:
    """Run the loop over so many frames, on LiteRT with one thread, and time its stages.

    Args:
        bundle: has tflite-int8.
        frames: timed ones; an item comes and goes in 340.
        nowhere: takes the JSON lines of `run --json`.
        kind: `wall` on an idle machine; `cpu` hardly changes when other programs want the same cores.
        layout: how the camera lays its pixels out.
    """
    times, clock, health = _Times(kind), SimulatedClock(), Health()
    classifier = load_classifier(bundle, "litert", "int8", threads=1)
    site = site_of_labels(bundle.manifest.labels)
    camera = SyntheticCamera(FPS, 0, clock)
    messages = _Frames(camera, frames + WARM_UP_FRAMES, layout, _Baseline(bundle, classifier, layout), times)
    usual = inspector_of(classifier, USUAL_LOOKS)
    inspector = _TimedInspector(usual.classify, usual.view, usual.looks, usual.least_px, times)
    presence = _TimedPresence()
    presence.times = times
    items = CameraItemTracker(DecisionPolicy(bundle.manifest, site), inspector, presence, CameraHealth())
    gc.freeze()  # what else this process holds is no burden of the station's
    summary = Loop(
        messages,
        _TimedItems(items, messages, times),
        [CameraCondition(health), _view(classifier, site, nowhere)],
        clock,
        services=LoopServices(health=health),
    ).run()
    gc.unfreeze()
    return _figures(times, frames, summary.items)


def _view(classifier: Classifier, site: Site, nowhere: TextIO) -> JsonView:
    view = JsonView(nowhere)
    view.started(About.of("drawn frames", classifier, site))
    return view


def _figures(times: _Times, frames: int, items: int) -> Figures:
    take = float(np.median(times.of("take", WARM_UP_FRAMES)))
    answers = take + times.of("answer", 1)
    return Figures(
        time=times.kind,
        frames=frames,
        items=items,
        convert_ms=float(np.median(times.of("convert", WARM_UP_FRAMES))),
        resize_ms=float(np.median(times.of("resize", WARM_UP_FRAMES))),
        engine_ms=float(np.median(times.of("engine", WARM_UP_FRAMES))),
        take_ms=take,
        p50_ms=float(np.median(answers)),
        p99_ms=float(np.percentile(answers, 99)),
        look_ms=float(np.median(times.of("look", WARM_UP_FRAMES))),
        closer_look_ms=float(np.median(times.of("find", 1))) + float(np.median(times.of("crop", 1))),
        empty_ms=float(np.median(times.of("empty", WARM_UP_FRAMES))),
        decision_ms=float(np.median(times.of("decision"))),
    )


class _TimedPresence(Presence):
    """Presence with a stopwatch."""

    times: _Times

    def find_item(self, watched: Pixels) -> ItemRegion | None:
        since_ns = self.times.now()
        found = super().find_item(watched)
        self.times.add("find", since_ns)
        return found


@dataclass(frozen=True)
class _TimedInspector(Inspector):
    """Inspector with a stopwatch."""

    times: _Times | None = None

    def see(self, watched: Pixels, region: ItemRegion, within: Region = WHOLE, largest: bool = False) -> ItemView:
        assert self.times is not None
        since_ns = self.times.now()
        seen = super().see(watched, region, within, largest)
        self.times.add("crop", since_ns)
        return seen

    def predict(self, watched: Pixels, seen: ItemView, number: int) -> Prediction:
        assert self.times is not None
        since_ns = self.times.now()
        answer = super().predict(watched, seen, number)
        self.times.add("answer", since_ns)
        return answer


class _TimedItems:
    """`Items` with a stopwatch; tells the source what the frame turned out to be."""

    def __init__(self, items: CameraItemTracker, messages: _Frames, times: _Times) -> None:
        self._items = items
        self._messages = messages
        self._times = times
        self.remember = items.remember

    @property
    def fault(self) -> Any:
        return self._items.fault

    @property
    def scene_changes(self) -> int:
        return self._items.scene_changes

    @property
    def between_items(self) -> bool:
        return self._items.between_items

    def take_up(self, policy: DecisionPolicy, classifier: Classifier, looks: int) -> None:
        self._items.take_up(policy, classifier, looks)

    def see(self, frame: Frame, spare: bool = False) -> Observation:
        since_ns = self._times.now()
        seen = self._items.see(frame, spare)
        if seen.state is State.EMPTY:
            self._times.add("look", since_ns)
            self._messages.turned_out = "empty"
        elif seen.event is not None:
            self._messages.turned_out = "decision"
        return seen


class _Baseline:
    """The calls that nothing can do without, on buffers of their own."""

    def __init__(self, bundle: Bundle, classifier: Classifier, layout: Layout) -> None:
        from ai_edge_litert.interpreter import Interpreter

        spec = bundle.manifest.input
        self._size = (spec.width_px, spec.height_px)
        self._layout = layout
        content = bundle.artifact(classifier.artifact).content
        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def time(self, raw: RawFrame, times: _Times) -> None:
        """Call each once with this frame."""
        started_ns = times.now()
        rgb = raw.data.copy() if self._layout == "rgb" else cv2.cvtColor(_shaped(raw), _TO_RGB[self._layout])
        times.add("convert", started_ns)
        rgb = rgb.reshape(raw.height_px, raw.width_px, 3)
        margin = (raw.width_px - raw.height_px) // 2
        window = rgb[:, margin : margin + raw.height_px]
        started_ns = times.now()
        small = cv2.resize(window, self._size, interpolation=cv2.INTER_AREA)
        times.add("resize", started_ns)
        batch = (np.asarray(small, np.uint8)[np.newaxis] ^ np.uint8(0x80)).view(np.int8)
        started_ns = times.now()
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        for output in self._outputs:
            self._interpreter.get_tensor(output)
        times.add("engine", started_ns)


class _Frames:
    """`Messages` that draws each frame when asked for one, off the clock, and passes it through the memory."""

    dropped_frames = 0
    abandoned = 0

    def __init__(self, camera: SyntheticCamera, count: int, layout: Layout, baseline: _Baseline, times: _Times) -> None:
        self.turned_out = ""  # what the frame in hand was, in the words of the stopwatch
        self._taken_ns = self._had_ns = 0
        self._draw: Callable[[], RawFrame] = partial(drawn, camera, layout)
        self._left = count
        self._baseline = baseline
        self._times = times
        memory = create_memory()
        self._writer, self._reader = FrameWriter(memory), FrameReader(memory)

    def take(self, timeout_s: float) -> Message | None:
        if self.turned_out:
            self._times.add(self.turned_out, self._had_ns if self.turned_out == "empty" else self._taken_ns)
            self.turned_out = ""
        if not self._left:
            return Ended()
        self._left -= 1
        raw = self._draw()
        self._baseline.time(raw, self._times)
        self._writer.write(raw)
        self._taken_ns = self._times.now()
        taken = take_frame(self._reader)
        self._times.add("take", self._taken_ns)
        self._had_ns = self._times.now()
        return taken

    def close(self) -> None:
        self._reader.close()


def drawn(camera: SyntheticCamera, layout: Layout) -> RawFrame:
    """The camera's next frame, laid out as another camera would."""
    raw = camera.read()
    code = _TO_RAW[layout]
    if code is None:
        return raw
    picture = cv2.cvtColor(raw.data.reshape(raw.height_px, raw.width_px, 3), code)
    data = np.ascontiguousarray(picture.reshape(picture.shape[0], -1), np.uint8)
    return RawFrame(data, layout, raw.width_px, raw.height_px, raw.captured_ns)


def _shaped(raw: RawFrame) -> NDArray[np.uint8]:
    return raw.data if raw.layout == "yuv420" else raw.data.reshape(raw.height_px, raw.width_px, 3)
