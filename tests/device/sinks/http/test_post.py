"""Targets of requests; what comes of a request is in test_webhook.py."""

from __future__ import annotations

from waste_edge.device.sinks.http.post import Target
from waste_edge.device.sinks.webhook import WebhookConfig


def test_the_target_of_a_table():
    target = Target.of("webhook", WebhookConfig(url="https://example.org"))
    assert (target.host, target.port, target.path, target.where) == (
        "example.org", 443, "/", "https://example.org:443"
    )  # fmt: skip
