"""Messages of a station besides its events; docs/events.md lists the topics."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from waste_edge import __version__
from waste_edge.device.outbox.record import to_json_line
from waste_edge.device.outbox.snapshot import Snapshot
from waste_edge.device.sinks.mqtt.link import Message
from waste_edge.device.sinks.mqtt.topics import topic_part
from waste_edge.device.sinks.sink import StationFacts, worst
from waste_edge.device.system.condition import Condition
from waste_edge.files.strict import encode_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from waste_edge.device.answers.question import ReviewedItem

_JPEG_QUALITY = 85
_FIGURES = ("temperature_c", "latency_p50_ms", "frames_per_s", "disk_free_mb")  # always there, known or not


def counters(
    topic: str, snapshot: Snapshot, streams: Sequence[str], changed: Collection[str] | None = None
) -> Iterator[Message]:
    """Items by stream, in one message and in one for each that changed, or for all; streams without an item count 0."""
    items = {**dict.fromkeys(streams, 0), **snapshot.stream_items}
    total = {"outbox_id": snapshot.outbox_id, "last_reset": snapshot.begun_utc, "items": sum(items.values())}
    yield _json(f"{topic}/counters", {**total, "streams": items})
    for stream, count in items.items():
        if changed is None or stream in changed:
            yield Message(f"{topic}/streams/{topic_part(stream)}", str(count), retain=True)


def last(topic: str, snapshot: Snapshot) -> Iterator[Message]:
    """The newest event that was delivered before, if it is still kept."""
    if snapshot.last is not None:
        yield Message(f"{topic}/last", to_json_line(snapshot.last), retain=True)


def health(topic: str, conditions: Sequence[Condition]) -> Message:
    """Condition of each part, and the worst level."""
    return _json(f"{topic}/health", {"level": worst(conditions), "conditions": conditions})


def about(topic: str, station: str, facts: StationFacts, model: str = "") -> Message:
    """Name, versions and streams of the station; `model` is the one that took over since its start, if any."""
    told = {"station": station, "version": __version__, "bundle": model or facts.bundle, "streams": facts.streams}
    return _json(f"{topic}/about", told)


def figures(topic: str, numbers: Mapping[str, float | None], waiting: int) -> Message:
    """Numbers of the running station; what it does not know is null."""
    known = {**dict.fromkeys(_FIGURES), **numbers}
    rounded = {name: None if value is None else round(value, 2) for name, value in known.items()}
    return _json(f"{topic}/figures", {**rounded, "waiting_events": waiting})


def question(topic: str, questions: Sequence[ReviewedItem]) -> Message:
    """Count of the open questions, and the newest of them: that is what somebody at the bin sees."""
    told: dict[str, object] = {"open": len(questions), "id": None, "candidates": []}
    if questions:
        newest, record = questions[-1], questions[-1].record
        told |= {"id": record.id, "candidates": newest.candidates, "audit": newest.audit}
        told |= {"reason": record.event["decision"]["reason"], "time_utc": record.time_utc}
        told |= {"expires_s": record.event.get("expires_s")}
    return _json(f"{topic}/question", told)


def image(topic: str, picture: NDArray[np.uint8]) -> Message | None:
    """An item's crop as JPEG, which the broker does not keep; `picture` is uint8 RGB, (H, W, 3)."""
    import cv2  # here: few stations send pictures

    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return Message(f"{topic}/image", encoded.tobytes()) if done else None


def _json(topic: str, value: object) -> Message:
    return Message(topic, encode_json(value).decode(), retain=True)
