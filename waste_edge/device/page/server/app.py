"""Addresses of the page: HTML, state, live picture, crops, uploads, health, metrics."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from waste_edge.device.page.packets import PageOrder, Shows
from waste_edge.device.page.server.auth import Door, HostNames
from waste_edge.device.page.server.classifying import ClassifierProcess
from waste_edge.device.page.server.guard import LOGIN, Guard
from waste_edge.device.page.server.metrics import CONTENT_TYPE, render
from waste_edge.device.page.server.mirror import Mirror, StationSocket
from waste_edge.device.page.server.uploads import UploadError, received
from waste_edge.device.page.state import StationState
from waste_edge.device.system.condition import Level
from waste_edge.files.limits import MAX_LABEL_LETTERS, MAX_PAGE_COMMAND_BYTES
from waste_edge.files.resources import PAGE_FILES

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_LIVE_PATIENCE_S = 2.0
_STALE_S = 5.0  # a state that is older than this is not the station's state any more
_SILENT_S = 10.0  # the loop goes round ten times a second, whatever the camera does
_JSON = "application/json"


@dataclass(frozen=True)
class Parts:
    """The parts that the addresses need."""

    mirror: Mirror
    station: StationSocket
    door: Door
    classifier: ClassifierProcess | None


class Page:
    """Handlers of the page's addresses."""

    def __init__(self, parts: Parts, shows: Shows = "station") -> None:
        """Read the page's own files; afterwards no path of a request leads to any file."""
        self._parts = parts
        self._shows = shows
        self._files = {path.name: path.read_bytes() for path in PAGE_FILES.iterdir() if path.suffix in _TYPES}

    @property
    def login_page(self) -> bytes:
        """The page that asks for the token."""
        return self._files["login.html"]

    def routes(self) -> list[Route]:
        """List the page's addresses; those of health and metrics are a running station's alone."""
        both = [
            Route("/", self.index),
            Route("/static/{name}", self.static),
            Route(LOGIN, self.log_in, methods=["GET", "POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
            Route("/api/state", self.state),
            Route("/live.jpg", self.live),
        ]
        if self._shows == "commission":
            return [*both, Route("/api/typed", self.typed, methods=["POST"])]
        return [
            *both,
            Route("/api/answer", self.answer, methods=["POST"]),
            Route("/crops/{item_id}.jpg", self.crop),
            Route("/classify", self.classify, methods=["POST"]),
            Route("/healthz", self.health),
            Route("/metrics", self.metrics),
        ]

    async def index(self, request: Request) -> Response:
        return self._file("page.html" if self._shows == "station" else "commission.html")

    async def static(self, request: Request) -> Response:
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        content = self._files.get(name)
        if content is None:
            raise HTTPException(404)
        kind = _TYPES[name[name.rindex(".") :]]
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    async def log_in(self, request: Request) -> Response:
        """Take the token from the form of the page that asks for it."""
        door, address = self._parts.door, request.client.host if request.client else ""
        now_s = asyncio.get_running_loop().time()
        if not door.is_locked or (request.method == "GET" and request.state.trusted):
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return Response(self.login_page, 401, media_type="text/html")
        wait_s = door.wait_s(address, now_s)
        if wait_s > 0:
            text, headers = "Too many wrong tokens: wait a minute.", {"Retry-After": f"{wait_s:.0f}"}
            return Response(self._login(text), 429, headers, media_type="text/html")
        form = parse_qs((await _small_body(request)).decode("utf-8", "replace"), max_num_fields=4)
        if not door.opens(form.get("token", [""])[0].strip(), address, now_s):
            return Response(self._login("This is not the token."), 401, media_type="text/html")
        return RedirectResponse("/", 303, {"Set-Cookie": door.cookie})

    def _login(self, why: str) -> bytes:
        return self.login_page.replace(b"<!-- why -->", why.encode())

    async def log_out(self, request: Request) -> Response:
        return RedirectResponse(LOGIN, 303, {"Set-Cookie": self._parts.door.no_cookie})

    async def state(self, request: Request) -> Response:
        """The state, and the items after number `after`."""
        mirror = self._parts.mirror
        items = [msgspec.Raw(item.fields) for item in mirror.items(_number(request))]
        stale_s = asyncio.get_running_loop().time() - mirror.state_s
        document = {
            "state": msgspec.Raw(mirror.state) if mirror.state else None,
            "stale_s": round(stale_s, 1) if mirror.state else None,
            "items": items,
            "takes_pictures": self._parts.classifier is not None,
            "locked": self._parts.door.is_locked,
        }
        return Response(msgspec.json.encode(document), media_type=_JSON)

    async def live(self, request: Request) -> Response:
        """The newest live picture, as soon as its number is not `after`; its description is a header."""
        self._parts.station.watch()
        live = await self._parts.mirror.newer_live(_number(request), _LIVE_PATIENCE_S)
        if live is None:
            return Response(status_code=204)
        described = json.dumps(json.loads(live.fields))  # in ASCII, as a header must be
        headers = {"X-Live": described, "X-Number": str(live.number)}
        return Response(live.picture, media_type="image/jpeg", headers=headers)

    async def crop(self, request: Request) -> Response:
        item = self._parts.mirror.item(request.path_params["item_id"])
        if item is None or not item.picture:
            raise HTTPException(404)
        return Response(item.picture, media_type="image/jpeg")

    async def answer(self, request: Request) -> Response:
        """Pass a person's answer or correction on to the station."""
        return await self._commanded(request, Answer)

    async def typed(self, request: Request) -> Response:
        """Pass on to a commissioning what a button stands for: what a person would type in the terminal."""
        return await self._commanded(request, Typed)

    async def _commanded(self, request: Request, kind: type[Answer | Typed]) -> Response:
        body = await _small_body(request)
        try:
            fields = msgspec.json.encode(msgspec.json.decode(body, type=kind))
        except (msgspec.DecodeError, ValueError) as error:
            raise HTTPException(400, str(error)) from error
        wrong = await self._parts.station.command(fields)
        return JSONResponse({"wrong": wrong}, 409 if wrong else 200)

    async def classify(self, request: Request) -> Response:
        """Classify a picture that is sent as the body, or as a file of a form."""
        classifier = self._parts.classifier
        if classifier is None:
            raise HTTPException(404, "this station classifies no uploads")
        if classifier.is_full:
            headers = {"Retry-After": "3", "Connection": "close"}
            raise HTTPException(503, "other pictures are being looked at; try again in a moment", headers)
        with classifier.place():
            async with received(request) as upload:
                status, answer = await classifier.classify(upload)
        return Response(answer, status, media_type=_JSON)

    async def health(self, request: Request) -> Response:
        """Answer 200 while the station works, else 503; the parts are named to those who may see them."""
        state = self._state()
        status, text = _verdict(state)
        document: dict[str, object] = {"status": status, "text": text if request.state.trusted else ""}
        if state is not None and request.state.trusted:
            document["conditions"] = state.health
        return Response(msgspec.json.encode(document), 503 if status == Level.BAD else 200, media_type=_JSON)

    async def metrics(self, request: Request) -> Response:
        return Response(render(self._state()), headers={"Content-Type": CONTENT_TYPE})

    def _state(self) -> StationState | None:
        mirror = self._parts.mirror
        if not mirror.state or asyncio.get_running_loop().time() - mirror.state_s > _STALE_S:
            return None
        return msgspec.json.decode(mirror.state, type=StationState)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's answer: the item's id, and a label or a stream of the site."""

    id: str
    answer: str

    def __post_init__(self) -> None:
        if not 0 < len(self.id) <= 64 or not 0 < len(self.answer) <= MAX_LABEL_LETTERS:
            raise ValueError("expected an item's id, and a label or a stream")


class Typed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that a person could have typed in a commissioning's terminal."""

    typed: str

    def __post_init__(self) -> None:
        if not 0 < len(self.typed) <= MAX_LABEL_LETTERS or not self.typed.isprintable():
            raise ValueError("expected one line: a label, or one of the letters of the help")


def make_app(order: PageOrder, parts: Parts) -> Guard:
    """Build the page as an ASGI application."""
    page = Page(parts, order.shows)
    names = HostNames([*order.names, order.host])
    inner = Starlette(routes=page.routes(), exception_handlers={HTTPException: _in_json, UploadError: _in_json})
    inner.router.redirect_slashes = False  # an address is one, or is not
    return Guard(inner, parts.door, names, page.login_page)


async def _in_json(request: Request, error: Exception) -> Response:
    if isinstance(error, UploadError):
        # What was not read of the upload is not waited for.
        return JSONResponse({"error": str(error)}, error.status, {"Connection": "close"})
    assert isinstance(error, HTTPException)
    text = error.detail or HTTPStatus(error.status_code).phrase
    return JSONResponse({"error": text}, error.status_code, error.headers)


async def _small_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_PAGE_COMMAND_BYTES // 2:
            raise HTTPException(413, headers={"Connection": "close"})
    return body


def _number(request: Request) -> int:
    given = request.query_params.get("after", "0")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 16 else 0


def _verdict(state: StationState | None) -> tuple[Level, str]:
    """The station in one level, and why."""
    if state is None:
        return Level.BAD, "the station has not said how it fares"
    if state.speed.silence_s > _SILENT_S:
        return Level.BAD, f"the loop has not gone round for {state.speed.silence_s:.0f} s"
    for level in (Level.BAD, Level.WARN):
        found = [f"{one.part}: {one.text}" for one in state.health if one.level is level]
        if found:
            return level, "; ".join(found)
    return Level.OK, "well"
