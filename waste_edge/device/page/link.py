"""The page's process, seen from the station: a thread that starts it, tells it, hears it, and starts it again.

Nothing here is waited for by the loop. A page that dies, hangs or writes garbage is replaced, and health says so.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from waste_edge.device.clock import NS_PER_S, Clock, RetryPolicy
from waste_edge.device.page.listener import PageListener, Review
from waste_edge.device.page.packets import Heard, InvalidPacketError, Told, receive_heard, send
from waste_edge.device.page.process import PageProcess
from waste_edge.device.page.snapshot import Composer, item_fields, item_picture, live_fields, live_picture
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.files.text import visible

PAGE = "page"  # the part
_STATE_NS = NS_PER_S
_WATCHED_NS = 6 * NS_PER_S  # so long pictures are sent after somebody asked for one
_SILENCE_NS = 60 * NS_PER_S  # a page's process says that it lives every few seconds; a busy board lets it wait
_START_NS = 180 * NS_PER_S  # until it says so first: on a board where everything starts at once
_HEARD_AT_ONCE = 32
_STOP_S = 2.0
_STEADY_NS = 60 * NS_PER_S  # after so long a process counts as one that works
_RETRY = RetryPolicy(first_s=1.0, longest_s=60.0)

Answer = Callable[[bytes, Callable[[str], None]], None]  # acts on a command (JSON), and tells what is wrong with it


class _EndedError(Exception):  # not an error of ours: why a page's process is to be replaced
    """A page's process is of no use any more; the text says why."""


@dataclass
class _Kept:
    """An item as it is sent, and sent again to the next process; `number` is a new one whenever it changes."""

    number: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)
    review: Mapping[str, Any] | None = None
    picture: bytes = b""
    sent: bool = False

    def encoded(self) -> msgspec.Raw:
        """The fields as JSON."""
        return msgspec.Raw(msgspec.json.encode({"number": self.number, **self.fields, "review": self.review}))


class PageLink:
    """Keeps a page's process running and informed until `stop`.

    Args:
        sources: hears the loop; composes what is told.
        health: is told how the page fares.
        clock: times it all.
        start: starts a process that knows its order.
        items: how many recent ones are kept.
        answer: acts on the page's commands; called in the link's thread, and must not block.
    """

    def __init__(
        self,
        sources: tuple[PageListener, Composer],
        health: Health,
        clock: Clock,
        start: Callable[[], PageProcess],
        items: int,
        answer: Answer | None = None,
    ) -> None:
        self._listener, self._composer = sources
        self._health = health
        self._clock = clock
        self._answer = answer
        self._start = start
        self._items: OrderedDict[str, _Kept] = OrderedDict()
        self._replies: deque[tuple[int, str]] = deque(maxlen=_HEARD_AT_ONCE)
        self._changes = self._live = self._starts = self._failures = 0
        self._most = items
        self._stopping = self._renewed = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._listener.wake = self._ring
        self._thread = self._new_thread()

    def start(self) -> None:
        """Start the thread, and with it the page's process."""
        self._health.watch(self.revive)
        self._thread.start()

    def renew(self, start: Callable[[], PageProcess]) -> None:
        """Have a process with another order take this one's place; items and browsers go over. For any thread."""
        self._start = start
        self._renewed = True
        self._ring()

    def revive(self) -> None:
        """Note that the loop went round, and start the thread again if it ended. For the loop's thread."""
        self._listener.beat()
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping:
            self._thread = self._new_thread()
            self._thread.start()

    def stop(self) -> None:
        """End the process and the thread, within two seconds."""
        self._stopping = True
        self._ring()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
        if not self._thread.is_alive():
            self._listener.wake = lambda: None
            wake, self._wake = self._wake, -1  # whoever rings now must not reach what gets its number
            os.close(wake)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            os.eventfd_write(self._wake, 1)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="page", daemon=True)

    def _run(self) -> None:
        while not self._stopping:
            started_ns = self._clock.now_ns()
            try:
                self._serve()
                continue
            except _EndedError as ended:
                why = str(ended)
            except Exception as error:  # noqa: BLE001 - whatever happens here, the station goes on and the page comes back
                why = f"internal error: {error!r}, please report it"
            if self._clock.now_ns() - started_ns > _STEADY_NS:
                self._failures = 0
            self._failures += 1
            wait_s = _RETRY.after(self._failures)
            text = f"{visible(why)}; it is started again in {wait_s:g} s"
            self._health.set(Condition(PAGE, Level.WARN, text))
            self._pause(wait_s)

    def _pause(self, seconds: float) -> None:
        until_ns = self._clock.now_ns() + round(seconds * NS_PER_S)
        while not self._stopping and (left_ns := until_ns - self._clock.now_ns()) > 0:
            select.select([self._wake], [], [], min(1.0, left_ns / NS_PER_S))
            self._quiet()
            self._keep_items()

    def _serve(self) -> None:
        """Start a process and serve it until the station stops; raises _EndedError if it is to be replaced."""
        self._starts += 1
        self._renewed = False
        try:
            process = self._start()
        except OSError as error:
            raise _EndedError(f"its process cannot be started ({error.strerror})") from error
        self._replies.clear()
        for kept in self._items.values():
            kept.sent = False
        poll = select.poll()
        for handle in (self._wake, process.socket.fileno(), process.stderr):
            poll.register(handle, select.POLLIN)
        try:
            self._tell_and_hear(process, poll)
        except (OSError, InvalidPacketError) as error:
            if not isinstance(error, InvalidPacketError):
                self._hear(process)  # what it said before it went
            process.kill()
            raise _EndedError(f"its process {process.last_words() or error}") from error
        finally:
            process.close()

    def _tell_and_hear(self, process: PageProcess, poll: select.poll) -> None:
        heard_ns, state_ns = self._clock.now_ns() + _START_NS - _SILENCE_NS, -_STATE_NS
        while not (self._stopping or self._renewed):
            ready = dict(poll.poll(max(0, (state_ns + _STATE_NS - self._clock.now_ns()) / 1e6)))
            self._quiet()
            if process.stderr in ready and not process.listen():
                poll.unregister(process.stderr)
            if process.socket.fileno() in ready:
                self._hear(process)
                heard_ns = self._clock.now_ns()
            self._keep_items()
            self._tell_items(process)
            self._tell_replies(process)
            self._tell_live(process)
            now_ns = self._clock.now_ns()
            if now_ns - state_ns >= _STATE_NS:
                state_ns = now_ns
                send(process.socket, Told(kind="state"), self._composer.state(self._starts))
            if now_ns - heard_ns > _SILENCE_NS:
                process.kill()
                raise _EndedError(f"its process gave no sign of life for {_SILENCE_NS / NS_PER_S:g} s and was killed")

    def _quiet(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    def _hear(self, process: PageProcess) -> None:
        for _ in range(_HEARD_AT_ONCE):
            try:
                heard = receive_heard(process.socket)
            except BlockingIOError:
                return
            if heard is None:
                raise _EndedError(f"its process {process.last_words()}")
            self._act(process, heard)

    def _act(self, process: PageProcess, heard: Heard) -> None:
        match heard.kind:
            case "alive":
                pass
            case "listening":
                self._health.set(Condition(PAGE, Level.OK, visible(heard.text)))
            case "failed":
                process.kill()
                raise _EndedError(heard.text[:300])
            case "watching":
                self._listener.watched_until_ns = self._clock.now_ns() + _WATCHED_NS
            case "command":
                if self._answer is None:
                    self._reply(heard.number, "this station takes no answers; see [answers]")
                else:
                    self._answer(bytes(heard.fields), partial(self._reply, heard.number))

    def _reply(self, number: int, wrong: str) -> None:
        """Have a command replied to; any thread."""
        self._replies.append((number, wrong))
        self._ring()

    def _tell_replies(self, process: PageProcess) -> None:
        while self._replies:
            number, wrong = self._replies.popleft()
            fields = msgspec.Raw(msgspec.json.encode({"wrong": wrong}))
            send(process.socket, Told(kind="reply", number=number, fields=fields))

    def _keep_items(self) -> None:
        for change in self._listener.take_changes():
            item_id = change.item_id if isinstance(change, Review) else change.event.id
            if item_id not in self._items and isinstance(change, Review) and not change.fields["open"]:
                continue  # an item that is shown no more
            kept = self._items.setdefault(item_id, _Kept())
            self._changes += 1
            kept.number, kept.sent = self._changes, False
            if isinstance(change, Review):
                kept.review = change.fields
                kept.fields = kept.fields or {"time_utc": change.time_utc, "id": item_id, **change.record}
            else:
                kept.fields, kept.picture = item_fields(change), item_picture(change)
        while len(self._items) > self._most:
            self._items.popitem(last=False)

    def _tell_items(self, process: PageProcess) -> None:
        """Send what the process has not had, in order; what does not fit into its socket comes at the next turn."""
        for kept in self._items.values():
            if not kept.sent:
                told = Told(kind="item", number=kept.number, fields=kept.encoded())
                kept.sent = send(process.socket, told, kept.picture)
                if not kept.sent:
                    return

    def _tell_live(self, process: PageProcess) -> None:
        live = self._listener.take_live()
        if live is not None:
            self._live += 1
            told = Told(kind="live", number=self._live, fields=msgspec.Raw(live_fields(live)))
            send(process.socket, told, live_picture(live))
