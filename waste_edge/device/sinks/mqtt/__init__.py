"""Events over MQTT, and Home Assistant; docs/events.md has the topics and what a receiver makes of them.

paho-mqtt is imported in this room and nowhere else, and only when a station has an `[mqtt]` table and connects.
"""

from waste_edge.device.sinks.mqtt.table import MqttConfig, build

__all__ = ["MqttConfig", "build"]
