"""One connection to an MQTT broker: made when there is something to tell, thrown away at the first failure.

So what waits is only ever in the outbox, never in a queue of paho's.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waste_edge.device.sinks.sink import SinkError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_REMEDY = "check username, password and the broker's access list"
_AT_ONCE = 200  # messages under way to a broker that does not say how many it takes
_MOST_HEARD = 200  # messages kept between two looks
_HEARD_BYTES = 2000  # of a message
_TLS_PORT = 8883


@dataclass(frozen=True)
class Message:
    """A message to publish, at QoS 1."""

    topic: str
    payload: str | bytes
    retain: bool = False


@dataclass(frozen=True)
class Heard:
    """A message of somebody else's; `payload` is cut off at 2000 bytes."""

    topic: str
    payload: str
    retained: bool


class WrongProtocolError(SinkError):
    """The broker does not speak this version of MQTT."""


class MqttConnection:
    """One connection, from CONNACK to its loss.

    Attributes:
        lost: it is of no use any more.
        wake: called, in a thread of paho's, when something was heard or the connection was lost.
        taken_over: the broker ended it because another client came under the same client id (MQTT 5 only).

    Raises:
        WrongProtocolError: the broker refuses this version of MQTT, or hangs up instead of answering.
        SinkError: no connection, or the broker refuses it.
    """

    def __init__(self, client: Client, host: str, port: int, keepalive_s: int, timeout_s: float) -> None:
        self._client = client
        self._where = f"{host}:{port}"
        self._port = port
        self._changed = threading.Condition()
        self._answer: str | None = None  # empty for yes
        self._wrong_protocol = False
        self._at_once = _AT_ONCE
        self._acknowledged: dict[int, str] = {}  # why it was refused, or nothing, by message id; of the batch in hand
        self._heard: list[Heard] = []
        self.lost = self.taken_over = False
        self.wake: Callable[[], None] = lambda: None
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_message = self._message
        try:
            client.connect(host, port, keepalive=keepalive_s)
        except OSError as error:
            raise SinkError(f"{self._where}: {_why(error, port, self._is_encrypted())}") from error
        client.loop_start()
        if not self._wait(lambda: self._answer is not None or self.lost, timeout_s) or self._answer != "":
            raise self._no_greeting()

    def publish(self, messages: Sequence[Message], timeout_s: float) -> dict[str, str]:
        """Publish at QoS 1, in order, and wait until the broker has acknowledged every one.

        Returns:
            Why the broker refused what it refused, by topic: MQTT 5 brokers say so; older ones acknowledge, and drop.

        Raises:
            SinkError: it has not, in time.
        """
        denied: dict[str, str] = {}
        for first in range(0, len(messages), self._at_once):
            denied |= self._publish(messages[first : first + self._at_once], timeout_s)
        return denied

    def _publish(self, messages: Sequence[Message], timeout_s: float) -> dict[str, str]:
        with self._changed:
            self._acknowledged.clear()
        sent: dict[int, str] = {}
        for message in messages:
            told = self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)
            sent[told.mid] = message.topic
        in_time = self._wait(lambda: self.lost or sent.keys() <= self._acknowledged.keys(), timeout_s)
        with self._changed:
            answers = dict(self._acknowledged)
        if not sent.keys() <= answers.keys():
            lost = self._refused() or self._lost_because()
            why = lost if in_time else f"the broker acknowledged nothing for {timeout_s:g} s"
            raise SinkError(f"{self._where}: {why}")
        return {topic: answers[mid] for mid, topic in sent.items() if answers[mid]}

    def listen(self, topics: Sequence[str]) -> None:
        """Hear what others say under these topics from now on, at QoS 0."""
        self._client.subscribe([(topic, 0) for topic in topics])

    def heard(self) -> list[Heard]:
        """Take what was said since this was last asked, in order; of more than 200 messages the newest."""
        with self._changed:
            heard, self._heard = self._heard, []
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

    def _no_greeting(self) -> SinkError:
        answer, hung_up = self._answer or self._refused(), self.lost
        wrong = self._wrong_protocol or (hung_up and self._answer is None)
        self.cut()
        if not answer:
            answer = "no answer to the greeting; is that an MQTT broker?"
            if self._port == _TLS_PORT and not self._is_encrypted():
                answer = "no answer to the greeting; this port is the usual one for TLS: give `tls = true`"
            elif hung_up and not self._is_encrypted():
                answer = "hangs up at the greeting; is that an MQTT broker? If it speaks TLS there, give `tls = true`"
        return (WrongProtocolError if wrong else SinkError)(f"{self._where}: {answer}")

    def _is_encrypted(self) -> bool:
        return getattr(self._client, "encrypted", False) is True

    def _refused(self) -> str:
        return str(getattr(self._client, "refused", ""))

    def _lost_because(self) -> str:
        if self.taken_over:
            return "another client came under the same client id, and the broker gave the connection to it"
        return "the connection was lost"

    def _wait(self, enough: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(enough, timeout_s)

    # These are called in paho's thread.

    def _connected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            self._wrong_protocol = reason.is_failure and reason.getName() == "Unsupported protocol version"
            self._answer = f"the broker refuses: {reason}; {_REMEDY}" if reason.is_failure else ""
            self._at_once = min(_AT_ONCE, int(getattr(properties, "ReceiveMaximum", _AT_ONCE)))
            self._changed.notify_all()

    def _disconnected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        with self._changed:
            self.lost = True
            self.taken_over |= reason.getName() == "Session taken over"  # it is told twice, once without a reason
            self._changed.notify_all()
        self.wake()

    def _published(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        with self._changed:
            self._acknowledged[mid] = str(reason) if reason.is_failure else ""
            self._changed.notify_all()

    def _message(self, client: Client, userdata: Any, message: Any) -> None:
        with self._changed:
            payload = bytes(message.payload[:_HEARD_BYTES]).decode("utf-8", "replace")
            self._heard.append(Heard(message.topic, payload, bool(message.retain)))
            del self._heard[:-_MOST_HEARD]
        self.wake()


def _why(error: OSError, port: int, encrypted: bool) -> str:
    import ssl  # here: every station reads this module, few of them need TLS

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); check host and ca_file"
    if isinstance(error, ssl.SSLError) or (encrypted and isinstance(error, ConnectionResetError)):
        plain = f"port {port} may be the broker's port without TLS: TLS usually has 8883; or give `tls = false`"
        return f"no TLS ({getattr(error, 'reason', '') or error.strerror or error}); {plain}"
    return (error.strerror or str(error)).lower()
