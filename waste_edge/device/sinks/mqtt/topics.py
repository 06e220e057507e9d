"""Names of a station at the broker and in Home Assistant: they come from its installation, not from its name."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

LATEST_VERSION_TOPIC = "waste-edge/latest_version"  # whoever looks after the stations may say there what is newest


def topic_part(name: str) -> str:
    """A name as one level of a topic: what is not plain becomes `_`, and a few digits keep such names apart."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Naming:
    """Names of one station.

    Attributes:
        topic: what all its topics begin with.
        node: of the device in Home Assistant, and what its entities' ids begin with.
    """

    topic: str
    node: str


def naming_of(installation: str) -> Naming:
    """The names of an installation; two stations may be called alike, and one may be renamed."""
    return Naming(f"waste-edge/{installation}", f"waste-edge_{installation}")


def naming_by_name(station: str) -> Naming:
    """The names of a station that was told of before installations had ids."""
    return Naming(f"waste-edge/{topic_part(station)}", f"waste-edge_{topic_part(station)}")
