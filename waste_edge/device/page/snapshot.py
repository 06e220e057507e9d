"""Composes the station's state and its pictures for the page, in the page's thread of the station's process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from waste_edge import __version__
from waste_edge.device.clock import NS_PER_S, Clock, WallClock
from waste_edge.device.outbox.record import event_fields
from waste_edge.device.page.counts import DayKey, KeptDays, days_of
from waste_edge.device.page.listener import DecidedItem, LiveFrame, PageListener
from waste_edge.device.page.state import BoardView, RunDescription, Speed, StationState
from waste_edge.device.system.board import Board, Throttled, Trouble
from waste_edge.device.system.health import Health
from waste_edge.device.views.display import About
from waste_edge.files.limits import MAX_PAGE_PACKET_BYTES
from waste_edge.imaging.frames import Pixels

LIVE_PX, CROP_PX = 640, 224  # longer sides of what is sent
_LIVE_QUALITY, _CROP_QUALITY = 70, 80
_BOARD_NS = 10 * NS_PER_S
_MOST_BYTES = MAX_PAGE_PACKET_BYTES // 2


@dataclass(frozen=True)
class Station:
    """The station that the page shows.

    Attributes:
        name: its name.
        about: what runs.
        places: every stream that an item can be put into.
        state: its folder; None: nothing is kept.
        outbox: its database; None: there is none.
        waiting: how many events wait for each sink.
        takes_answers: whether people can answer and correct on the page.
    """

    name: str
    about: About
    places: tuple[str, ...] = ()
    state: Path | None = None
    outbox: Path | None = None
    waiting: Callable[[], Mapping[str, int]] = dict
    takes_answers: bool = False


class Composer:
    """Composes what the page is told. Used by one thread, but for the constructor.

    Args:
        station: what runs.
        listener: hears the loop.
        health: of all parts.
        clock, wall_clock: time.
        board: tells temperature and throttling.
        zone: where days begin; that of the machine if None.
    """

    def __init__(
        self,
        station: Station,
        listener: PageListener,
        health: Health,
        clocks: tuple[Clock, WallClock],
        board: Board | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self._station = station
        self._listener = listener
        self._health = health
        self._clock, self._wall_clock = clocks
        self._board = board or Board()
        self._zone = zone
        self._kept_days = KeptDays(station.outbox, zone)
        self._kept: dict[DayKey, int] | None = None
        self._run = _run_view(station.about)
        self._started_utc = _iso(self._wall_clock.now_utc())
        self._board_view, self._board_ns = BoardView(), -1

    def renew(self, about: About) -> None:
        """Show another model from now on. For any thread."""
        self._run = _run_view(about)

    def state(self, page_starts: int) -> bytes:
        """Compose the station's state now, as JSON."""
        station, listener = self._station, self._listener
        if self._kept is None:
            self._kept = self._kept_days.read()
        now, totals = self._wall_clock.now_utc(), listener.counts.totals
        state = StationState(
            station=station.name,
            version=__version__,
            time_utc=_iso(now),
            started_utc=self._started_utc,
            run=self._run,
            places=station.places,
            camera=listener.camera,
            scene=listener.scene,
            speed=self._speed(),
            totals=totals.items,
            unknown=totals.unknown,
            decision=totals.decision,
            days=days_of(self._kept, totals.days, now.astimezone(self._zone)),
            health=self._health.now(),
            sinks=dict(station.waiting()),
            board=self._look_at_board(),
            page_starts=page_starts,
            answers=totals.answers,
            open_questions=len(listener.open_questions),
            takes_answers=station.takes_answers,
        )
        return msgspec.json.encode(state)

    def _speed(self) -> Speed:
        listener, summary = self._listener, self._listener.summary
        silence_s = max(0.0, (self._clock.now_ns() - listener.beat_ns) / NS_PER_S)
        gap_s = self._health.least_gap_s
        if summary is None:
            return Speed(silence_s=silence_s, least_gap_s=gap_s)
        return Speed(
            fps=0.0 if listener.camera.state == "absent" else listener.fps,
            frames=summary.frames,
            untrusted_frames=summary.unclassified_frames,
            dropped_frames=summary.dropped_frames,
            shed_frames=summary.shed_frames,
            bad_pictures=summary.bad_pictures,
            items=summary.items,
            answers=summary.answers,
            latency_p50_ms=summary.latency_p50_ms,
            latency_p95_ms=summary.latency_p95_ms,
            frame_age_p50_ms=summary.frame_age_p50_ms,
            frame_age_p95_ms=summary.frame_age_p95_ms,
            least_gap_s=gap_s,
            silence_s=silence_s,
        )

    def _look_at_board(self) -> BoardView:
        now_ns = self._clock.now_ns()
        if self._board_ns < 0 or now_ns - self._board_ns >= _BOARD_NS:
            self._board_ns = now_ns
            readings = self._board.read()
            throttled = readings.throttled
            self._board_view = BoardView(
                model=readings.model,
                temperature_c=readings.temperature_c,
                throttled=_flags(throttled, lambda one: one.now),
                throttled_since_boot=_flags(throttled, lambda one: one.since_boot),
                available_mb=readings.available_mb,
                disk_free_mb=_free_mb(self._station.state),
            )
        return self._board_view


def item_fields(item: DecidedItem) -> dict[str, Any]:
    """An item as the page has it: an event's fields and its time."""
    return {"time_utc": _iso(item.time), **event_fields(item.event)}


def item_picture(item: DecidedItem) -> bytes:
    """The item's crop as JPEG; empty if it has none."""
    return b"" if item.event.crop is None else as_jpeg(item.event.crop, CROP_PX, _CROP_QUALITY)


def live_fields(live: LiveFrame) -> bytes:
    """Describe a live picture, as JSON: scene, fault, where the item lies and what the network last said of it."""
    seen, item, prediction = live.seen, live.item, live.prediction
    fields = {
        "scene": seen.state.value,
        "fault": None if seen.fault is None else seen.fault.reason,
        "width_px": seen.frame.width_px,
        "height_px": seen.frame.height_px,
        "item_box": None if item is None else item.box,
        "visibility": None if item is None else item.visibility.value,
        "label": None if prediction is None else prediction.label,
        "confidence": None if prediction is None else round(prediction.confidence, 4),
    }
    return msgspec.json.encode(fields)


def live_picture(live: LiveFrame) -> bytes:
    """The frame as a small JPEG."""
    return as_jpeg(live.seen.frame.pixels, LIVE_PX, _LIVE_QUALITY)


def as_jpeg(pixels: Pixels, longest_px: int, quality: int) -> bytes:
    """A picture, uint8 (H, W, 3) RGB, as JPEG with at most `longest_px` a side; other threads run meanwhile."""
    height, width = pixels.shape[:2]
    scale = longest_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    while True:
        ok, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not ok or encoded.size <= _MOST_BYTES or quality < 20:
            return encoded.tobytes() if ok else b""
        quality //= 2  # noise in the dark, which is not worth more


def _run_view(about: About) -> RunDescription:
    return RunDescription(**{name: getattr(about, name) for name in RunDescription.__struct_fields__})


def _flags(throttled: Throttled | None, of: Callable[[Throttled], Trouble]) -> dict[str, bool] | None:
    if throttled is None:
        return None
    return {str(bit.name).lower(): bit in of(throttled) for bit in Trouble}


def _free_mb(state: Path | None) -> float | None:
    try:
        facts = os.statvfs(state or Path("/"))
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize / 1e6


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
