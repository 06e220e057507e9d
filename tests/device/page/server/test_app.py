"""Addresses of the page, asked for by a real client of a real page's process."""

from __future__ import annotations

import contextlib
import http.client
import json
import time

import msgspec
import pytest

from tests.device.page.pages import TOKEN, FedPage, fed_page, make_state
from waste_edge.device.page.packets import Told, send
from waste_edge.device.page.state import CameraView, Speed
from waste_edge.device.system.condition import Condition, Level

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")


@pytest.fixture(scope="module")
def page():
    with fed_page() as page:
        yield page


@pytest.fixture(scope="module")
def locked():
    with fed_page(TOKEN) as page:
        page.tell_state()
        yield page


def settled(page: FedPage, **changes: object) -> None:
    """Tell a state, and wait until the page has it."""
    text = f"mark {time.monotonic_ns()}"
    page.tell_state(**{"version": text, **changes})
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = json.loads(page.get("/api/state")[2])["state"]
        if found and found["version"] == text:
            return
        time.sleep(0.02)
    raise AssertionError("the page never had the state")


def test_its_files_are_served_and_no_others(page):
    status, headers, body = page.get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<h1" in body
    assert page.get("/static/page.js")[1]["Content-Type"].startswith("text/javascript")
    for path in (
        "/static/../server/app.py",
        "/static/..%2fserver%2fapp.py",
        "/static//etc/passwd",
        "/static/%00",
        "/x",
    ):
        assert page.get(path)[0] == 404, path


@pytest.mark.parametrize("path", ["/", "/api/state", "/healthz", "/metrics", "/nowhere", "/static/page.css"])
def test_every_answer_is_bound_to_this_page(page, path):
    headers = page.get(path)[1]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Server" not in headers


def test_the_state_and_the_items_after_a_number(page):
    settled(page)
    first, second = page.tell_item(1), page.tell_item(2, "glass")
    settled(page)
    document = json.loads(page.get("/api/state")[2])
    assert document["state"]["station"] == "bin 1"
    assert document["stale_s"] < 5
    assert [item["id"] for item in document["items"]] == [first, second]
    assert [item["id"] for item in json.loads(page.get("/api/state?after=1")[2])["items"]] == [second]
    assert len(json.loads(page.get("/api/state?after=-1")[2])["items"]) == 2
    status, headers, crop = page.get(f"/crops/{first}.jpg")
    assert (status, headers["Content-Type"], crop[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert headers["Cache-Control"] == "no-store", "pictures of what people throw away stay in memory"
    assert page.get("/crops/none.jpg")[0] == 404


def test_an_item_that_changes_keeps_its_place_and_comes_again(page):
    first, second = page.tell_item(11), page.tell_item(12)
    page.tell_item(11, _top={"number": 13})
    settled(page)
    ids = [item["id"] for item in json.loads(page.get("/api/state?after=10")[2])["items"]]
    assert ids == [first, second]
    assert [item["id"] for item in json.loads(page.get("/api/state?after=12")[2])["items"]] == [first]


def test_only_so_many_items_are_kept():
    with fed_page(items=3) as page:
        ids = [page.tell_item(number) for number in range(1, 9)]
        settled(page)
        assert [item["id"] for item in json.loads(page.get("/api/state")[2])["items"]] == ids[-3:]


def test_a_live_picture_comes_with_its_description_and_the_station_is_told_that_somebody_looks(page):
    page.tell_live(1, b"\xff\xd8first", scene="settled", label="papír", item_box={"left": 0.25})
    page.hear("alive")
    status, headers, body = page.get("/live.jpg?after=0")
    assert (status, body) == (200, b"\xff\xd8first")
    assert json.loads(headers["X-Live"])["label"] == "papír"
    assert page.hear("watching").kind == "watching"
    started = time.monotonic()
    assert page.get("/live.jpg?after=1")[0] == 204, "no newer one came"
    assert 1 < time.monotonic() - started < 10


def test_an_answer_goes_to_the_station_and_its_reply_back(page):
    client = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    client.request("POST", "/api/answer", json.dumps({"id": "1" * 32, "answer": "glass"}))
    command = page.hear("command")
    assert json.loads(bytes(command.fields)) == {"id": "1" * 32, "answer": "glass"}
    reply = msgspec.Raw(b'{"wrong":"no such item"}')
    send(page.process.socket, Told(kind="reply", number=command.number, fields=reply))
    answer = client.getresponse()
    assert (answer.status, json.loads(answer.read())) == (409, {"wrong": "no such item"})
    client.close()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": "x"}', b'{"id": "x", "answer": ""}', b'{"id":"","answer":"a"}'])
def test_what_is_no_answer_is_refused(page, body):
    assert page.post("/api/answer", body)[0] == 400


def test_an_answer_of_many_bytes_is_refused(page):
    assert page.post("/api/answer", b" " * 100_000)[0] == 413


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80", "localhost:80:80", "[::1"]
)
def test_another_host_s_name_is_refused(page, host):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)) as client:
        client.putrequest("GET", "/api/state", skip_host=True)
        client.putheader("Host", host)
        client.endheaders()
        with client.getresponse() as answer:
            assert answer.status in (400, 421)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "192.168.1.5:8470", "bin1.example.org", "BIN1.example.org."]
)
def test_addresses_and_known_names_are_taken(page, host):
    assert page.get("/api/state", Host=host)[0] == 200


def test_other_sites_pages_ask_for_nothing(page):
    body = json.dumps({"id": "1" * 32, "answer": "glass"}).encode()
    assert page.post("/api/answer", body, Origin="https://evil.example")[0] == 403
    assert page.post("/api/answer", body, Origin="null")[0] == 403
    assert page.post("/classify", b"x", Sec_Fetch_Site="cross-site")[0] == 403
    assert page.get("/live.jpg", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert page.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200, "a link may lead here"


# --- health and metrics -------------------------------------------------------------------------------------------


def test_health_is_well_bad_or_silent(page):
    settled(page)
    status, _, body = page.get("/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    settled(page, health=(Condition("disk", Level.WARN, "full"),))
    assert page.get("/healthz")[0] == 200
    settled(page, health=(Condition("camera", Level.BAD, "no camera"),), camera=CameraView(state="absent"))
    status, _, body = page.get("/healthz")
    assert (status, json.loads(body)["text"]) == (503, "camera: no camera")
    settled(page, speed=Speed(silence_s=31.0))
    assert "has not gone round for 31 s" in page.get("/healthz")[2].decode()
    settled(page)


def test_a_station_that_says_nothing_is_bad_and_down():
    with fed_page() as page:
        assert page.get("/healthz")[0] == 503
        assert page.get("/metrics")[2].decode().endswith("waste_edge_station_up 0.0\n")


def test_metrics_say_what_the_state_says(page):
    settled(page)
    text = page.get("/metrics")[2].decode()
    for line in (
        'waste_edge_items_total{action="sort",stream="paper"} 12.0',
        'waste_edge_items_total{action="sort",stream="glass"} 0.0',
        'waste_edge_items_total{action="ask",stream="ask"} 2.0',
        "waste_edge_unknown_items_total 1.0",
        "waste_edge_asked_items_total 2.0",
        'waste_edge_decision_seconds_bucket{le="1.0"} 6.0',
        'waste_edge_decision_seconds_bucket{le="+Inf"} 14.0',
        "waste_edge_decision_seconds_sum 17.5",
        "waste_edge_frame_rate_hertz 14.9",
        'waste_edge_sink_waiting_events{sink="mqtt"} 4.0',
        "waste_edge_temperature_celsius 51.5",
        'waste_edge_throttled{flag="under_voltage"} 0.0',
        'waste_edge_throttled_since_boot{flag="under_voltage"} 1.0',
        "waste_edge_disk_free_bytes 9e+09",
        'waste_edge_camera_state{state="ok"} 1.0',
        'waste_edge_camera_state{state="absent"} 0.0',
        'waste_edge_health_level{part="disk"} 0.0',
        "waste_edge_station_up 1.0",
    ):
        assert line in text.splitlines(), line


def test_metrics_keep_the_rules_of_their_own_library():
    from prometheus_client.parser import text_string_to_metric_families

    from waste_edge.device.page.server.metrics import render

    families = list(text_string_to_metric_families(render(make_state()).decode()))
    assert len({family.name for family in families}) == len(families) > 20
    assert all(family.documentation.endswith(".") for family in families)


# --- the token ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/api/state", "/live.jpg", "/crops/x.jpg", "/metrics", "/nowhere", "/static", "/login/"]
)
def test_without_the_token_nothing_is_told(locked, path):
    assert locked.get(path)[0] == 401
    status, _, body = locked.get(path, Accept="text/html")
    assert status == 401
    assert b'name="token"' in body
    assert b"bin 1" not in body


def test_without_the_token_nothing_is_taken(locked):
    for path in ("/classify", "/api/answer", "/logout"):
        assert locked.post(path, b"x")[0] == 401


def test_health_says_a_stranger_whether_and_no_more(locked):
    status, _, body = locked.get("/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok", "text": ""})
    assert b"conditions" in locked.get("/healthz", Authorization=f"Bearer {TOKEN}")[2]


def test_a_program_gives_the_token_as_bearer(locked):
    assert locked.get("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert locked.get("/metrics", Authorization=f"bearer {TOKEN}")[0] == 200


def test_the_first_visit_leaves_a_cookie_and_no_token_in_the_address(locked):
    status, headers, _ = locked.get(f"/?token={TOKEN}&day=2")
    assert (status, headers["Location"]) == (303, "/?day=2")
    cookie = headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    own = cookie.partition(";")[0]
    assert locked.get("/api/state", Cookie=own)[0] == 200
    assert locked.get("/api/state", Cookie=own[:-1] + "x")[0] == 401
    assert locked.get("//evil.example/?token=" + TOKEN)[1]["Location"] == "/evil.example/"


def test_the_form_takes_the_token(locked):
    origin = locked.url
    assert locked.get("/login")[0] == 401
    status, headers, _ = locked.post("/login", f"token={TOKEN}".encode(), Origin=origin)
    assert (status, headers["Location"]) == (303, "/")
    own = headers["Set-Cookie"].partition(";")[0]
    assert locked.get("/", Cookie=own)[0] == 200
    assert locked.get("/login", Cookie=own)[1]["Location"] == "/"
    assert locked.post("/login", f"token={TOKEN}".encode(), Origin="https://evil.example")[0] == 403
    assert "Max-Age=0" in locked.post("/logout", b"", Cookie=own, Origin=origin)[1]["Set-Cookie"]


def test_a_cookie_alone_posts_nothing_without_naming_its_page(locked):
    own = locked.get(f"/?token={TOKEN}")[1]["Set-Cookie"].partition(";")[0]
    assert locked.post("/api/answer", b"{}", Cookie=own)[0] == 403
    assert locked.post("/api/answer", b"{}", Cookie=own, Origin=locked.url)[0] == 400


def test_the_tenth_wrong_token_is_the_last_for_a_minute():
    with fed_page(TOKEN) as page:
        page.tell_state()
        own = page.get(f"/?token={TOKEN}")[1]["Set-Cookie"].partition(";")[0]
        statuses = [page.get("/", Authorization="Bearer wrong")[0] for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        status, headers, _ = page.get(f"/?token={TOKEN}")
        assert (status, 0 < int(headers["Retry-After"]) <= 60) == (429, True), "not even the right one"
        assert page.post("/login", f"token={TOKEN}".encode(), Origin=page.url)[0] == 429
        assert page.get("/", Cookie=own)[0] == 200, "who has the cookie is not locked out"
