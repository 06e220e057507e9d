"""Removing secrets: every place that one was planted in, and what must stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from waste_edge.device.support.redact import REMOVED, Redactor, is_secret_name, origin_of

SECRET = "hunter2-Zz9"


@pytest.mark.parametrize(
    "planted",
    [
        f"rtsp://admin:{SECRET}@cam.local/h264",
        f"opening rtsp:/admin:{SECRET}@cam.local/h264 failed",
        f"admin:{SECRET}@192.168.1.5",
        f"http://cam.local/video?user=admin&password={SECRET}",
        f"GET /?token={SECRET} HTTP/1.1",
        f'{{"token": "{SECRET}"}}',
        f'{{"kind": "health", "text": "MQTT_PASSWORD={SECRET} is wrong"}}',
        json.dumps({"text": json.dumps({"password": SECRET})}),
        f"password = '{SECRET}'",
        f'password = """{SECRET}\nmore"""',
        f"password = {SECRET} with more words",
        f"mqtt.password: {SECRET}",
        f"# the old passphrase: {SECRET}",
        f"BROKER_PW={SECRET}",
        f"export API_KEY='{SECRET}'",
        f"Authorization: Bearer {SECRET}",
        f"Authorization: Basic {SECRET}",
        f"Cookie: session={SECRET}; other={SECRET}",
        f"X-Api-Key: {SECRET}",
        f"Bearer {SECRET}",
        f"whsec_{SECRET}",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}",
    ],
)
def test_what_has_the_form_of_a_secret_goes(planted):
    redactor = Redactor()
    shown = redactor.text(planted)
    assert SECRET not in shown
    assert redactor.count > 0


@pytest.mark.parametrize(
    "token",
    [
        "0123456789abcdef0123456789ABCDEF",
        "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.Kk2-_x",
        "ghp_0123456789abcdefghij",
    ],
)
def test_tokens_go_wherever_they_stand(token):
    assert token not in Redactor().text(f"something said {token}, and went on")


@pytest.mark.parametrize("secret", ["a b&c=d/é", 'quo"te', "back\\slash", "plus+and%41"])
def test_a_known_secret_goes_however_it_is_written(secret):
    from base64 import b64encode
    from urllib.parse import quote, quote_plus

    redactor = Redactor([secret])
    forms = [secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret), json.dumps(json.dumps(secret))]
    for form in [*forms, json.dumps(secret, ensure_ascii=False), b64encode(secret.encode()).decode()]:
        shown = redactor.text(f"it said <{form}> once")
        assert REMOVED in shown
        assert form.strip('"') not in shown
    assert redactor.leaks(f"x{secret}x".encode())
    assert not redactor.leaks(b"nothing")


@pytest.mark.parametrize(
    "plain",
    [
        "camera: bad: /dev/video0: there is no such device; is the camera plugged in?",
        'page.token_file = "/etc/waste-edge/page-token"',
        "pin = 17\nwatchdog_s = 3\nkeepalive_s = 30\nauthor = me",
        '{"key": "streams.paper", "pins": 2, "passed": true}',
        "see https://example.org/docs/page#part",
        "sha256 " + "a1" * 32,
        "connection refused: broker.local:1883",
    ],
)
def test_what_helps_stays(plain):
    assert Redactor().text(plain) == plain.replace("page#part", "page#…")


CONFIG = f"""
source = "rtsp://admin:{SECRET}@cam/h264"
[mqtt]
topic = "waste-edge/yard"
password_file = "{SECRET}"           # the password itself, where its file was expected
password_environment = "{SECRET}"
username = "bin1"
[webhook]
url = "https://hooks.example.org/services/{SECRET}?a=b"
# url = "https://hooks.example.org/old/{SECRET}"
secret_file = "/etc/waste-edge/webhook-secret"
[push]
url = "https://ntfy.sh"
topic = "{SECRET}"
click = "http://bin1.local:8470/?token={SECRET}"
# [push]
# topic = "{SECRET}"
[sinks.other]
api_key = "{SECRET}"
endpoint = "https://{SECRET}@example.org"
"""


@pytest.mark.parametrize("tail", ["", "\nthis is = no toml ["])
def test_a_configuration_sound_or_not(tail):
    shown = Redactor().toml(CONFIG + tail, Path("/nowhere"))
    assert SECRET not in shown
    for kept in ("waste-edge/yard", "/etc/waste-edge/webhook-secret", "https://hooks.example.org/…", "bin1", "ntfy.sh"):
        assert kept in shown
    assert shown.count("\n") == (CONFIG + tail).count("\n")


def test_a_document_keeps_its_shape():
    given = {"a": [1, None, True], "password": SECRET, "api_key": 1234, "inner": {"text": f"token={SECRET}"}, "pin": 17}
    shown = Redactor().document(given)
    assert shown == {
        "a": [1, None, True],
        "password": REMOVED,
        "api_key": REMOVED,
        "inner": {"text": f"token={REMOVED}"},
        "pin": 17,
    }


def test_names_and_addresses():
    secret = ["password", "MQTT_PASSWORD", "page.token", "client_secret", "api_key", "BROKER_PW"]
    harmless = ["password_file", "token_environment", "pin", "require_key", "watchdog_s", "passes", "key"]
    assert [name for name in secret if not is_secret_name(name)] == []
    assert [name for name in harmless if is_secret_name(name)] == []
    assert origin_of("https://example.org:8443/a/b?c") == "https://example.org:8443/…"
    assert origin_of("https://ntfy.sh") == "https://ntfy.sh"
    assert origin_of("http://[bad") == "…"
