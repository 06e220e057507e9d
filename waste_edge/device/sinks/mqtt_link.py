"""One connection to an MQTT broker: made when there is something to tell, thrown away at the first failure.

So what waits is only ever in the outbox, never in a queue of paho's.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from waste_edge.device.sinks.sink import SinkError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

Message = tuple[str, str, bool]  # topic, payload, whether the broker retains it

_REMEDY = "check username, password and the broker's access list"


class MqttConnection:
    """One connection, from CONNACK to its loss.

    Raises:
        SinkError: no connection, or the broker refuses it.
    """

    def __init__(self, client: Client, host: str, port: int, keepalive_s: int, timeout_s: float) -> None:
        self._client = client
        self._where = f"{host}:{port}"
        self._changed = threading.Condition()
        self._answer: str | None = None  # empty for yes
        self._acknowledged: set[int] = set()  # message ids, of the batch in hand
        self.lost = False
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_message = self._message
        self._heard: dict[str, str] = {}
        try:
            client.connect(host, port, keepalive=keepalive_s)
        except OSError as error:
            raise SinkError(f"{self._where}: {_why(error)}") from error
        client.loop_start()
        if not self._wait(lambda: self._answer is not None or self.lost, timeout_s) or self._answer != "":
            answer = self._answer or self._refused()
            self.cut()
            raise SinkError(f"{self._where}: {answer or 'no answer to the greeting; is that an MQTT broker?'}")

    def publish(self, messages: Sequence[Message], timeout_s: float) -> None:
        """Publish at QoS 1, in order, and wait until the broker has acknowledged every one.

        Raises:
            SinkError: it has not, in time.
        """
        self._acknowledged.clear()
        sent = [self._client.publish(topic, payload, qos=1, retain=retain).mid for topic, payload, retain in messages]
        missing = set(sent)
        in_time = self._wait(lambda: self.lost or missing <= self._acknowledged, timeout_s)
        if not missing <= self._acknowledged:
            lost = self._refused() or "the connection was lost"
            why = lost if in_time else f"the broker acknowledged nothing for {timeout_s:g} s"
            raise SinkError(f"{self._where}: {why}")

    def listen(self, topics: Sequence[str]) -> None:
        """Hear what others say under these topics from now on, at QoS 0; what was retained is no news."""
        self._client.subscribe([(topic, 0) for topic in topics])

    def heard(self) -> dict[str, str]:
        """The newest message of each topic since this was last asked, as text of at most 200 letters."""
        with self._changed:
            heard, self._heard = self._heard, {}
        return heard

    def leave(self) -> None:
        """Part in peace: the broker does not speak the last will."""
        self._client.disconnect()
        self._client.loop_stop()

    def cut(self) -> None:
        """Drop a connection that is of no use any more, even if its other end has frozen."""
        held = self._client.socket()
        if held is not None:
            with contextlib.suppress(OSError):  # beneath TLS, whose own shutdown would wait for an answer
                socket.socket.shutdown(held, socket.SHUT_RDWR)  # type: ignore[arg-type]
        self._client.loop_stop()

    def _refused(self) -> str:
        return str(getattr(self._client, "refused", ""))

    def _wait(self, enough: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(enough, timeout_s)

    # These are called in paho's thread.

    def _connected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            self._answer = f"the broker refuses: {reason}; {_REMEDY}" if reason.is_failure else ""
            self._changed.notify_all()

    def _disconnected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            self.lost = True
            self._changed.notify_all()

    def _published(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()

    def _message(self, client: Client, userdata: Any, message: Any) -> None:
        if message.retain:
            return
        with self._changed:
            self._heard[message.topic] = bytes(message.payload[:200]).decode("utf-8", "replace")


def _why(error: OSError) -> str:
    import ssl  # here: every station reads this module, few of them need TLS

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); check host and ca_file"
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({error.reason or error}); check port and tls"
    return (error.strerror or str(error)).lower()
