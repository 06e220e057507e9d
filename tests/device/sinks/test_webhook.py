"""The webhook: signed as receivers verify it, told in order, and never where it was not meant to go."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from tests.device.sinks.receiver import Receiver, receiving
from tests.device.telling import FakeWall, id_of, make_event
from waste_edge.device.config import StationConfig
from waste_edge.device.doctor.sinks import check_sinks
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.run import RunPlan, _secrets
from waste_edge.device.sinks.delivery import Delivery
from waste_edge.device.sinks.http import addresses
from waste_edge.device.sinks.push import PushConfig
from waste_edge.device.sinks.sink import SinkContext, SinkError
from waste_edge.device.sinks.webhook import Webhook, WebhookConfig
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import ConfigError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def outbox(tmp_path, clock):
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin-3", clock, FakeWall())
    yield outbox
    outbox.close()


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A webhook that tells `url`."""
    monkeypatch.setenv("HOOK", SECRET)

    def build_(url: str, **settings) -> Webhook:
        settings = {"allow_private": True, "secret_environment": "HOOK", "timeout_s": 5} | settings
        return WebhookConfig(url=url, **settings).build(SinkContext("bin-3", tmp_path))

    return build_


def at(receiver: Receiver, path: str = "/waste?site=3") -> str:
    return f"http://127.0.0.1:{receiver.port}{path}"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "missing required field `url`"),
        ({"url": "example.org"}, "expected https://HOST/PATH"),
        ({"url": "ftp://example.org"}, "expected https://HOST/PATH"),
        ({"url": "https://example.org:99999/"}, "url: Port out of range"),
        ({"url": "https://a:b@example.org/"}, "no user, password or fragment"),
        ({"url": "https://example.org/#a"}, "no user, password or fragment"),
        ({"url": "https://example.org/a b"}, "plain letters without spaces"),
        ({"url": "https://example.org/\r\nX: y"}, "plain letters without spaces"),
        ({"url": "http://example.org/"}, "use https://, or set allow_private = true"),
        ({"url": "http://example.org/", "allow_private": True, "ca_file": "a"}, "ca_file needs a url with https"),
        ({"url": "https://example.org/", "secret": "a"}, "unknown field `secret`"),
        ({"url": "https://example.org/", "secret_file": "a", "secret_environment": "B"}, "not both"),
        ({"url": "https://example.org/", "timeout_s": 0.0}, "timeout_s must be above 0 and up to 60"),
    ],
)
def test_a_wrong_table_is_refused_with_its_reason(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, WebhookConfig)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "no such variable; set it"),
        ("two words", "expected one word"),
        ("", "expected one word"),
        ("hunter2", "a secret begins with whsec_; make one with"),
        ("whsec_hunter2!", "behind whsec_ a secret is base64"),
        ("whsec_aHVudGVyMg==", "24 to 64 bytes, got 7"),
    ],
)
def test_a_secret_is_looked_at_when_it_is_built(build, monkeypatch, secret, said):
    if secret is None:
        monkeypatch.delenv("HOOK")
    else:
        monkeypatch.setenv("HOOK", secret)
    with pytest.raises(ConfigError, match=said):
        build("https://example.org/")


def test_without_a_secret_nothing_is_built(build, tmp_path):
    with pytest.raises(ConfigError, match="give secret_file or secret_environment"):
        build("https://example.org/", secret_environment="")
    (tmp_path / "secret").write_text(SECRET + "\n")
    config = WebhookConfig(url="https://example.org/", secret_file="secret").with_paths("webhook", tmp_path)
    assert config.secret_files() == (str(tmp_path / "secret"),)
    assert config.build(SinkContext("bin-3", tmp_path)).name == "webhook"
    assert WebhookConfig(url="https://example.org/", secret_environment="HOOK").secret_variables() == ("HOOK",)


def test_an_event_is_posted_and_its_signature_verified_by_the_library_of_receivers(build, receiver, outbox):
    webhooks = pytest.importorskip("standardwebhooks", reason="standardwebhooks, of the extra dev, is not installed")
    outbox.commit(make_event(1), b"")
    build(at(receiver)).deliver(outbox.reader("any").pending(10))
    (request,) = receiver.requests
    told = webhooks.Webhook(SECRET).verify(request.body, request.headers)
    assert (told["kind"], told["id"], told["sequence"]) == ("event", id_of(1), 1)
    assert request.path == "/waste?site=3"
    assert request.headers["webhook-id"] == id_of(1)
    assert request.headers["content-type"] == "application/json"
    for changed in (request.body.replace(b"paper", b"metal"), request.body + b" "):
        with pytest.raises(webhooks.WebhookVerificationError):
            webhooks.Webhook(SECRET).verify(changed, request.headers)
    late = {**request.headers, "webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 600)}
    with pytest.raises(webhooks.WebhookVerificationError):
        webhooks.Webhook(SECRET).verify(request.body, late)


def test_what_was_taken_of_a_batch_is_not_told_again(build, receiver, outbox, monkeypatch):
    for number in (1, 2, 3):
        outbox.commit(make_event(number), b"")
    records, sink = outbox.reader("any").pending(10), build(at(receiver))
    sink.deliver(records[:2])
    receiver.status = 503
    with pytest.raises(SinkError, match=r"^http://127\.0\.0\.1:\d+: answers 503 Service Unavailable ok$"):
        sink.deliver(records)
    receiver.status = 200
    sink.deliver(records)
    assert [body["sequence"] for body in receiver.bodies] == [1, 2, 3, 3]
    assert receiver.requests[2].headers["webhook-id"] == receiver.requests[3].headers["webhook-id"]


def test_deliveries_go_on_when_a_receiver_comes_back(build, outbox, clock):
    with receiving() as gone:
        url = at(gone)
    delivery = Delivery(outbox, build(url), clock, FakeWall())
    outbox.commit(make_event(1), b"")
    wait_s = delivery.step()
    assert "connection refused" in delivery.condition().text
    assert "1 events wait" in delivery.condition().text
    assert wait_s > 0
    delivery.stop()


def test_health_and_a_test_are_told(build, receiver):
    sink = build(at(receiver))
    sink.tell_health([Condition("camera", Level.BAD, "dark")])
    assert sink.probe() == f"http://127.0.0.1:{receiver.port}, signed"
    health, test = receiver.bodies
    assert (health["kind"], health["level"], health["conditions"][0]["part"]) == ("health", "bad", "camera")
    assert (test["kind"], test["station"]) == ("test", "bin-3")


def test_redirects_are_not_followed(build, receiver):
    with receiving() as elsewhere:
        receiver.status, receiver.headers = 307, {"Location": at(elsewhere)}
        with pytest.raises(SinkError, match="answers 307, a redirect, which is not followed"):
            build(at(receiver)).probe()
        assert elsewhere.requests == []


def test_a_path_that_may_be_a_secret_is_never_shown(build, receiver):
    receiver.status = 401
    with pytest.raises(SinkError) as caught:
        build(at(receiver, "/T0K3N?key=SECRET")).probe()
    assert "T0K3N" not in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "check the secret" in str(caught.value)


def test_an_endless_answer_is_cut_and_a_dripping_one_given_up(build, receiver):
    receiver.answer = b"x" * (8 << 20)
    build(at(receiver)).probe()
    receiver.drip = threading.Event()
    started = time.monotonic()
    with pytest.raises(SinkError, match=r"no answer within 0\.5 s"):
        build(at(receiver), timeout_s=0.5).probe()
    assert time.monotonic() - started < 5


def test_something_that_speaks_no_http_is_said(build):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(10_000)
            connection.sendall(b"220 mail.example.org ESMTP\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SinkError, match=r"no answer in HTTP .*; is that a web server"):
            build(f"http://127.0.0.1:{server.getsockname()[1]}/").probe()
        thread.join()


def test_a_name_that_leads_to_this_machine_is_refused_before_anything_is_sent(build, receiver, monkeypatch):
    """A name is looked up once for each connection, and the address that was judged is the one connected to."""
    asked = []

    def rebinding(host, port, **_):
        asked.append(host)
        address = "93.184.216.34" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, receiver.port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", rebinding)
    sink = build(f"https://hook.example.org:{receiver.port}/", allow_private=False)
    with pytest.raises(SinkError, match=r"hook\.example\.org: leads to 127\.0\.0\.1"):
        sink.probe()
    assert asked == ["hook.example.org"]
    assert receiver.requests == []


def test_the_proxy_of_the_environment_is_not_used(build, receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    build(at(receiver)).probe()
    assert len(receiver.requests) == 1


def certificate(folder: Path) -> Path:
    """A key and a certificate of its own for localhost."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography, of the extra sign, is not installed")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + made.public_bytes(serialization.Encoding.PEM)
    (folder / "server.pem").write_bytes(pem)
    return folder / "server.pem"


def test_over_tls_the_servers_certificate_is_checked(build, tmp_path):
    server_pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)
    with receiving(context) as receiver:
        url = f"https://localhost:{receiver.port}/"
        with pytest.raises(SinkError, match="its certificate is not trusted"):
            build(url).probe()
        assert receiver.requests == []
        assert build(url, ca_file=str(server_pem)).probe() == f"https://localhost:{receiver.port}, signed"
        with pytest.raises(SinkError, match="its certificate is not trusted"):
            build(url.replace("localhost", "127.0.0.1"), ca_file=str(server_pem)).probe()
        assert len(receiver.requests) == 1
    with pytest.raises(ConfigError, match=r"webhook\.ca_file .*: no usable PEM file"):
        build(url, ca_file=str(tmp_path / "none.pem"))


def test_a_time_out_holds_in_the_middle_of_a_tls_handshake(build):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SinkError, match="no answer within"):
        build(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=0.4).probe()


def test_what_is_not_configured_is_not_imported():
    code = (
        "import sys, waste_edge.device.config, waste_edge.device.station; print([name for name in ('ssl', 'gpiozero', "
        "'http.client', 'waste_edge.device.sinks.http.post', 'waste_edge.device.answers.review') if name in "
        "sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_doctor_tries_both_and_their_secrets_are_hidden_from_the_capture_process(receiver, tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    (tmp_path / "token").write_text("tk_1")
    url = f"http://127.0.0.1:{receiver.port}"
    config = StationConfig(
        webhook=WebhookConfig(url=url, allow_private=True, secret_environment="HOOK"),
        push=PushConfig(url=url, allow_private=True, topic="bins", secret_file=str(tmp_path / "token")),
    )
    plan = RunPlan(config, demo=False, as_json=True, no_wait=True, frames=None, duration_s=None)
    assert _secrets(plan) == (("HOOK",), (str(tmp_path / "token"),))
    found = check_sinks(config, tmp_path)
    assert [(one.part, one.level) for one in found] == [("sink-webhook", Level.OK), ("sink-push", Level.OK)]
    assert [request.headers.get("authorization") for request in receiver.requests] == [None, "Bearer tk_1"]
    receiver.status = 500
    assert [one.level for one in check_sinks(config, tmp_path)] == [Level.WARN, Level.WARN]
