"""Guard before every address of the page: who asks, from which page, by which name; and the headers of each answer."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waste_edge.device.page.server.auth import Door, HostNames

LOGIN = "/login"
_FILES = "/static/"
HEALTH = "/healthz"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_REALM = {"WWW-Authenticate": 'Bearer realm="waste-edge"'}


class Guard:
    """Lets a request through to the page, or answers it.

    Args:
        page: what is guarded.
        door: the token.
        names: by which the page may be asked.
        login: the page that asks for the token.
    """

    def __init__(self, page: ASGIApp, door: Door, names: HostNames, login: bytes) -> None:
        self._page = page
        self._door = door
        self._names = names
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        answer = self._refused(scope) or self._asked(scope) or self._page

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await answer(scope, receive, send_with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        """Refuse requests by another name, and those that another site's page makes."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._names.has(host):
            return _wrong(421, "this page is not called so; see `names` in [page]")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _wrong(405, "only GET, HEAD and POST are answered", {"Allow": "GET, HEAD, POST"})
        site, origin = headers.get("sec-fetch-site", ""), headers.get("origin")
        navigates = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if site in ("cross-site", "same-site") and not navigates:
            return _wrong(403, "another site's page asks for this")
        if scope["method"] != "POST":
            return None
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _wrong(403, "another site's page asks for this")
        if origin is None and not site and headers.get("cookie") and not headers.get("authorization"):
            return _wrong(403, "a browser names the page that it asks from; a program gives the token")
        return None

    def _asked(self, scope: Scope) -> Response | None:
        """Ask for the token, unless it was shown; decides nothing where the visitor may go on."""
        door, path, headers = self._door, scope["path"], Headers(scope=scope)
        scope["state"]["trusted"] = True
        if not door.is_locked:
            return None
        address = (scope["client"] or ("", 0))[0]
        now_s = asyncio.get_running_loop().time()
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = next((value for name, value in query if name == "token"), None)
        bearer = headers.get("authorization", "")
        if door.knows(headers.get("cookie", "")):
            return None if shown is None else self._without_token(scope, query)
        given = shown if shown is not None else bearer[7:] if bearer[:7].lower() == "bearer " else None
        scope["state"]["trusted"] = False
        if given is None:
            if path in (HEALTH, LOGIN) or path.startswith(_FILES):  # where nothing of the station is told
                return None
            return self.ask(scope)
        wait_s = door.wait_s(address, now_s)
        if wait_s > 0:
            return _wrong(429, "too many wrong tokens; wait a minute", {"Retry-After": f"{wait_s:.0f}"})
        if not door.opens(given, address, now_s):
            return self.ask(scope, "This is not the token.")
        scope["state"]["trusted"] = True
        return None if shown is None else self._without_token(scope, query)

    def ask(self, scope: Scope, why: str = "") -> Response:
        """The page that asks for the token; JSON for programs."""
        if "text/html" in Headers(scope=scope).get("accept", ""):
            page = self._login.replace(b"<!-- why -->", why.encode())
            return Response(page, 401, media_type="text/html")
        return _wrong(401, why or "give the token: Authorization: Bearer TOKEN", _REALM)

    def _without_token(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """Send a visitor whose address holds the token to the one without it, with a cookie."""
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + scope["path"].lstrip("/")  # two slashes would lead to another host
        return RedirectResponse(path + (f"?{rest}" if rest else ""), 303, {"Set-Cookie": self._door.cookie})


def _wrong(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, {"Connection": "close", **(headers or {})})
