"""Bounds on connections: how many, how long a request's header may take, and how long its answer.

A browser that opens the page while hundreds of slow clients hold on gets the place of the one that waited longest.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from waste_edge.files.limits import MAX_PAGE_CONNECTIONS, PAGE_HEADER_S, PAGE_REQUEST_S

_SWEEP_S = 0.5


class BoundedProtocol(H11Protocol):
    """One connection of a browser or program."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; at the bound, another one that is only held open goes."""
        super().connection_made(transport)
        self.since_s = self.loop.time()
        if len(self.connections) <= MAX_PAGE_CONNECTIONS:
            return
        idle = [one for one in self.connections if isinstance(one, BoundedProtocol) and not one.is_busy]
        min(idle or [self], key=lambda one: one.since_s).transport.abort()

    @property
    def is_busy(self) -> bool:
        """Return whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def handle_events(self) -> None:
        """See `H11Protocol`; a request that has begun to be answered is timed from now."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self.since_s = self.loop.time()

    def on_response_complete(self) -> None:
        """See `H11Protocol`."""
        self.since_s = self.loop.time()
        super().on_response_complete()

    def is_overdue(self, now_s: float) -> bool:
        """Return whether the client, or the answer, takes too long."""
        return now_s - self.since_s > (PAGE_REQUEST_S if self.is_busy else PAGE_HEADER_S)


async def sweep(connections: set[Any]) -> None:
    """End overdue connections, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_S)
        for one in list(connections):
            if isinstance(one, BoundedProtocol) and one.is_overdue(loop.time()):
                with contextlib.suppress(Exception):  # it may be ending just now
                    one.transport.abort()
