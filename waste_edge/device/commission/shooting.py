"""From frames, films and folders to shots of items, through the station's own eye.

What finds, crops and shows an item to the network is what does so when the station runs: item tracker, inspector,
preprocessing. The network's raw answers are kept beside, since a head is fitted to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import msgspec
import numpy as np

from waste_edge.device.commission.records import Answer, Picture, Records
from waste_edge.device.commission.shot_checks import cut_box, hash_of, near_duplicate, refuse_shot
from waste_edge.device.decision.item_tracker import CameraItemTracker, Observation
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig
from waste_edge.device.vision.inspection import ItemView, inspector_of
from waste_edge.device.vision.presence import State
from waste_edge.engines.classifier import Classifier, Prediction
from waste_edge.errors import DataError, PictureError
from waste_edge.files.text import visible
from waste_edge.imaging.frames import Frame, Pixels
from waste_edge.imaging.image_files import look_for_pictures, read_picture
from waste_edge.imaging.preprocess import cut, prepare
from waste_edge.site import Site
from waste_edge.taxonomy import UNKNOWN

LOOKS = 2  # at an item, plain and mirrored: with both a head measured two points better of 20 items a label


@dataclass(frozen=True, eq=False)
class Taken:
    """An item that was seen.

    Attributes:
        shown: as the camera gave it, uint8 (H, W, 3), nothing painted over.
        answers: of the network, to a plain look and to a mirrored one; none if it was not asked.
        item: as the station's eye saw it; None for a picture that it fills.
        source: where it is from, for people.
        rotate: degrees by which the frame was turned.
        light: number of the learned light that it lay in; 0: nobody knows.
    """

    shown: Pixels
    answers: list[Answer]
    item: ItemView | None
    source: str
    rotate: int = 0
    light: int = 0


class Shutter:
    """Takes shots of what lies before a camera, as the station would decide it.

    Args:
        classifier: of the bundle that is commissioned.
        site: of the station, checked against its labels.
        live: frames are a camera's, not a film's, which may rightly repeat a picture.

    Attributes:
        items: the station's item tracker; `presence` and `fault` are asked by whoever shows what goes on.
        observation: what it said of the last frame; None before the first.
    """

    def __init__(self, classifier: Classifier, site: Site, live: bool) -> None:
        self._classifier = classifier
        self._live = live
        self._answers: list[Answer] = []  # about the item that lies there
        self.watch(site)

    def watch(self, site: Site) -> None:
        """Look at the scene as a site says, and learn it; nothing is known of the one from before."""
        self._site = site
        self.observation: Observation | None = None
        self._answers = []
        told = replace(inspector_of(self._classifier, LOOKS), classify=self._classify)
        policy = DecisionPolicy(self._classifier.manifest, site)
        health = CameraHealth(CameraHealthConfig(watch_frozen=self._live))
        self.items = CameraItemTracker(policy, told, health=health)

    def watch_as(self, site: Site) -> None:
        """Look at the part of the scene that a site names, turned as it says, and learn it anew."""
        self.watch(msgspec.structs.replace(self._site, region=site.region, rotate=site.rotate))

    def see(self, frame: Frame) -> Taken | None:
        """Take in one frame; gives an item once it has been seen well enough to be decided."""
        observation = self.observation = self.items.see(frame)
        if observation.event is None or observation.item is None:
            if observation.state is not State.SETTLED:
                self._answers = []
            return None
        answers, self._answers = self._answers, []
        shown = cut_box(frame.pixels, observation.item.box)
        source, light = f"frame {observation.event.frame}", self.items.presence.light
        return Taken(shown, answers, observation.item, source, self._site.rotate, light)

    def picture(self, pixels: Pixels, source: str) -> Taken:
        """Take a picture that an item fills."""
        watched = cut(pixels, self._site.region)
        self._answers = []
        self._classify(watched)
        self._classify(np.asarray(cv2.flip(watched, 1), np.uint8))
        return Taken(watched, self._answers, None, source)

    def _classify(self, pixels: Pixels) -> Prediction:
        output = self._classifier.engine.infer(prepare(pixels, self._classifier.manifest.input))
        self._answers.append(Answer(output.logits.copy(), output.features.copy()))
        return self._classifier.predict(output, 0.0)


@dataclass(frozen=True)
class Verdict:
    """Result of a shot: kept or refused.

    Attributes:
        label: what it was said to be.
        item: its number; 0: it was refused.
        reason: why; empty if it was kept.
        source: where it is from.
        light: number of the learned light that it was shown in; 0: nobody knows.
    """

    label: str
    item: int
    reason: str
    source: str
    light: int = 0


def keep(records: Records, taken: Taken, label: str, again: int = 0) -> Verdict:
    """Keep a shot if nothing is wrong with it.

    Args:
        records: where.
        taken: of a `Shutter`.
        label: what it is, or `unknown`.
        again: number of the item that is shown once more; 0: a new one.

    Raises:
        UserError: see `Records.add`.
    """
    reason = refuse_shot(taken.shown, taken.item)
    if not taken.answers:
        reason = reason or "the network was not asked about it"
    hashed = hash_of(taken.shown)
    if not reason and (other := near_duplicate(hashed, records.hashes())) is not None:
        shot = records.shots[other]
        of = f"item {shot.item} ({shot.label}, {visible(shot.source)})"
        reason = f"a near-copy of {of}: show another item, or turn this one"
    if reason:
        return Verdict(label, 0, reason, taken.source, taken.light)
    box = () if taken.item is None else taken.item.box
    where = () if isinstance(box, tuple) else (box.left, box.top, box.right, box.bottom)
    picture = Picture(source=taken.source, hash=hashed, box=where, again=again, rotate=taken.rotate, light=taken.light)
    return Verdict(label, records.add(label, taken.answers, picture), "", taken.source, taken.light)


@dataclass(frozen=True)
class FolderItem:
    """Pictures of one item in a folder of shots, and its label."""

    label: str
    paths: tuple[Path, ...]


def items_of_folder(folder: Path, labels: Sequence[str]) -> list[FolderItem]:
    """The items of a folder with one folder a label, in the order of their names.

    Each picture is an item; each folder in a label's folder is one item, and the pictures in it are views of it.

    Args:
        folder: with folders called by labels, and perhaps `unknown` with things that are none of them.
        labels: that there may be.

    Raises:
        DataError: there is no such folder, one in it is called otherwise, or it holds no pictures.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one folder of pictures a label in it")
    found = []
    for place in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        if place.name not in (*labels, UNKNOWN):
            raise DataError(
                f"{place}: {place.name!r} is no label; expected {', '.join(labels)} or {UNKNOWN}, or --own "
                f"{place.name}=LABEL for a label of your own"
            )
        pictures = sorted(look_for_pictures(place).pictures)
        views: dict[Path, list[Path]] = {}
        for path in pictures:
            views.setdefault(path if path.parent == place else path.parent, []).append(path)
        found += [FolderItem(place.name, tuple(paths)) for paths in views.values()]
    if not found:
        raise DataError(f"{folder}: no pictures in it; expected one folder of pictures a label")
    return found


def shoot_folder(shutter: Shutter, records: Records, items: Sequence[FolderItem]) -> Iterator[Verdict]:
    """Take every picture of a folder through the same checks as a camera's; gives what became of each.

    Raises:
        UserError: see `Records.add`.
    """
    for item in items:
        number = 0
        for path in item.paths:
            source = str(Path(path.parent.name) / path.name)
            try:
                pixels = read_picture(path)
            except PictureError as error:
                yield Verdict(item.label, 0, str(error), source)
                continue
            verdict = keep(records, shutter.picture(pixels, source), item.label, number)
            number = number or verdict.item
            yield verdict
