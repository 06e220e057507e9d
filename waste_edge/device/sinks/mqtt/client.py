"""paho's client, bounded: a broker is somebody else's machine, and what it sends is not all kept.

The two methods that are overridden are paho's own (2.1); tests/device/sinks/mqtt/test_link_hostile.py fails if a later
release no longer calls them.
"""

from __future__ import annotations

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from waste_edge.files.limits import MAX_BROKER_PACKET_BYTES


class BoundedClient(Client):
    """Ends the connection before memory is given to a packet that is too long, or to a message that is to be kept.

    Attributes:
        refused: why the connection was ended, in words; empty if it was not.
        encrypted: it speaks TLS.
    """

    refused = ""
    encrypted = False

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_BROKER_PACKET_BYTES:
            self.refused = f"the broker sends a packet of {bufsize} bytes; at most {MAX_BROKER_PACKET_BYTES} are taken"
            raise ConnectionError(self.refused)
        return super()._sock_recv(bufsize)

    def _handle_publish(self) -> MQTTErrorCode:
        # We subscribe at QoS 0. Of what comes at QoS 2 paho keeps up to 65,535 messages until their end is told.
        if int(self._in_packet["command"]) & 0x06 == 0x04:
            self.refused = "the broker sends messages at QoS 2, which were not asked for"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._handle_publish()
