"""Signatures of webhooks as https://www.standardwebhooks.com has them: HMAC-SHA256 over id, time and body.

Their libraries, for a dozen languages, verify them; they refuse a message that is more than five minutes off.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from waste_edge.errors import ConfigError

PREFIX = "whsec_"
_KEY_BYTES = (24, 64)


def signing_key(secret: str, table: str) -> bytes:
    """The key in a secret.

    Raises:
        ConfigError: it is not `whsec_` and 24 to 64 bytes in base64.
    """
    remedy = "make one with: echo whsec_$(openssl rand -base64 32)"
    if not secret.startswith(PREFIX):
        raise ConfigError(f"{table}: a secret begins with {PREFIX}; {remedy}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"{table}: behind {PREFIX} a secret is base64; {remedy}") from error
    if not _KEY_BYTES[0] <= len(key) <= _KEY_BYTES[1]:
        raise ConfigError(f"{table}: a secret has {_KEY_BYTES[0]} to {_KEY_BYTES[1]} bytes, got {len(key)}; {remedy}")
    return key


def signature_headers(key: bytes, message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` of a message.

    Args:
        key: the secret's bytes.
        message_id: the same for every attempt to deliver this message; holds no full stop.
        time_s: seconds since 1970 of this attempt.
        body: as it is sent.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), time_s, body)
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(time_s), "webhook-signature": f"v1,{digest}"}
