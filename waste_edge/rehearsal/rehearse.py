"""A whole rehearsal: which things, on which grounds, through which station; played, scored and reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.inspection import inspector_of
from waste_edge.engines.classifier import Classifier
from waste_edge.evaluation.station_view import Grounds
from waste_edge.imaging.preprocess import View
from waste_edge.item.compose import SceneRanges
from waste_edge.rehearsal.film import ComposedVideo, Video
from waste_edge.rehearsal.items import ItemCandidate, choose, in_turn
from waste_edge.rehearsal.play import Player
from waste_edge.rehearsal.report import Material, RehearsalReport, StationFacts, report_of
from waste_edge.rehearsal.score import Outcome, Scorer
from waste_edge.site import Site

Progress = Callable[[int, int], None]  # called with items played and items in all


@dataclass(frozen=True)
class FilmPlan:
    """Ingredients of composed videos.

    Attributes:
        known, unknown: what may be laid down; either may be empty.
        known_in_words, unknown_in_words: where that came from.
        grounds: what it is laid on.
        items: how many known things.
        unknown_items: how many unknown ones.
        items_per_video: how many things come before the ground changes.
        seed: of every chance.
        scenery: size of the view, sizes of the things, light and camera.
    """

    known: Sequence[ItemCandidate]
    known_in_words: str
    unknown: Sequence[ItemCandidate]
    unknown_in_words: str
    grounds: Grounds
    items: int
    unknown_items: int
    items_per_video: int = 16
    seed: int = 0
    scenery: SceneRanges = field(default_factory=SceneRanges)


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """A report, and the pictures that go with it: JPEG bytes by the number that an outcome's `thumbnail` says."""

    report: RehearsalReport
    thumbnails: list[bytes]


@dataclass(frozen=True)
class RehearsedStation:
    """The station that is rehearsed.

    Attributes:
        classifier: the loaded bundle.
        site: its streams and costs.
        looks: how many answers of the network a decision is made from.
    """

    classifier: Classifier
    site: Site
    looks: int

    @property
    def in_words(self) -> StationFacts:
        """The same, for a report."""
        manifest = self.classifier.manifest
        return StationFacts(
            bundle=f"{manifest.name} {manifest.version}",
            artifact=self.classifier.artifact,
            engine=self.classifier.engine.name,
            view=view_in_words(manifest.input.view),
            site=self.site.name,
            looks=self.looks,
        )


def view_in_words(view: View) -> str:
    """Describe the view that a bundle's network is shown."""
    if view.kind == "picture":
        return "the whole view"
    around = "what surrounds it kept" if view.surround == "keep" else "what surrounds it painted plain"
    return f"the item with a margin of {view.margin:.0%}, {around}"


def rehearse_composed(station: RehearsedStation, plan: FilmPlan, progress: Progress | None = None) -> Rehearsal:
    """Compose films and play them.

    Raises:
        DataError: nothing can be cut out of the pictures, or there is nothing to lay down.
        PictureError: a picture cannot be read.
        EngineError: the engine failed.
    """
    rng = np.random.default_rng([plan.seed, 20])
    known, refused = choose(plan.known, plan.items, rng)
    unknown, refused_too = choose(plan.unknown, plan.unknown_items, rng)
    things = list(in_turn(known, unknown, rng))
    step = plan.items_per_video

    def films() -> Iterator[Video]:
        for number, first in enumerate(range(0, len(things), step)):
            scenery = plan.scenery
            seed = [plan.seed, 21, number]
            name, ground = plan.grounds.ground(np.random.default_rng(seed), scenery.width_px, scenery.height_px)
            yield ComposedVideo(f"film {number + 1} on {name}", ground, things[first : first + step], seed, scenery)

    return _rehearse(
        station,
        films(),
        Material(
            known=plan.known_in_words,
            unknown=plan.unknown_in_words,
            grounds=plan.grounds.in_words,
            seed=plan.seed,
            films=0,
            frames=0,
            seconds=0.0,
            refused=refused + refused_too,
        ),
        len(things),
        progress,
    )


def rehearse_recorded(
    station: RehearsedStation, films: Sequence[Video], table: str, progress: Progress | None = None
) -> Rehearsal:
    """Play films that a person made.

    Raises:
        CameraError: a film cannot be read.
        EngineError: the engine failed.
    """
    material = Material(known=table, unknown=table, grounds=table, seed=None, films=0, frames=0, seconds=0.0)
    return _rehearse(station, iter(films), material, sum(len(video.visits) for video in films), progress)


def _rehearse(
    station: RehearsedStation, films: Iterator[Video], material: Material, items: int, progress: Progress | None
) -> Rehearsal:
    manifest = station.classifier.manifest
    policy = DecisionPolicy(manifest, station.site)
    player = Player(policy, inspector_of(station.classifier, station.looks))
    scorer = Scorer(policy, manifest.tree)
    outcomes: list[Outcome] = []
    count, frames, untrusted, seconds, done = 0, 0, 0, 0.0, 0
    for video in films:
        played = player.play(video)
        outcomes += scorer.outcomes(video.title, video.visits, played.events)
        count, frames, untrusted = count + 1, frames + played.frames, untrusted + played.untrusted
        seconds += played.last_ns / NS_PER_S
        done += len(video.visits)
        if progress is not None:
            progress(done, items)
    shown = msgspec.structs.replace(
        material, films=count, frames=frames, seconds=round(seconds, 1), untrusted_frames=untrusted
    )
    return Rehearsal(report_of(station.in_words, shown, outcomes), scorer.thumbnails)
