"""Why a network camera gives no video: asked of the camera itself, since FFmpeg says only that nothing came."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_WAIT_S = 3.0
_MOST_BYTES = 1 << 16  # of an answer's head
_WORDS = {
    401: "the camera wants a user and a password (401); write them as USER:PASSWORD@ before its name",
    403: "the camera forbids it (403); check what this user may see",
    404: "there is no such stream (404); check the path",
}
_FIELD = re.compile(r"""(\w+)=(?:"([^"]*)"|([^,\s]+))""")


def refusal(url: str) -> str:
    """What an RTSP or HTTP camera answers to a polite question, in words; empty if it answers well, or not at all.

    Asked without a password first, and with it where that is wanted, by Basic or Digest authentication (RFC 7617,
    RFC 7616 with MD5).
    """
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() not in _PORTS or not parts.hostname:
            return ""
        status, challenge = _ask(parts, "")
        if status == 401 and parts.username is not None:
            status, _ = _ask(parts, _credentials(parts, challenge))
            if status == 401:
                return "the camera refuses this user or password (401); check both"
    except (OSError, ValueError):
        return ""
    return _WORDS.get(status, "")


def _ask(parts: SplitResult, authorization: str) -> tuple[int, str]:
    """The status of the camera's answer (0: none), and how it wants to be told a password."""
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    request = f"{_method(parts)} {_target(parts)} {'RTSP/1.0' if 'rtsp' in scheme else 'HTTP/1.0'}\r\n"
    request += f"CSeq: 1\r\nHost: {host}\r\nAccept: */*\r\nUser-Agent: waste-edge\r\n"
    request += f"Authorization: {authorization}\r\n\r\n" if authorization else "\r\n"
    with socket.create_connection((host, parts.port or _PORTS[scheme]), _WAIT_S) as plain:
        stream: socket.socket = plain
        if scheme in ("rtsps", "https"):
            context = ssl.create_default_context()
            context.check_hostname = False  # as FFmpeg does it: cameras sign their certificates themselves
            context.verify_mode = ssl.CERT_NONE
            stream = context.wrap_socket(plain, server_hostname=host)
        stream.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _MOST_BYTES and (chunk := stream.recv(4096)):
            head += chunk
    text = head.decode("latin-1")
    found = re.match(r"(?:RTSP|HTTP)/\d\.\d (\d{3})", text)
    challenges = re.findall(r"(?im)^WWW-Authenticate:\s*(.*?)\s*$", text)
    digest = [one for one in challenges if one.lower().startswith("digest")]
    return int(found[1]) if found else 0, next(iter([*digest, *challenges]), "")


def _method(parts: SplitResult) -> str:
    return "DESCRIBE" if parts.scheme.lower().startswith("rtsp") else "GET"


def _target(parts: SplitResult) -> str:
    """The address without its password; for HTTP the path alone."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if _method(parts) == "GET":
        return path
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}{path}"


def _credentials(parts: SplitResult, challenge: str) -> str:
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not challenge.lower().startswith("digest"):
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    given = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(challenge)}
    realm, nonce, uri = given.get("realm", ""), given.get("nonce", ""), _target(parts)
    first, second = _md5(f"{user}:{realm}:{password}"), _md5(f"{_method(parts)}:{uri}")
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    if "auth" in given.get("qop", ""):
        fields |= {"qop": "auth", "nc": "00000001", "cnonce": "waste-edge"}
        fields["response"] = _md5(f"{first}:{nonce}:00000001:waste-edge:auth:{second}")
    else:
        fields["response"] = _md5(f"{first}:{nonce}:{second}")
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
