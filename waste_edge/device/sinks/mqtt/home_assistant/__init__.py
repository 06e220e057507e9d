"""Home Assistant's view of a station: its entities, and the MQTT messages by which it finds them."""
