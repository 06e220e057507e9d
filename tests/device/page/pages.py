"""A real page's process, told by the test what a station would tell it."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from tests.device.telling import make_event
from waste_edge.device.page.packets import Heard, ModelOrder, PageOrder, Told, receive_heard, send
from waste_edge.device.page.process import PageProcess
from waste_edge.device.page.snapshot import as_jpeg
from waste_edge.device.page.state import (
    BoardView,
    CameraView,
    Day,
    DecisionTimes,
    RunDescription,
    Speed,
    StationState,
    Total,
)
from waste_edge.device.system.condition import Condition, Level

TOKEN = "0123456789abcdef0123456789abcdef"
PLACES = ("glass", "paper", "plastic", "residual")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def make_state(**changes: Any) -> StationState:
    """A station at which all is well."""
    state = StationState(
        station="bin 1",
        version="0.1.0",
        time_utc="2026-03-01T14:02:00.000Z",
        started_utc="2026-03-01T08:00:00.000Z",
        run=RunDescription(
            source="auto",
            bundle="accurate 3",
            artifact="tflite-int8",
            engine="LiteRT 2.3.0",
            site="four bins",
            labels=("glass", "paper", "plastic"),
            streams={"glass": "glass", "paper": "paper", "plastic": "plastic"},
            residual="residual",
        ),
        places=PLACES,
        camera=CameraView(state="ok", title="USB camera /dev/video0"),
        scene="empty",
        speed=Speed(
            fps=14.9, frames=324_120, dropped_frames=12, answers=1404, latency_p50_ms=42.1, latency_p95_ms=55.0
        ),
        totals=(Total(stream="paper", action="sort", count=12), Total(stream="ask", action="ask", count=2)),
        unknown=1,
        decision=DecisionTimes(buckets=(0, 1, 5, 6, 2, 0, 0, 0, 0, 0), sum_s=17.5),
        days=(
            Day(day="2026-03-01", items=14, streams={"paper": 12, "ask": 2}, actions={"sort": 12, "ask": 2}),
            Day(day="2026-02-28", items=3, streams={"glass": 3}, actions={"sort": 3}),
        ),
        health=(Condition("camera", Level.OK, "looking at USB camera"), Condition("disk", Level.OK, "9 GB free")),
        sinks={"mqtt": 4},
        board=BoardView(
            model="Raspberry Pi 5 Model B Rev 1.0",
            temperature_c=51.5,
            throttled={"under_voltage": False, "throttled": False},
            throttled_since_boot={"under_voltage": True, "throttled": False},
            available_mb=1200.0,
            disk_free_mb=9000.0,
        ),
    )
    return msgspec.structs.replace(state, **changes)


class FedPage:
    """A page's process with its socket in the test's hand."""

    def __init__(self, process: PageProcess, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.heard: list[Heard] = []

    def tell_state(self, **changes: Any) -> None:
        assert send(self.process.socket, Told(kind="state"), msgspec.json.encode(make_state(**changes)))

    def tell_item(self, number: int, stream: str = "paper", picture: bytes | None = None, **fields: Any) -> str:
        """Tell of an item; `fields` are its decision's, and those in `_top` its own."""
        event = make_event(number, stream)
        told: dict[str, Any] = json.loads(msgspec.json.encode(event))
        told |= {"number": number, "time_utc": "2026-03-01T14:01:30.000Z"} | fields.pop("_top", {})
        told["decision"] |= fields
        raw = msgspec.Raw(json.dumps(told).encode())
        crop = as_jpeg(np.full((64, 64, 3), (40 * number) % 255, np.uint8), 64, 80) if picture is None else picture
        assert send(self.process.socket, Told(kind="item", number=told["number"], fields=raw), crop)
        return event.id

    def tell_live(self, number: int, picture: bytes, **fields: Any) -> None:
        described = {"scene": "empty", "fault": None, "width_px": 640, "height_px": 480, "item_box": None}
        described |= {"visibility": None, "label": None, "confidence": None} | fields
        raw = msgspec.Raw(json.dumps(described).encode())
        assert send(self.process.socket, Told(kind="live", number=number, fields=raw), picture)

    def hear(self, kind: str, within_s: float = 180.0) -> Heard:
        """Wait for the next packet of this kind."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            try:
                heard = receive_heard(self.process.socket)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            assert heard is not None, self.process.last_words()
            self.heard.append(heard)
            if heard.kind == kind:
                return heard
        raise AssertionError(f"no {kind} within {within_s} s; heard {self.heard}")

    def get(self, path: str, **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body of a GET; no redirect is followed."""
        request = urllib.request.Request(self.url + path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return _answered(request)

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, Any, bytes]:
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return _answered(urllib.request.Request(self.url + path, body, named, method="POST"))

    def memory_mb(self) -> float:
        """What the page's process has in memory at most, so far."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _answered(request: urllib.request.Request) -> tuple[int, Any, bytes]:
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@contextlib.contextmanager
def fed_page(token: str = "", items: int = 50, model: ModelOrder | None = None, **changes: Any) -> Iterator[FedPage]:
    """A page that listens, at which nothing has been told yet."""
    port = free_port()
    order = PageOrder(
        host="127.0.0.1",
        port=port,
        token=token,
        names=["bin1.example.org"],
        hidden=[],
        shown=[],
        items=items,
        model=model,
    )
    page = FedPage(PageProcess(msgspec.structs.replace(order, **changes)), port)
    try:
        page.hear("listening")
        yield page
    finally:
        page.process.close()
