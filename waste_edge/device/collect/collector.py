"""The collector: takes crops from the loop without holding it up, and keeps them in a thread of its own."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from waste_edge.device.clock import NS_PER_S, Clock, SystemWallClock, WallClock
from waste_edge.device.collect.config import PART, CollectConfig, Reason
from waste_edge.device.collect.index import Crop
from waste_edge.device.collect.store import SUFFIXES, CropStore
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Listener
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.disk import DiskLimits, look_at
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError, UserError
from waste_edge.imaging.frames import Pixels
from waste_edge.site import ASK
from waste_edge.taxonomy import UNKNOWN

WAITING = 32  # crops between the loop and the thread
REMEMBERED_BYTES = 8 << 20  # encoded crops in memory, for items that may still be corrected
_TEND_S = 60.0
_STOP_S = 0.9
_JPEG_QUALITY = 95
_LIVED_EVERY_S = 3600.0


@dataclass(frozen=True)
class CollectPlace:
    """Place and bounds of the crops that are kept.

    Attributes:
        state: the station's folder.
        config: the table `[collect]`.
        disk: the table `[disk]`: below `low_mb` free nothing is added, below `full_mb` the oldest go.
    """

    state: Path
    config: CollectConfig
    disk: DiskLimits


@dataclass(frozen=True)
class _Seen:
    """A decided item's crop."""

    id: str
    pixels: Pixels
    label: str
    stream: str
    confidence: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Said:
    """A person's answer about an item: its label, None if only the stream was told, and whether it corrects."""

    id: str
    label: str | None
    stream: str
    corrects: bool


_Job = _Seen | tuple[Said, ...]


@dataclass(frozen=True)
class _Kept:
    """An encoded crop in memory."""

    crop: Crop
    picture: bytes


class Collector(Listener):
    """A `Listener` that keeps the crops of the items that the configuration names.

    The loop hands a reference over and goes on: while the disk is slow a bounded queue fills, and what comes beyond
    is dropped and counted in health. Only the crop of an item is kept, never a frame; what was decided well is held
    in memory for a while, in case a person corrects it, and never written otherwise.
    """

    def __init__(self, place: CollectPlace, health: Health, clock: Clock, wall_clock: WallClock | None = None) -> None:
        self._place = place
        self._health = health
        self._clock = clock
        self._wall_clock = wall_clock or SystemWallClock()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._dropped = 0  # counted in the loop's thread
        self._lost = 0
        self._store: CropStore | None = None
        self._remembered: OrderedDict[str, _Kept] = OrderedDict()
        self._remembered_bytes = 0
        self._lived_s, self._opened_ns, self._lived_kept_ns = 0.0, clock.now_ns(), clock.now_ns()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="collect", daemon=True)

    # The loop's thread.

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def decided(self, event: Event) -> None:
        """See `Listener.decided`; never blocks."""
        if event.crop is None or event.item_box is None:  # a picture of a folder: it would be kept whole
            return
        reasons = tuple(reason for reason in _reasons(event) if reason in self._place.config.keep)
        if not reasons and "corrected" not in self._place.config.keep:
            return
        decision = event.decision
        self._hand_over(_Seen(event.id, event.crop, decision.label, decision.stream, decision.confidence, reasons))

    def note(self, *said: Said) -> None:
        """Take people's answers; never blocks."""
        self._hand_over(said)

    def close(self) -> None:
        """Keep what waits, if that takes less than a second, and end."""
        try:
            self._jobs.put(None, timeout=_STOP_S)
        except queue.Full:
            return
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def _hand_over(self, job: _Job) -> None:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self._dropped += 1

    # The collector's own thread.

    def _run(self) -> None:
        self._attempt(None)
        while True:
            try:
                job = self._jobs.get(timeout=_TEND_S)
            except queue.Empty:
                self._attempt(None)
                continue
            if job is None:
                break
            self._attempt(job)
        if self._store is not None:
            self._store.close()
            self._store = None

    def _attempt(self, job: _Job | None) -> None:
        """Do one job, or tend the store; whatever a disk gives back is said, and tried again with the next one."""
        try:
            store = self._opened()
            if isinstance(job, _Seen):
                self._take(store, job)
            for said in job if isinstance(job, tuple) else ():
                self._answer(store, said)
            self._tend(store)
            self._trouble = ""
        except (OSError, sqlite3.Error, UserError) as error:
            self._fail(job, " ".join(str(error).split())[:300])
            if isinstance(error, ConfigError):
                self._trouble = f"{self._trouble}; nothing is collected"
        except Exception as error:  # noqa: BLE001 - a thread that ends would end in silence
            self._fail(job, f"internal error: {error!r}; please report it")
        self._health.set(self._condition())

    def _fail(self, job: _Job | None, text: str) -> None:
        self._lost += job is not None
        self._trouble = text
        if self._store is not None:
            self._store.close()
            self._store = None

    def _opened(self) -> CropStore:
        if self._store is None:
            store = CropStore(self._place.state, mends=True)
            self._lived_s, self._opened_ns = max(store.index.lived_s(), self._lived_now_s()), self._clock.now_ns()
            store.reconcile(self._lived_s)
            self._store = store
        return self._store

    def _lived_now_s(self) -> float:
        return self._lived_s + (self._clock.now_ns() - self._opened_ns) / NS_PER_S

    def _take(self, store: CropStore, seen: _Seen) -> None:
        config = self._place.config
        suffix = SUFFIXES[config.format]
        done, encoded = cv2.imencode(
            suffix, cv2.cvtColor(seen.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )
        if not done:
            raise OSError(f"{seen.id}: OpenCV cannot encode a crop of {seen.pixels.shape}")
        picture = np.asarray(encoded).tobytes()
        crop = Crop(
            id=seen.id, file=f"{seen.id}{suffix}", bytes=len(picture), reasons=",".join(seen.reasons),
            label=seen.label, stream=seen.stream, confidence=seen.confidence, answer_label=None, answer_stream=None,
            time_s=self._wall_clock.now_utc().timestamp(), in_step=self._wall_clock.synchronized(),
            boot_id=self._wall_clock.boot_id, kept_ns=self._clock.now_ns(), lived_s=self._lived_now_s(),
        )  # fmt: skip
        if seen.reasons:
            self._write(store, crop, picture)
        else:
            self._remember(_Kept(crop, picture))

    def _write(self, store: CropStore, crop: Crop, picture: bytes) -> None:
        if look_at(store.folder).free_mb < self._place.disk.low_mb:
            raise OSError(f"less than {self._place.disk.low_mb:g} MB free: nothing is added; free some")
        store.add(crop, picture)

    def _remember(self, kept: _Kept) -> None:
        self._remembered[kept.crop.id] = kept
        self._remembered_bytes += len(kept.picture)
        while self._remembered_bytes > REMEMBERED_BYTES:
            _, oldest = self._remembered.popitem(last=False)
            self._remembered_bytes -= len(oldest.picture)

    def _answer(self, store: CropStore, said: Said) -> None:
        """Label a crop; of a correction, write the crop that was only remembered."""
        corrects = said.corrects and "corrected" in self._place.config.keep
        kept = self._remembered.get(said.id)
        if corrects and kept is not None:
            self._write(store, replace(kept.crop, reasons="corrected"), kept.picture)
            del self._remembered[said.id]
            self._remembered_bytes -= len(kept.picture)
        store.index.answer(said.id, said.label, said.stream, "corrected" if corrects else "")

    def _tend(self, store: CropStore) -> None:
        """Put times right, delete what is too old or too much, and keep the run time now and then."""
        now_ns, in_step = self._clock.now_ns(), self._wall_clock.synchronized()
        now_s = self._wall_clock.now_utc().timestamp()
        config, lived_s = self._place.config, self._lived_now_s()
        if in_step:
            store.index.put_right(self._wall_clock.boot_id, now_s, now_ns)
        store.prune(lived_s, now_s if in_step else None, config.max_days * 86_400, round(config.max_mb * 1e6))
        while look_at(store.folder).free_mb < self._place.disk.full_mb:
            oldest = store.index.oldest()
            if oldest is None:
                break
            store.delete([oldest])
        if now_ns - self._lived_kept_ns >= _LIVED_EVERY_S * NS_PER_S:
            store.index.keep_lived(lived_s)
            self._lived_kept_ns = now_ns

    def _condition(self) -> Condition:
        missed = self._dropped + self._lost
        lost = f"; {missed} crops were not kept" if missed else ""
        if self._trouble or self._store is None:
            return Condition(PART, Level.WARN, f"{self._trouble}{lost}")
        crops, size = self._store.index.total()
        text = f"{crops} crops, {size / 1e6:.1f} of {self._place.config.max_mb:g} MB{lost}"
        if self._store.remark:
            return Condition(PART, Level.WARN, f"{text}; {self._store.remark}")
        return Condition(PART, Level.OK, text)


def _reasons(event: Event) -> list[Reason]:
    """Every reason for which an event's crop may be kept."""
    found: list[Reason] = []
    if event.decision.label == UNKNOWN or event.decision.action == "residual":
        found.append("unsure")
    if event.decision.action == ASK:
        found.append("asked")
    if event.audit:
        found.append("audited")
    return found
