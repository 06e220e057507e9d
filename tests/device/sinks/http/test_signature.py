"""Signatures against the vector of the specification; test_webhook.py holds them against a receiver's library."""

from __future__ import annotations

from waste_edge.device.sinks.http.signature import signature_headers, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_message_is_signed_as_the_specification_has_it():
    headers = signature_headers(
        signing_key(SECRET, "webhook"), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
