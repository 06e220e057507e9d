"""Events and answers as signed HTTPS requests, one each; docs/events.md has the headers and what a receiver checks.

What sends and signs is imported only when a station has a `[webhook]` table.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from waste_edge.device.clock import SystemWallClock, WallClock
from waste_edge.device.outbox.record import Record, to_json_line
from waste_edge.device.sinks.http.table import HttpSinkConfig
from waste_edge.device.sinks.sink import SinkContext, worst
from waste_edge.device.system.condition import Condition
from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    from waste_edge.device.sinks.http.post import Target


class WebhookConfig(HttpSinkConfig, frozen=True, kw_only=True):
    """The table `[webhook]` of a station's configuration; its secret signs every request."""

    def build(self, context: SinkContext) -> Webhook:
        """See `SinkConfig.build`.

        Raises:
            ConfigError: there is no secret, or one that is none.
        """
        from waste_edge.device.sinks.http.post import Target
        from waste_edge.device.sinks.http.signature import signing_key

        secret = self.secret("webhook")
        if not secret:
            raise ConfigError("webhook: every request is signed: give secret_file or secret_environment")
        return Webhook(Target.of("webhook", self), signing_key(secret, "webhook"), context.station)


class Webhook:
    """A `Sink` that posts every record to a web server, in order, each until it was taken."""

    name = "webhook"

    def __init__(self, target: Target, key: bytes, station: str, wall_clock: WallClock | None = None) -> None:
        self._target = target
        self._key = key
        self._station = station
        self._wall_clock = wall_clock or SystemWallClock()
        self._taken = ("", 0)  # outbox id and sequence of what was taken last

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`; what was taken of a batch that failed is not told again."""
        for record in records:
            if record.outbox_id == self._taken[0] and record.sequence <= self._taken[1]:
                continue
            self._post(record.key.replace("#", "-"), to_json_line(record).encode())
            self._taken = (record.outbox_id, record.sequence)

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """See `Sink.tell_health`."""
        self._tell("health", {"level": worst(conditions), "conditions": conditions})

    def close(self) -> None:
        """See `Sink.close`. Nothing stays open between requests."""

    def probe(self) -> str:
        """See `Sink.probe`: posts a message of the kind `test`."""
        self._tell("test", {})
        return f"{self._target.where}, signed"

    def _tell(self, kind: str, fields: dict[str, Any]) -> None:
        now = self._wall_clock.now_utc().strftime("%Y-%m-%dT%H:%M:%SZ")
        message = {"kind": kind, "station": self._station, "time_utc": now, **fields}
        self._post(f"{kind}-{uuid.uuid4().hex}", msgspec.json.encode(message))

    def _post(self, message_id: str, body: bytes) -> None:
        from waste_edge.device.sinks.http.post import post
        from waste_edge.device.sinks.http.signature import signature_headers

        time_s = int(self._wall_clock.now_utc().timestamp())
        signed = signature_headers(self._key, message_id, time_s, body)
        post(self._target, body, {"Content-Type": "application/json", **signed})
