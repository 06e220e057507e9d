"""Entities by which Home Assistant shows a station: what each is called, where its state comes from, and as what.

`unknown` and `unavailable` are states of Home Assistant's own, so labels and streams of these names get other words
here; the messages themselves say what they always said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from waste_edge.device.sinks.mqtt.topics import LATEST_VERSION_TOPIC, topic_part

Entity = tuple[str, str, dict[str, Any]]  # its platform, its key within the device, its configuration
ACTIONS = ("sort", "residual", "ask")
_DIAGNOSTIC = {"entity_category": "diagnostic"}


@dataclass(frozen=True)
class Features:
    """Parts of a station that Home Assistant is to show.

    Attributes:
        topic: what its topics begin with.
        streams: that items go to, without `ask`.
        counted: streams that have a counter, `ask` among them if a person can be asked.
        asks: answers of people are taken.
        image: pictures of items are sent.
        update: somebody tells what the newest version is.
    """

    topic: str
    streams: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    asks: bool = False
    image: bool = False
    update: bool = False


def entities_of(features: Features) -> list[Entity]:
    """Every entity of a station."""
    return [
        *_items(features.topic),
        *(_stream(features.topic, stream) for stream in features.counted),
        *_condition(features.topic),
        *_figures(features.topic),
        *(_answers(features) if features.asks else ()),
        *(_image(features.topic) if features.image else ()),
        *(_update(features.topic) if features.update else ()),
        _event(features),
    ]


def shown(expression: str) -> str:
    """A template of a word that may be one of Home Assistant's own states."""
    words = "{'unknown': 'not recognized', 'unavailable': 'not available', 'None': 'none'}"
    return f"{{% set word = {expression} %}}{{% set others = {words} %}}{{{{ others.get(word, word) }}}}"


def event_type(action: str, stream: str) -> str:
    """Name the type of an event in Home Assistant: `sort_paper`; `ask`, where stream and action are one."""
    return action if action == stream else f"{action}_{stream}"


def _items(topic: str) -> Iterator[Entity]:
    last, counters = f"{topic}/last", f"{topic}/counters"
    yield (
        "sensor",
        "last_item",
        {
            "name": "Last item",
            "state_topic": last,
            "value_template": shown("value_json.decision.label"),
            "json_attributes_topic": last,
            "icon": "mdi:recycle",
        },
    )
    stream = {"name": "Last stream", "state_topic": last, "value_template": shown("value_json.decision.stream")}
    yield "sensor", "last_stream", {**stream, "icon": "mdi:delete-variant"}
    yield "sensor", "items", _counter("Items", counters, "{{ value_json['items'] }}")


def _stream(topic: str, stream: str) -> Entity:
    quoted = stream.replace("\\", "\\\\").replace("'", "\\'")
    counted = f"{{{{ value_json.streams.get('{quoted}', 0) }}}}"
    return "sensor", f"stream_{topic_part(stream)}", _counter(f"Items: {stream}", f"{topic}/counters", counted)


def _counter(name: str, topic: str, counted: str) -> dict[str, Any]:
    """A total: an answer may move an item to another stream, and another outbox begins at 0, as `last_reset` tells."""
    return {
        "name": name,
        "state_topic": topic,
        "value_template": counted,
        "state_class": "total",
        "last_reset_value_template": "{{ value_json.last_reset }}",
        "icon": "mdi:counter",
    }


def _condition(topic: str) -> Iterator[Entity]:
    health = f"{topic}/health"
    level = {"name": "Health", "state_topic": health, "value_template": "{{ value_json.level }}"}
    yield "sensor", "health", {**level, "json_attributes_topic": health, **_DIAGNOSTIC}
    unwell = "value_json.conditions | rejectattr('level', 'eq', 'ok')"
    reasons = f"{{{{ {{'reason': {unwell} | map(attribute='text') | join('; '), "
    reasons += f"'parts': {unwell} | map(attribute='part') | list}} | tojson }}}}"
    yield (
        "binary_sensor",
        "problem",
        {
            "name": "Problem",
            "state_topic": health,
            "value_template": "{{ 'OFF' if value_json.level == 'ok' else 'ON' }}",
            "json_attributes_topic": health,
            "json_attributes_template": reasons,
            "device_class": "problem",
            **_DIAGNOSTIC,
        },
    )
    model = {"name": "Model", "state_topic": f"{topic}/about", "value_template": "{{ value_json.bundle }}"}
    yield "sensor", "model", {**model, "icon": "mdi:brain", **_DIAGNOSTIC}


def _figures(topic: str) -> Iterator[Entity]:
    shapes: dict[str, dict[str, Any]] = {
        "temperature_c": {"name": "Temperature", "device_class": "temperature", "unit_of_measurement": "°C"},
        "latency_p50_ms": {"name": "Latency", "device_class": "duration", "unit_of_measurement": "ms"},
        "frames_per_s": {"name": "Frame rate", "unit_of_measurement": "frames/s", "icon": "mdi:camera-timer"},
        "waiting_events": {"name": "Waiting events", "icon": "mdi:tray-full"},
        "disk_free_mb": {"name": "Free disk", "device_class": "data_size", "unit_of_measurement": "MB"},
    }
    for key, shape in shapes.items():
        value = {"value_template": f"{{{{ value_json.{key} }}}}", "state_class": "measurement"}
        precision = 1 if key in ("temperature_c", "latency_p50_ms", "frames_per_s") else 0
        digits = {"suggested_display_precision": precision}
        yield "sensor", key, {**shape, "state_topic": f"{topic}/figures", **value, **digits, **_DIAGNOSTIC}


def _event(features: Features) -> Entity:
    """Triggers once an item: what was told already, as after a crash, comes to nothing."""
    streams = [event_type(action, stream) for stream in features.streams for action in ("sort", "residual")]
    told = (
        "state_attr(entity_id, 'outbox_id') == value_json.outbox_id"
        " and state_attr(entity_id, 'sequence') | int(0) >= value_json.sequence"
    )
    types = "d.action if d.action == d.stream else d.action ~ '_' ~ d.stream"
    fields = ", ".join(f"'{name}': d.{name}" for name in ("stream", "action", "label", "confidence", "reason"))
    own = ", ".join(f"'{name}': value_json.{name}" for name in ("id", "outbox_id", "sequence", "time_utc"))
    template = f"{{% set d = value_json.decision %}}{{% if not ({told}) %}}"
    template += f"{{{{ {{'event_type': {types}, {fields}, {own}}} | tojson }}}}{{% endif %}}"
    config = {"name": "Item", "state_topic": f"{features.topic}/event", "value_template": template}
    return "event", "item", {**config, "event_types": [*streams, event_type("ask", "ask")], "icon": "mdi:recycle"}


def _answers(features: Features) -> Iterator[Entity]:
    topic = features.topic
    question = f"{topic}/question"
    is_open = {"topic": question, "value_template": "{{ 'online' if value_json.open else 'offline' }}"}
    waits = {
        "name": "Open questions",
        "state_topic": question,
        "value_template": "{{ value_json.open }}",
        "json_attributes_topic": question,
        "icon": "mdi:help-circle-outline",
    }
    yield "sensor", "open_questions", waits
    # The answer belongs to the question that was seen: its id is among the attributes.
    answer = "{{ {'id': state_attr(entity_id, 'id'), 'answer': value, 'who': 'Home Assistant'} | tojson }}"
    yield (
        "select",
        "answer",
        {
            "name": "Answer",
            "state_topic": question,
            "value_template": "None",
            "json_attributes_topic": question,
            "command_topic": f"{topic}/answer/set",
            "command_template": answer,
            "options": list(features.streams),
            "availability": [{"topic": f"{topic}/status"}, is_open],
            "availability_mode": "all",
            "icon": "mdi:account-question-outline",
        },
    )
    told = "{{ {'event_type': 'answer_' ~ value_json.stream, 'stream': value_json.stream, 'label': value_json.label, "
    told += "'source': value_json.source, 'who': value_json.who, 'id': value_json.id} | tojson }}"
    config = {"name": "Answers", "state_topic": f"{topic}/answer", "value_template": told}
    types = [f"answer_{stream}" for stream in features.streams]
    yield "event", "answers", {**config, "event_types": types, "icon": "mdi:account-check-outline"}


def _image(topic: str) -> Iterator[Entity]:
    yield "image", "crop", {"name": "Last item", "image_topic": f"{topic}/image", "content_type": "image/jpeg"}


def _update(topic: str) -> Iterator[Entity]:
    config = {
        "name": "Version",
        "title": "waste-edge",
        "state_topic": f"{topic}/about",
        "value_template": "{{ {'installed_version': value_json.version} | tojson }}",
        "latest_version_topic": LATEST_VERSION_TOPIC,
        **_DIAGNOSTIC,
    }
    yield "update", "version", config
