"""Films of known items through a station's loop into its outbox, to be replayed from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.device.telling import FakeWall
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event, PictureItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Listener, Loop, LoopServices
from waste_edge.device.outbox.event_store import EventRecorder
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig
from waste_edge.device.vision.inspection import inspector_of
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.rehearsal.film import FilmItem, Video
from waste_edge.rehearsal.items import ItemCandidate, choose, in_turn
from waste_edge.rehearsal.play import Reel, VideoClock
from waste_edge.site import Site, site_of_labels

COLOURS = ((220, 30, 30), (30, 220, 30), (30, 30, 220))


class Kept(Listener):
    def __init__(self) -> None:
        self.events: list[Event] = []

    def decided(self, event: Event) -> None:
        self.events.append(event)


def in_random_order(known: Sequence[ItemCandidate], unknown: Sequence[ItemCandidate]) -> list[FilmItem]:
    rng = np.random.default_rng(4)
    return list(in_turn(choose(known, len(known), rng)[0], choose(unknown, len(unknown), rng)[0], rng))


def live(state: Path, classifier: Classifier, site: Site, films: Sequence[Video], looks: int = 4) -> list[Event]:
    """Play films through the station's loop, each with a scene of its own; its outbox lies in `state` afterwards."""
    clock, heard = VideoClock(), Kept()
    outbox = Outbox(state / "outbox.sqlite", "bin 1", clock, FakeWall())
    policy, start_ns = DecisionPolicy(classifier.manifest, site), 0
    for film in films:
        health = CameraHealth(CameraHealthConfig(watch_frozen=False))
        items = CameraItemTracker(policy, inspector_of(classifier, looks), health=health)
        start_ns = clock.now_ns() + 10**9
        frames = (replace(frame, captured_ns=frame.captured_ns + start_ns) for frame in film.frames())
        recorder = EventRecorder(outbox, items, clock)
        Loop(Reel(frames, clock), items, [heard], clock, services=LoopServices(recorder)).run()
    outbox.close()
    return heard.events


def live_pictures(state: Path, classifier: Classifier, site: Site, pictures: Sequence[Pixels]) -> list[Event]:
    """Decide pictures of a folder, one item each."""
    clock, heard = VideoClock(), Kept()
    outbox = Outbox(state / "outbox.sqlite", "bin 1", clock, FakeWall())
    items = PictureItemTracker(DecisionPolicy(classifier.manifest, site), classifier.classify)
    frames = (Frame(pixels, number * 10**9, name=f"{number}.png") for number, pixels in enumerate(pictures))
    Loop(Reel(frames, clock), items, [heard], clock, services=LoopServices(EventRecorder(outbox, items, clock))).run()
    outbox.close()
    return heard.events


@pytest.fixture
def pictures() -> list[Pixels]:
    """Pictures of one colour each, some of which are hardly any."""
    rng, found = np.random.default_rng(6), []
    for number in range(24):
        mixed = np.array(COLOURS[number % 3]) * rng.uniform(0.3, 1.0) + rng.uniform(0, 120, 3)
        found.append(np.clip(mixed + rng.normal(0, 20, (24, 24, 3)), 0, 255).astype(np.uint8))
    return found


@pytest.fixture
def state(tmp_path: Path, tiny_bundle: Path, pictures: list[Pixels]) -> Path:
    """The folder of a station that decided these pictures by the tiny bundle, a stream for each label."""
    with open_bundle(tiny_bundle) as bundle:
        site = site_of_labels(bundle.manifest.labels)
        live_pictures(tmp_path / "state", load_classifier(bundle, "onnx"), site, pictures)
    return tmp_path / "state"
