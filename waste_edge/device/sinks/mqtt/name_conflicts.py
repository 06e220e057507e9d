"""Others at the broker who use this station's names: another station of the same topic, another client of the same id.

Each tells the other that it is there, so that both say so in their health, with the cause.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.sinks.mqtt.link import Heard, Message, MqttConnection

_RIVAL_S = 180.0  # another station of these topics is believed to be there so long after it was heard
_CLAIM_EVERY_S = 60.0  # so often it is told that we are here, too
_SHORT_S = 15.0  # a connection that the broker ended sooner, time after time, has a reason
_SHORT_LIVES = 3
_TAKEN_S = 600.0  # a connection that another client took is spoken of so long
_ECHO_S = 30.0  # what was published must come back to who subscribed


class Rivals:
    """Notes who else speaks under these names.

    Args:
        topic: what the station's topics begin with.
        installation: the station's id; another one is another station's.
        clock: times all of it.
    """

    def __init__(self, topic: str, installation: str, clock: Clock) -> None:
        self._topic = topic
        self._installation = installation
        self._run = secrets.token_hex(4)  # tells a copied card from our own last life
        self._claimed_before = False
        self._clock = clock
        self._linked_ns = clock.now_ns()
        self._rival_ns: int | None = None  # when another station of these topics was heard last
        self._claimed_ns: int | None = None  # when it was told that we are here
        self._taken_ns: int | None = None
        self._awaits_kept = False  # what the broker kept of `owner` was said after we said it last
        self._short_lives = 0  # connections in a row that the broker ended soon
        self._no_echo_since_ns: int | None = None  # of a broker that does not say what it refuses

    @property
    def claim(self) -> Message:
        """Tells others that these topics are ours: the installation, and which run of it."""
        return Message(f"{self._topic}/owner", f"{self._installation}-{self._run}", retain=True)

    def linked(self, says_refusals: bool) -> None:
        """Note a new connection, to a broker that says what it refuses or does not."""
        self._linked_ns = self._clock.now_ns()
        self._no_echo_since_ns = None if says_refusals else self._linked_ns
        self._awaits_kept = self._claimed_before
        self._claimed_before = True

    def lost(self, link: MqttConnection) -> None:
        """Note a connection that was lost."""
        if link.taken_over:
            self._taken_ns = self._clock.now_ns()
        self._short_lives += self._since_s(self._linked_ns) < _SHORT_S

    def answers_to(self, heard: Sequence[Heard]) -> list[Message]:
        """Reply to what others said: that we are here too, and online after another's goodbye under our name."""
        answers: list[Message] = []
        for one in heard:
            if one.topic == f"{self._topic}/owner":
                self._hear_owner(one)
        newest = {one.topic: one.payload for one in heard if not one.retained}
        rival = _installation(newest.get(f"{self._topic}/owner", self._installation)) != self._installation
        if rival and (self._claimed_ns is None or self._since_s(self._claimed_ns) >= _CLAIM_EVERY_S):
            self._claimed_ns = self._clock.now_ns()
            answers.append(self.claim)
        if newest.get(f"{self._topic}/status", "online") != "online":
            answers.append(Message(f"{self._topic}/status", "online", retain=True))
        if self._since_s(self._linked_ns) > _SHORT_S:
            self._short_lives = 0
        return answers

    def _hear_owner(self, said: Heard) -> None:
        """Note whose claim is heard, or was kept by the broker while we were away: then another one came after ours."""
        installation, now_ns = _installation(said.payload), self._clock.now_ns()
        if not said.retained:
            self._no_echo_since_ns = None
            if installation != self._installation:
                self._rival_ns = now_ns
        other_run = installation == self._installation and said.payload != self.claim.payload
        if other_run and (not said.retained or self._awaits_kept):
            self._taken_ns = now_ns

    def doubt(self, client_id: str) -> str:
        """Oddity to report although events are delivered; empty if there is none."""
        if self._taken_ns is not None and self._since_s(self._taken_ns) < _TAKEN_S:
            return (
                f"another client took this station's connection, by the same client id ({client_id}): a card that was "
                "copied? Then remove installation-id and board-id in the state folder of one of the two, and restart it"
            )
        if self._rival_ns is not None and self._since_s(self._rival_ns) < _RIVAL_S:
            return (
                f"another station tells under the same topics ({self._topic}/…): both are called so. Take `topic` out "
                "of one's station.toml, or give each its own; for topics by installation remove its state folder's "
                "mqtt.json"
            )
        if self._short_lives >= _SHORT_LIVES:
            return (
                "the broker ends each connection soon after it was made; another client may use the same client_id "
                f"({client_id}): see the broker's log"
            )
        if self._no_echo_since_ns is not None and self._since_s(self._no_echo_since_ns) > _ECHO_S:
            return (
                f"what is published to {self._topic}/… does not come back, and this broker's MQTT 3.1.1 does not say "
                "what it refuses: check that its access list lets this user write and read there"
            )
        return ""

    def _since_s(self, then_ns: int) -> float:
        return (self._clock.now_ns() - then_ns) / NS_PER_S


def _installation(owner: str) -> str:
    return owner.partition("-")[0]
