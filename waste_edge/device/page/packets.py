"""Messages between the station's process and the page's, each one packet of a local socket.

A packet is a line of JSON and, behind it, bytes: a JPEG or JSON that is passed on as it is. The socket is bounded, and
nobody waits for it: a state or a live picture that does not fit is dropped, and the next one comes soon.
"""

from __future__ import annotations

import socket
from typing import Literal, TypeVar

import msgspec

from waste_edge.files.limits import MAX_PAGE_COMMAND_BYTES, MAX_PAGE_PACKET_BYTES
from waste_edge.files.strict import Strict

ToldKind = Literal["state", "item", "live", "reply"]
Shows = Literal["station", "commission"]
HeardKind = Literal["alive", "listening", "failed", "watching", "command"]


class PageOrder(Strict, frozen=True):
    """The first packet to a page's process.

    Attributes:
        host, port: where it listens.
        token: opens the page; empty: everybody who reaches it may.
        names: by which browsers may reach it.
        hidden: files and folders that it must not see.
        shown: files that it needs all the same.
        items: how many recent items it keeps.
        model: what uploaded pictures are classified with; None: no uploads.
        shows: what the page is about: a station that runs, or one that is commissioned.
    """

    host: str
    port: int
    token: str
    names: list[str]
    hidden: list[str]
    shown: list[str]
    items: int
    model: ModelOrder | None = None
    shows: Shows = "station"


class ModelOrder(Strict, frozen=True):
    """The bundle that classifies uploaded pictures: the one that the station runs.

    Attributes:
        bundle: its path.
        digest: it must still be this one, which the station has checked.
        artifact, engine: which of its networks runs, and on what.
        site: the site as TOML has it, which decides.
    """

    bundle: str
    digest: str
    artifact: str
    engine: str
    site: msgspec.Raw


class Told(Strict, frozen=True):
    """A message to a page's process; `number` counts items, live pictures and, in a reply, the page's commands."""

    kind: ToldKind
    number: int = 0
    fields: msgspec.Raw = msgspec.Raw(b"{}")


class Heard(Strict, frozen=True):
    """A message from a page's process.

    Attributes:
        kind: `watching`: somebody looks at the live view now.
        text: for people.
        number: of a command; its reply has the same.
        fields: of a command.
    """

    kind: HeardKind
    text: str = ""
    number: int = 0
    fields: msgspec.Raw = msgspec.Raw(b"{}")


T = TypeVar("T", bound=Strict)


class InvalidPacketError(Exception):  # not an error of ours: what the other side sent
    """The other process sent what it never sends."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """The station's end and the page's end of a new connection."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_PAGE_PACKET_BYTES)
    ours.setblocking(False)
    return ours, theirs


def send(stream: socket.socket, header: Strict, payload: bytes = b"") -> bool:
    """Send a packet; False if there is no room for it now, or it is too large.

    Raises:
        OSError: the other side has gone.
    """
    packet = msgspec.json.encode(header) + b"\n" + payload
    if len(packet) > MAX_PAGE_PACKET_BYTES:
        return False
    try:
        stream.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except BlockingIOError:
        return False
    return True


def receive_told(stream: socket.socket) -> tuple[Told, bytes] | None:
    """Take the next packet of the station; None if its end is closed.

    Raises:
        InvalidPacketError: it is none.
        BlockingIOError: there is none now.
    """
    packet = stream.recv(MAX_PAGE_PACKET_BYTES)
    if not packet:
        return None
    header, _, payload = packet.partition(b"\n")
    return _decoded(header, Told), payload


def receive_heard(stream: socket.socket) -> Heard | None:
    """Take the next packet of the page's process; None if it has gone. Raises as `receive_told`."""
    packet = stream.recv(MAX_PAGE_COMMAND_BYTES + 1)
    if not packet:
        return None
    if len(packet) > MAX_PAGE_COMMAND_BYTES:
        raise InvalidPacketError(f"a packet of more than {MAX_PAGE_COMMAND_BYTES} bytes")
    return _decoded(packet.rstrip(b"\n"), Heard)


def _decoded(header: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(header, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidPacketError(f"an unreadable packet ({header[:40]!r})") from error
