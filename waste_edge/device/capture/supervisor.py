"""Capture in a process of its own, which may hang and may be killed.

One thread does it all, the one that calls `take`: it starts the capture process, hears its news, takes the newest
frame out of the shared memory, and replaces a process that died, wrote garbage or fell silent. Nothing in here waits
for a camera, and nothing but `take`'s own timeout for anything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from waste_edge.device.cameras.camera import Candidate, Source
from waste_edge.device.cameras.openers import KINDS
from waste_edge.device.capture.link import ChildLink, ChildMessage, InvalidMessageError, start_child
from waste_edge.device.capture.messages import Absent, BadPicture, Ended, Failed, Message, Messages, Opened
from waste_edge.device.clock import NS_PER_S, Clock, RetryPolicy
from waste_edge.errors import CameraError

if TYPE_CHECKING:  # nothing here waits for numpy and OpenCV before the capture process has been started
    from waste_edge.imaging.frames import Frame

MAX_ABANDONED = 3  # processes that could not be killed; each holds its memory, and most likely the camera
_REAPING_S = 1.0  # a killed process that is still there after so long hangs in the kernel
_POLITE_S = 0.4  # at the end: to give the camera back and go, before it is killed
_TICK_S = 0.05  # how often a killed process is looked after


@dataclass(frozen=True)
class Timeouts:
    """Longest silences of a capture process, in seconds, before it is taken for hung and killed.

    Attributes:
        start_s: importing numpy and the camera's library, from a slow card at boot, with everybody else starting too.
        open_s: a network camera may take 3 s to answer and 3 s to its first frame; a Pi's first start takes 2 to 5 s.
            One that can be opened again is in use 10 s later, even if the attempt before has just begun to hang.
        read_s: one second more than the 3 s after which the drivers' own limits should have told.
    """

    start_s: float = 20.0
    open_s: float = 6.5
    read_s: float = 4.0


@dataclass
class _Leaving:
    """A process that was told to end, and since when."""

    link: ChildLink
    since_ns: int
    killed: bool
    told: bool = False  # that it cannot be killed


class ProcessCapture:
    """Reads a source in a capture process until it ends, fails, or `close` is called; see `Messages`.

    The camera that was opened first stays: if it is lost, that very one is waited for, and no other takes its place
    under way, since another one sees another scene.

    To be created and used by one thread that lives as long: the kernel ends a child with the thread that started it.

    Args:
        source: what to open; has candidates.
        clock: times silences and attempts.
        patience: for sources that come and go; None: their first absence ends it all with `Failed`.
        silence: see there.
        start: starts a capture process.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        patience: RetryPolicy | None,
        silence: Timeouts | None = None,
        start: Callable[[Candidate], ChildLink] = start_child,
    ) -> None:
        self._source = source
        self._clock = clock
        self._patience = patience if source.live else None
        self._silence = silence or Timeouts()
        self._start = start
        self._messages: deque[Message] = deque()
        self._leaving: list[_Leaving] = []
        self._link: ChildLink | None = None
        self._over = False
        self._frame_waits = False
        self._failures = 0
        self._dropped = 0  # by processes that are gone
        self._chosen: Candidate | None = None  # the one that was opened
        self._absent: list[str] = []  # why the candidates before this one are not there
        self._next_ns = clock.now_ns()
        self._begin()

    @property
    def dropped_frames(self) -> int:
        """See `Messages`."""
        return self._dropped + (self._link.dropped_frames if self._link else 0)

    @property
    def abandoned(self) -> int:
        """See `Messages`."""
        return sum(leaving.told for leaving in self._leaving)

    def take(self, timeout_s: float) -> Message | None:
        """See `Messages.take`."""
        until_ns = self._clock.now_ns() + round(timeout_s * NS_PER_S)
        while True:
            self._look_after_leaving()
            if self._link is not None:
                self._hear(self._link)
            elif not self._over and self._clock.now_ns() >= self._next_ns:
                self._begin()
            if self._messages:
                return self._messages.popleft()
            if self._frame_waits and (frame := self._newest()) is not None:
                return frame
            left_s = (until_ns - self._clock.now_ns()) / NS_PER_S
            if left_s <= 0:
                return None
            self._wait(left_s)

    def close(self) -> None:
        """End the capture process: politely, then by force; within a second."""
        self._over = True
        if self._link is not None:
            self._dismiss(self._link, kill=False)
        self._see_off()
        for leaving in self._leaving:
            leaving.link.kill()
        self._see_off()

    def _see_off(self) -> None:
        """Wait a little for all that are to go."""
        until_ns = self._clock.now_ns() + round(_POLITE_S * NS_PER_S)
        for leaving in list(self._leaving):
            left_s = (until_ns - self._clock.now_ns()) / NS_PER_S
            if leaving.link.left(0 if leaving.told else max(0.0, left_s)):
                self._leaving.remove(leaving)

    def _begin(self) -> None:
        """Start the process of the candidate whose turn it is."""
        candidate = self._candidate
        self._limit_s, self._heard_ns = self._silence.start_s, self._clock.now_ns()
        if self.abandoned >= MAX_ABANDONED:
            self._lost(f"{self.abandoned} capture processes hang in the kernel and cannot be ended; restart the board")
            return
        try:
            self._link = self._start(candidate)
        except OSError as error:
            self._lost(f"{candidate.python}: cannot be started ({error.strerror}); check --camera-python")

    @property
    def _candidate(self) -> Candidate:
        return self._chosen or self._source.candidates[len(self._absent)]

    def _hear(self, link: ChildLink) -> None:
        """Act on all that was said, then on what should have been said by now."""
        try:
            for news in link.receive():
                self._act(link, news)
        except InvalidMessageError as error:
            self._sent_garbage(link, error)
        silent_s = (self._clock.now_ns() - self._heard_ns) / NS_PER_S
        if self._link is link and not self._frame_waits and silent_s > self._limit_s:
            self._dismiss(link)
            # The silence was the wait: with another one after it, a camera would be back too late.
            text = f"{self._source.title}: gave nothing for {self._limit_s:g} s; its process was killed"
            self._lost(text, waited=True)

    def _act(self, link: ChildLink, news: ChildMessage) -> None:
        if self._link is not link:
            return  # after its last words
        if news.kind == "frame":
            self._frame_waits = True
            return
        if self._frame_waits and (frame := self._newest()) is not None:
            self._messages.append(frame)  # it came before the news
        if self._link is not link:
            return  # what lay in the memory was garbage
        self._heard_ns = self._clock.now_ns()
        match news.kind:
            case "loaded":
                self._limit_s = self._silence.open_s
            case "opened":
                self._limit_s = self._silence.read_s
                self._choose(news)
                self._messages.append(Opened(news.text, news.identity))
            case "bad-picture":
                self._messages.append(BadPicture(news.text))
            case "ended":
                self._dismiss(link, kill=False)
                self._over = True
                self._messages.append(Ended())
            case "absent" | "failed":
                self._dismiss(link, kill=False)
                internal = "" if news.kind == "absent" else f"{self._source.title}: "
                self._lost(internal + news.text + _named(news.text))
            case "gone":
                reason = f"{self._source.title}: the capture process {link.exit_reason()}"
                self._dismiss(link)
                self._lost(reason)

    def _choose(self, news: ChildMessage) -> None:
        """From now on this camera, and no other."""
        chosen = self._candidate
        if news.again is not None and news.again[0] in KINDS:
            chosen = replace(chosen, kind=news.again[0], argument=news.again[1])
        self._chosen = chosen if self._source.live else None
        self._absent.clear()

    def _newest(self) -> Frame | None:
        """The newest frame of the process at hand, if there is one that was not taken yet."""
        self._frame_waits = False
        link = self._link
        if link is None:
            return None
        try:
            frame = link.frame()
        except InvalidMessageError as error:
            self._sent_garbage(link, error)
            return None
        if frame is not None:
            self._heard_ns, self._failures = self._clock.now_ns(), 0
        return frame

    def _sent_garbage(self, link: ChildLink, error: InvalidMessageError) -> None:
        self._dismiss(link)
        self._lost(f"{self._source.title}: the capture process wrote garbage ({error}) and was killed")

    def _dismiss(self, link: ChildLink, kill: bool = True) -> None:
        """Detach from a process, but for waiting for its end."""
        self._dropped += link.dropped_frames
        self._link, self._frame_waits = None, False
        link.hang_up()
        if kill:
            link.kill()
        self._leaving.append(_Leaving(link, self._clock.now_ns(), kill))

    def _lost(self, reason: str, waited: bool = False) -> None:
        """Handle a lost camera: try the next candidate at once, or all of them again after a while.

        Args:
            reason: why, for people.
            waited: it took so long to find out that the next attempt follows soon.
        """
        if self._chosen is None and len(self._absent) + 1 < len(self._source.candidates):
            self._absent.append(reason)
            self._begin()
            return
        reason = "; ".join([*self._absent, reason])
        self._absent.clear()
        if self._patience is None:
            self._over = True
            self._messages.append(Failed(CameraError(reason)))
            return
        self._failures += 1
        retry_s = self._patience.first_s if waited else self._patience.after(self._failures)
        self._next_ns = self._clock.now_ns() + round(retry_s * NS_PER_S)
        self._messages.append(Absent(reason, retry_s))

    def _look_after_leaving(self) -> None:
        """See processes off; one that does not go is killed, and one that cannot be killed is reported."""
        for leaving in list(self._leaving):
            now_ns = self._clock.now_ns()
            if leaving.link.left():
                self._leaving.remove(leaving)
            elif now_ns - leaving.since_ns <= _REAPING_S * NS_PER_S or leaving.told:
                continue
            elif leaving.killed:
                leaving.told = True
                self._messages.append(self._unkillable(leaving.link))
            else:
                leaving.link.kill()
                leaving.killed, leaving.since_ns = True, now_ns

    def _unkillable(self, link: ChildLink) -> Absent:
        retry_s = max(0.0, (self._next_ns - self._clock.now_ns()) / NS_PER_S)
        reason = f"{self._source.title}: capture process {link.pid} hangs in the kernel and cannot be ended; abandoned"
        return Absent(reason, retry_s)

    def _wait(self, left_s: float) -> None:
        due_ns = self._heard_ns + round(self._limit_s * NS_PER_S) if self._link else self._next_ns
        if not self._over:
            left_s = min(left_s, max(0.0, (due_ns - self._clock.now_ns()) / NS_PER_S) + 0.001)
        if any(not leaving.told for leaving in self._leaving):
            left_s = min(left_s, _TICK_S)
        if self._link is not None:
            self._link.wait(left_s)
        else:
            self._clock.sleep(left_s)


def _named(reason: str) -> str:
    """Name the program that uses a busy camera, if it can be found; the capture process itself cannot look."""
    if "another program uses it" not in reason:
        return ""
    from waste_edge.device.cameras.query import user_of_busy

    return user_of_busy(reason)


def start_capture(source: Source, clock: Clock, patience: RetryPolicy | None) -> Messages:
    """Begin to read a source: cameras, films and streams in a process of their own, pictures in a thread."""
    if source.candidates:
        return ProcessCapture(source, clock, patience)
    from waste_edge.device.capture.thread import Capture  # here: it brings the libraries that a station has not yet

    return Capture(source, clock, patience)
