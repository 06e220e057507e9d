"""The page's door: its token, the cookie that stands for it, and how often a wrong token may be tried."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from collections import OrderedDict, deque
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie

from waste_edge.files.limits import MAX_PAGE_WRONG_TOKENS

_WINDOW_S = 60.0
_MOST_ADDRESSES = 1024  # whose wrong tries are remembered
_MOST_LETTERS = 512  # of what is compared
COOKIE_DAYS = 90


class Door:
    """A page's token. Without one the door is open to everybody who reaches the page.

    The cookie is a keyed hash of the token: it is worth nothing once the token is changed, and does not tell it.
    """

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"waste-edge page", hashlib.sha256).hexdigest()
        self._name = f"waste_edge_{port}"  # cookies do not tell ports apart
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def is_locked(self) -> bool:
        """Return whether a token is asked for."""
        return bool(self._token)

    @property
    def cookie(self) -> str:
        """The `Set-Cookie` header for a visitor who has shown the token."""
        return f"{self._name}={self._cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={COOKIE_DAYS * 86_400}"

    @property
    def no_cookie(self) -> str:
        """The `Set-Cookie` header that takes the cookie away."""
        return f"{self._name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"

    def knows(self, cookies: str) -> bool:
        """Return whether a `Cookie` header holds ours."""
        if not self._token or len(cookies) > 8 * _MOST_LETTERS:
            return False
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(cookies)
        except CookieError:
            return False
        found = jar.get(self._name)
        return found is not None and _equal(found.value, self._cookie.encode())

    def opens(self, token: str, address: str, now_s: float) -> bool:
        """Return whether this is the token; a wrong one is counted against the address."""
        if self._token and _equal(token, self._token):
            return True
        tries = self._wrong.setdefault(_group(address), deque(maxlen=MAX_PAGE_WRONG_TOKENS))
        tries.append(now_s)
        self._wrong.move_to_end(_group(address))
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        return False

    def wait_s(self, address: str, now_s: float) -> float:
        """Seconds until this address may try a token again; 0 if it may now."""
        tries = self._wrong.get(_group(address))
        if tries is None or len(tries) < MAX_PAGE_WRONG_TOKENS:
            return 0.0
        return max(0.0, tries[0] + _WINDOW_S - now_s)


class HostNames:
    """Names that the page may be asked by. A name of somebody else's is an attack that rebinds it to our address.

    Args:
        names: configured ones, and the host that the page listens at.
    """

    def __init__(self, names: Sequence[str]) -> None:
        own = socket.gethostname().partition(".")[0]
        known = ["localhost", own, f"{own}.local", socket.gethostname(), *names]
        self._names = {name.lower().rstrip(".") for name in known}

    def has(self, host: str) -> bool:
        """Return whether a `Host` header names this page: one of the names, or any address."""
        name = host.lower()
        if name.startswith("["):
            name, closed, port = name[1:].partition("]")
            return bool(closed) and _is_address(name) and (not port or port[1:].isdecimal())
        name, _, port = name.partition(":")
        return (not port or port.isdecimal()) and (name.rstrip(".") in self._names or _is_address(name))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _equal(given: str, known: bytes) -> bool:
    """Compare in a time that depends on neither."""
    return hmac.compare_digest(hashlib.sha256(given[:_MOST_LETTERS].encode()).digest(), hashlib.sha256(known).digest())


def _group(address: str) -> str:
    """The address whose tries are counted together: of IPv6 the network, which one visitor has to himself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
