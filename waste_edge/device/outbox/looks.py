"""The network's answers to one item as they are kept: logits and features as bytes, and what they were made with.

Logits are float32 and features float16, as `Predictor` judges them, so that judging them again gives the same numbers.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.device.decision.item_tracker import Event
from waste_edge.engines.classifier import ModelId
from waste_edge.engines.interface import Output
from waste_edge.files.limits import MAX_FEATURES, MAX_LABELS, MAX_LOOKS_BYTES
from waste_edge.imaging.preprocess import Region
from waste_edge.site import Several, Site

MOST_LOOKS = 256  # at one item; a station takes 32 at most
MOST_PARTS = 1_000_000  # that lie apart
_Numbers = NDArray[np.float32]
_LEVEL = 1  # of zlib: higher ones gain a twentieth and take four times as long


class DamagedLooksError(ValueError):
    """An item's logits and features cannot be read; the message says why."""


@dataclass(frozen=True)
class Setting:
    """Network and site by which an item was seen and decided: the same for thousands of items.

    Attributes:
        model: the network that was asked, and its bundle; None if none was.
        region: part of the frame that the site watched.
        rotate: degrees by which the frame was turned.
        several: what the site does with things that lie apart.
    """

    model: ModelId | None
    region: Region
    rotate: int
    several: Several

    def sees_as(self, site: Site) -> bool:
        """Return whether the network would be shown the same pictures at this site."""
        return (self.region, self.rotate) == (site.region, site.rotate)


@dataclass(frozen=True, eq=False)
class KeptLooks:
    """Kept logits and features of one item.

    Attributes:
        setting: what it was seen with.
        outputs: of the network, one a look, as they were judged; none if it was not asked.
        parts: how many things lay apart.
    """

    setting: Setting
    outputs: tuple[Output, ...]
    parts: int


@dataclass(frozen=True)
class PackedLooks:
    """The same as columns of the database.

    Attributes:
        setting: as JSON.
        looks, labels, features: how many predictions, numbers in the logits of each, and in its features.
        parts: how many things lay apart.
        numbers: all logits, then all features, little-endian, compressed by zlib.
    """

    setting: str
    looks: int
    labels: int
    features: int
    parts: int
    numbers: bytes


def pack(event: Event) -> PackedLooks | None:
    """Pack an event's evidence; None if there is none, or if no single network is known to have answered."""
    evidence = event.evidence
    if evidence is None:
        return None
    predictions, site = evidence.predictions, evidence.site
    models = {prediction.model for prediction in predictions}
    if len(models) > 1 or (predictions and models == {None}):
        return None
    setting = Setting(models.pop() if models else None, site.region, site.rotate, site.on_several)
    text = msgspec.json.encode(setting).decode()
    if not predictions:
        return PackedLooks(text, 0, 0, 0, evidence.parts, b"")
    logits = np.stack([prediction.logits for prediction in predictions])
    features = np.stack([prediction.features for prediction in predictions])
    numbers = logits.astype("<f4").tobytes() + features.astype("<f2").tobytes()
    packed = zlib.compress(numbers, _LEVEL)
    return PackedLooks(text, len(predictions), logits.shape[1], features.shape[1], evidence.parts, packed)


def unpack(packed: PackedLooks) -> KeptLooks:
    """Back from the database.

    Raises:
        DamagedLooksError: a number is out of range or missing, or the setting is a later version's.
    """
    looks, labels, features = packed.looks, packed.labels, packed.features
    if not all(isinstance(one, int) for one in (looks, labels, features, packed.parts)):
        raise DamagedLooksError("a count is no number")
    if not (0 <= looks <= MOST_LOOKS and 0 <= labels <= MAX_LABELS and 0 <= features <= MAX_FEATURES):
        raise DamagedLooksError(f"{looks} looks of {labels} logits and {features} features are out of range")
    if not 0 <= packed.parts <= MOST_PARTS:
        raise DamagedLooksError(f"{packed.parts} parts are out of range")
    setting = setting_of(packed.setting)
    if looks and setting.model is None:
        raise DamagedLooksError("there are logits, and no network that gave them")
    logits, kept = _numbers(packed.numbers, looks, labels, features)
    outputs = tuple(Output(*one) for one in zip(logits, kept, strict=True))
    return KeptLooks(setting, outputs, packed.parts)


def setting_of(text: str) -> Setting:
    """Decode a setting as the database has it; raises DamagedLooksError if it is damaged, or of a later version."""
    try:
        return msgspec.json.decode(text, type=Setting)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as error:
        raise DamagedLooksError("what it was seen with cannot be read: damaged, or of a later version") from error


def _numbers(packed: bytes, looks: int, labels: int, features: int) -> tuple[list[_Numbers], list[_Numbers]]:
    """Logits and features of each look."""
    if not looks:
        return [], []
    split, length = looks * labels * 4, looks * (labels * 4 + features * 2)
    if not labels or not features or length > MAX_LOOKS_BYTES:
        raise DamagedLooksError(f"{looks} looks of {labels} logits and {features} features cannot be")
    try:
        content = zlib.decompressobj().decompress(packed, length + 1)
    except (zlib.error, TypeError) as error:
        raise DamagedLooksError("its numbers are damaged") from error
    if len(content) != length:
        raise DamagedLooksError(f"expected {length} bytes of numbers, got {len(content)}")
    logits = np.frombuffer(content[:split], "<f4").reshape(looks, labels).astype(np.float32)
    kept = np.frombuffer(content[split:], "<f2").reshape(looks, features).astype(np.float32)
    if not (np.isfinite(logits).all() and np.isfinite(kept).all()):
        raise DamagedLooksError("its numbers are not all finite")
    return list(logits), list(kept)
