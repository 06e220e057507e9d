"""The newest that the station told, and the socket to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from waste_edge.device.page.packets import Heard, HeardKind, InvalidPacketError, receive_told, send
from waste_edge.files.strict import Strict

WATCH_EVERY_S = 2.0  # so often the station is told that somebody looks
ALIVE_EVERY_S = 4.0
STALE_LIVE_S = 5.0
_REPLY_S = 5.0
_MOST_COMMANDS = 16  # that wait for a reply


class _Named(msgspec.Struct, frozen=True):
    id: str


class _Reply(Strict, frozen=True):
    wrong: str = ""


@dataclass(frozen=True)
class Item:
    """An item: its number from 1, its fields as JSON, and its crop as JPEG, empty if it has none."""

    number: int
    fields: bytes
    picture: bytes


@dataclass(frozen=True)
class Live:
    """A live picture: its number from 1, its description as JSON, and the JPEG."""

    number: int
    fields: bytes
    picture: bytes


class Mirror:
    """The newest state, live picture and items, as the station told them; in memory only.

    Attributes:
        state: JSON, see `page.state.StationState`; empty until the station told it first.
        state_s: when that was, on the event loop's clock.
        live: the newest live picture; None before the first.
    """

    def __init__(self, items: int) -> None:
        self.state = b""
        self.state_s = 0.0
        self.live: Live | None = None
        self._most = items
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._came = asyncio.Condition()
        self._live_s = 0.0

    def items(self, after: int) -> list[Item]:
        """The items with a number above `after`, oldest first."""
        return [item for item in self._items.values() if item.number > after]

    def item(self, item_id: str) -> Item | None:
        """The item of this id; None if it is not kept any more."""
        return self._items.get(item_id)

    def keep_item(self, number: int, fields: bytes, picture: bytes) -> None:
        """Take an item up, or what became of it; the oldest may go."""
        self._items[msgspec.json.decode(fields, type=_Named).id] = Item(number, fields, picture)
        while len(self._items) > self._most:
            self._items.popitem(last=False)

    async def keep_live(self, live: Live) -> None:
        """Take a live picture up, and wake those who wait for one."""
        self.live, self._live_s = live, asyncio.get_running_loop().time()
        async with self._came:
            self._came.notify_all()

    async def newer_live(self, after: int, patience_s: float) -> Live | None:
        """The newest live picture if its number is not `after`, waiting a little for one; None if none comes.

        One that is left over from somebody who looked before is not shown: that was another time.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s), self._came:
                await self._came.wait_for(lambda: self._is_new(after))
                return self.live
        return None

    def _is_new(self, after: int) -> bool:
        age_s = asyncio.get_running_loop().time() - self._live_s
        return self.live is not None and self.live.number != after and age_s < STALE_LIVE_S


class StationSocket:
    """The page's end of the socket to its station. The page ends when the station's end is closed."""

    def __init__(self, stream: socket.socket, mirror: Mirror) -> None:
        self._stream = stream
        self._mirror = mirror
        self._watched_s = -WATCH_EVERY_S
        self._number = 0
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        stream.setblocking(False)

    async def listen(self, ended: Callable[[], None]) -> None:
        """Take up what the station tells until it hangs up; then call `ended`."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(self._stream.fileno(), self._take, gone)
        with contextlib.suppress(TimeoutError, OSError):
            while not gone.is_set():
                self.say("alive")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(gone.wait(), ALIVE_EVERY_S)
        loop.remove_reader(self._stream.fileno())
        ended()

    def say(self, kind: HeardKind, text: str = "") -> None:
        """Tell the station; raises OSError if it has gone."""
        send(self._stream, Heard(kind=kind, text=text))

    def watch(self) -> None:
        """Tell the station that the live view is looked at."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._watched_s >= WATCH_EVERY_S:
            self._watched_s = now_s
            with contextlib.suppress(OSError):
                self.say("watching")

    async def command(self, fields: bytes) -> str:
        """Have the station act on a command, as JSON; returns what is wrong with it, empty if it was done."""
        if len(self._waiting) >= _MOST_COMMANDS:
            return "too many answers at once; try again"
        self._number += 1
        number, reply = self._number, asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            if not send(self._stream, Heard(kind="command", number=number, fields=msgspec.Raw(fields))):
                return "the station is too busy; try again"
            return await asyncio.wait_for(reply, _REPLY_S)
        except TimeoutError:
            return f"the station gave no reply within {_REPLY_S:g} s; look whether it was taken"
        except OSError:
            return "the station has ended"
        finally:
            del self._waiting[number]

    def _take(self, gone: asyncio.Event) -> None:
        """Take what lies in the socket, up to a screenful, so that browsers are served in between."""
        for _ in range(16):
            try:
                taken = receive_told(self._stream)
            except BlockingIOError:
                return
            except (OSError, InvalidPacketError):
                taken = None
            if taken is None:
                gone.set()
                return
            told, payload = taken
            match told.kind:
                case "state":
                    self._mirror.state, self._mirror.state_s = payload, asyncio.get_running_loop().time()
                case "item":
                    self._mirror.keep_item(told.number, bytes(told.fields), payload)
                case "live":
                    task = asyncio.create_task(self._mirror.keep_live(Live(told.number, bytes(told.fields), payload)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case "reply":
                    waiting = self._waiting.get(told.number)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(msgspec.json.decode(told.fields, type=_Reply).wrong)
