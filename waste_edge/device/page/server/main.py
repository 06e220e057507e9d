"""The page's process.

    python -m waste_edge.device.page.server.main SOCKET PARENT_PID

The first packet on the socket is its order (`packets.PageOrder`). Before anything of the web's is imported it gives up
what it does not need (`cameras/process/sandbox.py`): it reads no secrets and no events, and writes nothing. It ends
with its station.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
import sys

import msgspec

from waste_edge.device.capture.child import die_with_parent
from waste_edge.device.page.config import PageConfig
from waste_edge.device.page.packets import Heard, PageOrder, send
from waste_edge.files.limits import MAX_PAGE_PACKET_BYTES

_NICE = 5  # the loop comes first
_MEMORY_BYTES = 256 << 20  # a leak ends this process, not the board; it needs a fifth
_BACKLOG = 64


def main(words: list[str]) -> int:
    """See the module; returns the exit code."""
    handle, parent = map(int, words)
    die_with_parent(parent)
    stream = socket.socket(fileno=handle)
    packet = stream.recv(MAX_PAGE_PACKET_BYTES)
    if not packet:
        return 0
    order = msgspec.json.decode(packet, type=PageOrder)
    del packet
    with contextlib.suppress(OSError):  # where a service's unit of before does not let it
        os.nice(_NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, hard))
    from waste_edge.device.cameras.process.sandbox import confine

    confine(order.hidden, order.shown, network=True, programs=order.model is not None)
    try:
        listening = _listen(order)
    except OSError as error:
        why = f"port {order.port} of {order.host} cannot be listened at ({_reason(error)}): {_remedy(error)}"
        send(stream, Heard(kind="failed", text=why))
        return 0
    asyncio.run(_serve(order, stream, listening))
    return 0


def _listen(order: PageOrder) -> socket.socket:
    """A socket that listens at the page's address; raises OSError if it cannot be had."""
    host = "127.0.0.1" if order.host == "localhost" else order.host
    family, _, _, _, address = socket.getaddrinfo(host, order.port, type=socket.SOCK_STREAM)[0]
    both = family is socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both)


def _reason(error: OSError) -> str:
    """The kernel's words alone; Python adds the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)


def _remedy(error: OSError) -> str:
    import errno

    match error.errno:
        case errno.EADDRINUSE:
            return "another program has it; give [page] another port"
        case errno.EACCES:
            return "ports below 1024 are root's; give [page] another port"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address; see `host` in [page]"
    return "see `host` and `port` in [page]"


async def _serve(order: PageOrder, stream: socket.socket, listening: socket.socket) -> None:
    import uvicorn

    from waste_edge.device.page.server.app import Parts, make_app
    from waste_edge.device.page.server.auth import Door
    from waste_edge.device.page.server.classifying import ClassifierProcess
    from waste_edge.device.page.server.connections import BoundedProtocol, sweep
    from waste_edge.device.page.server.mirror import Mirror, StationSocket
    from waste_edge.files.limits import MAX_PAGE_HEADER_BYTES, PAGE_HEADER_S

    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # a warning for each odd request would be for its sender
    mirror = Mirror(order.items)
    station = StationSocket(stream, mirror)
    classifier = None if order.model is None else ClassifierProcess(order.model)
    config = uvicorn.Config(
        make_app(order, Parts(mirror, station, Door(order.token, order.port), classifier)),
        http=BoundedProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=MAX_PAGE_HEADER_BYTES,
        timeout_keep_alive=int(PAGE_HEADER_S),
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)

    def end() -> None:
        server.should_exit = True

    tasks = [asyncio.create_task(station.listen(end)), asyncio.create_task(sweep(server.server_state.connections))]
    where = PageConfig(host=order.host, port=order.port)
    station.say("listening", f"at {where.address}" + ("" if where.is_local else ", open to other machines, by token"))
    await server.serve(sockets=[listening])
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # a client that hangs is not waited for
