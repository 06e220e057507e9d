"""MQTT discovery messages by which Home Assistant shows a station on its own."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from waste_edge import __version__


def topic_part(name: str) -> str:
    """A name as one level of a topic: what is not plain becomes `_`, and a few digits keep such names apart."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def discovery(prefix: str, topic: str, station: str) -> dict[str, str]:
    """The station's own entities.

    Args:
        prefix: where Home Assistant listens, `homeassistant`.
        topic: what the station's topics begin with.
        station: its name.

    Returns:
        Payload by topic; all are to be retained.
    """
    health, last = f"{topic}/health", f"{topic}/last"
    entities: dict[str, dict[str, Any]] = {
        "sensor/last_item": {
            "name": "Last item",
            "state_topic": last,
            "value_template": "{{ value_json.decision.label }}",
            "json_attributes_topic": last,
            "icon": "mdi:recycle",
        },
        "sensor/last_stream": {
            "name": "Last stream",
            "state_topic": last,
            "value_template": "{{ value_json.decision.stream }}",
            "icon": "mdi:delete-variant",
        },
        "sensor/items": {
            "name": "Items",
            "state_topic": last,
            "value_template": "{{ value_json.sequence }}",
            "state_class": "total_increasing",
            "icon": "mdi:counter",
        },
        "sensor/health": {
            "name": "Health",
            "state_topic": health,
            "value_template": "{{ value_json.level }}",
            "json_attributes_topic": health,
            "entity_category": "diagnostic",
        },
        "binary_sensor/problem": {
            "name": "Problem",
            "state_topic": health,
            "value_template": "{{ 'OFF' if value_json.level == 'ok' else 'ON' }}",
            "device_class": "problem",
            "entity_category": "diagnostic",
        },
    }
    return dict(_entity(prefix, topic, station, kind, entity) for kind, entity in entities.items())


def stream_discovery(prefix: str, topic: str, station: str, stream: str) -> dict[str, str]:
    """The counter of one stream; arguments and result as for `discovery`."""
    counter = {
        "name": f"Items: {stream}",
        "state_topic": f"{topic}/streams/{topic_part(stream)}",
        "state_class": "total_increasing",
        "icon": "mdi:counter",
    }
    return dict([_entity(prefix, topic, station, f"sensor/stream_{topic_part(stream)}", counter)])


def _entity(prefix: str, topic: str, station: str, kind: str, entity: dict[str, Any]) -> tuple[str, str]:
    component, name = kind.split("/")
    node = f"waste-edge_{topic_part(station)}"
    config = entity | {
        "unique_id": f"{node}_{name}",
        "availability_topic": f"{topic}/status",
        "device": {"identifiers": [node], "name": station, "model": "waste-edge", "sw_version": __version__},
    }
    return f"{prefix}/{component}/{node}/{name}/config", msgspec.json.encode(config).decode()
