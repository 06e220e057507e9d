"""Notifications to phones over ntfy (https://docs.ntfy.sh/publish): questions, health, thresholds; never every item.

What sends is imported only when a station has a `[push]` table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from waste_edge.device.clock import NS_PER_S, Clock, SystemClock, SystemWallClock, WallClock
from waste_edge.device.outbox.record import Record
from waste_edge.device.sinks.http.table import HttpSinkConfig
from waste_edge.device.sinks.sink import SinkContext
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.limits import MAX_EXPIRE_S, MAX_URL_LETTERS

if TYPE_CHECKING:
    from waste_edge.device.sinks.http.post import Target

_DAY_S = 86_400
_MOST_OPEN = 1000  # questions that are remembered
_MESSAGE_LETTERS = 1000  # ntfy takes 4,096 bytes
_ORDER = list(Level)


class PushConfig(HttpSinkConfig, frozen=True, kw_only=True):
    """The table `[push]` of a station's configuration; its `url` is an ntfy server, its secret an access token.

    Attributes:
        topic: whom the server passes it on to. On a server without accounts who knows the topic reads along.
        ask: tell when the station asks a person.
        health: tell when a part of the station is so bad, or well again.
        asks_a_day: tell when so many items were asked about within a day; 0: never.
        every_items: tell when so many items more belong to a stream, by stream: time to empty it.
        cooldown_s: the same kind of notification comes at most so often; what comes between goes into the next.
        click: what a tap on the notification opens, such as the station's page.
    """

    topic: str
    ask: bool = True
    health: Literal["never", "warn", "bad"] = "bad"
    asks_a_day: int = 0
    every_items: dict[str, int] = msgspec.field(default_factory=dict)
    cooldown_s: float = 300.0
    click: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if urlsplit(self.url).path.strip("/") or urlsplit(self.url).query:
            raise ValueError("url: expected the server alone, such as https://ntfy.sh; the topic has a key of its own")
        if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", self.topic):
            raise ValueError(f"topic {self.topic[:80]!r}: expected up to 64 letters, digits, - and _")
        if not 1 <= self.cooldown_s <= MAX_EXPIRE_S:
            raise ValueError(f"cooldown_s must be 1 to {MAX_EXPIRE_S}, got {self.cooldown_s:g}")
        if not 0 <= self.asks_a_day <= _MOST_OPEN or not all(count >= 1 for count in self.every_items.values()):
            raise ValueError(f"asks_a_day must be 0 to {_MOST_OPEN}, and every_items at least 1 for each stream")
        if len(self.click) > MAX_URL_LETTERS or (self.click and "://" not in self.click):
            raise ValueError(f"click: expected an address such as http://bin1.local:8080, of {MAX_URL_LETTERS} letters")

    def build(self, context: SinkContext) -> Push:
        """See `SinkConfig.build`."""
        from waste_edge.device.sinks.http.post import Target

        return Push(self, Target.of("push", self), self.secret("push"), context.station)


@dataclass(frozen=True)
class _Notification:
    """One message, as ntfy publishes it; `kind` has a cool-down of its own."""

    kind: str
    title: str
    message: str
    priority: int
    tags: tuple[str, ...]


class Push:
    """A `Sink` that tells people's phones what they should look at."""

    name = "push"

    def __init__(
        self,
        config: PushConfig,
        target: Target,
        token: str,
        station: str,
        clock: Clock | None = None,
        wall_clock: WallClock | None = None,
    ) -> None:
        self._config = config
        self._target = target
        self._token = token
        self._station = station
        self._clock = clock or SystemClock()
        self._wall_clock = wall_clock or SystemWallClock()
        self._pushed_ns: dict[str, int] = {}  # by kind, when
        self._open: dict[str, tuple[int, str]] = {}  # until when an answer is awaited, and what is asked, by item
        self._asked: set[str] = set()  # open items that a notification was about
        self._asks: dict[str, int] = {}  # when, by item: of the last day
        self._full: dict[str, int] = {}  # items of streams whose number is to be told
        self._told_full: dict[str, int] = {}
        self._health: dict[str, Condition] = {}  # now, and as it was told last
        self._told_health: dict[str, Condition] = {}

    def deliver(self, records: Sequence[Record]) -> None:
        """See `Sink.deliver`; all that is due is told when it returns. The same records may come again."""
        for record in records:
            self._note(record)
        now_ns = self._clock.now_ns()
        self._open = {item: asked for item, asked in self._open.items() if asked[0] > now_ns}
        self._asked &= self._open.keys()
        self._asks = {item: then_ns for item, then_ns in self._asks.items() if now_ns - then_ns < _DAY_S * NS_PER_S}
        self._push_questions()
        self._push_thresholds()
        self._push_health()

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """See `Sink.tell_health`."""
        self._health = {condition.part: condition for condition in conditions if condition.part != self.name}
        self._push_health()

    def close(self) -> None:
        """See `Sink.close`. Nothing stays open between notifications."""

    def probe(self) -> str:
        """See `Sink.probe`: publishes a notification that says it is a test, with the lowest priority."""
        self._post(_Notification("test", self._station, "a test by waste-edge doctor", 1, ()))
        return f"{self._target.where}, topic {self._config.topic}"

    def _note(self, record: Record) -> None:
        every = self._config.every_items.get(record.stream, 0)
        if every and record.stream_items and record.stream_items % every == 0:
            self._full[record.stream] = record.stream_items
        if record.answer:
            self._open.pop(record.id, None)
            return
        if record.event["decision"]["action"] != "ask" or record.id in self._asks:
            return
        self._asks[record.id] = self._clock.now_ns()
        expires_s = record.event.get("expires_s")
        if expires_s is None or record.boot_id != self._wall_clock.boot_id or len(self._open) >= _MOST_OPEN:
            return  # nobody can answer, or no longer
        closes_ns = record.committed_ns + round(expires_s * NS_PER_S)
        self._open[record.id] = closes_ns, str(record.event["decision"]["reason"])

    def _push_questions(self) -> None:
        fresh = self._open.keys() - self._asked
        if not self._config.ask or not fresh or not self._is_due("ask"):
            return
        reasons = [reason for item, (_, reason) in self._open.items() if item in fresh]
        more = f" (and {len(self._open) - 1} more)" if len(self._open) > 1 else ""
        title = f"{self._station} asks: which bin?"
        self._push(_Notification("ask", title, f"{reasons[-1]}{more}", 3, ("question",)))
        self._asked |= fresh

    def _push_thresholds(self) -> None:
        many = self._config.asks_a_day
        if many and len(self._asks) >= many and self._is_due("asks", _DAY_S):
            text = f"{len(self._asks)} items were asked about within a day; does the model fit what is thrown in here?"
            self._push(_Notification("asks", f"{self._station} asks often", text, 3, ("question",)))
        for stream, items in list(self._full.items()):
            if self._told_full.get(stream) == items:
                del self._full[stream]
            elif self._is_due(f"items {stream}"):
                text = f"{items} items so far; is it full?"
                title = f"{self._station}: {stream}"
                self._push(_Notification(f"items {stream}", title, text, 3, ("wastebasket",)))
                self._told_full[stream] = self._full.pop(stream)

    def _push_health(self) -> None:
        if self._config.health == "never" or not self._is_due("health"):
            return
        least = _ORDER.index(Level(self._config.health))
        unwell = {part: one for part, one in self._health.items() if _ORDER.index(one.level) >= least}
        told = {part: one.level for part, one in self._told_health.items()}
        if {part: one.level for part, one in unwell.items()} == told:
            return
        better = [f"{part} is well again" for part in self._told_health if part not in unwell]
        worse = [f"{part}: {one.text}" for part, one in unwell.items() if told.get(part) is not one.level]
        title = f"{self._station} " + ("has a problem" if worse else "is better")
        priority, tags = (4, ("warning",)) if worse else (3, ("white_check_mark",))
        self._push(_Notification("health", title, "\n".join([*worse, *better]), priority, tags))
        self._told_health = unwell

    def _is_due(self, kind: str, cooldown_s: float = 0.0) -> bool:
        pushed_ns = self._pushed_ns.get(kind)
        wait_ns = max(cooldown_s, self._config.cooldown_s) * NS_PER_S
        return pushed_ns is None or self._clock.now_ns() - pushed_ns >= wait_ns

    def _push(self, notification: _Notification) -> None:
        self._post(notification)
        self._pushed_ns[notification.kind] = self._clock.now_ns()

    def _post(self, notification: _Notification) -> None:
        from waste_edge.device.sinks.http.post import post

        message = {
            "topic": self._config.topic,
            "title": notification.title[:_MESSAGE_LETTERS],
            "message": notification.message[:_MESSAGE_LETTERS],
            "priority": notification.priority,
            "tags": notification.tags,
        }
        if self._config.click:
            message["click"] = self._config.click
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        post(self._target, msgspec.json.encode(message), headers)
