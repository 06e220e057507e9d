"""`run --page`, and `[page]` of a station.toml, from the command line to the browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.device.page.pages import free_port

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")


def test_a_page_for_others_without_a_token_is_refused_before_anything_is_opened(waste_edge):
    ended = waste_edge("run", "--camera", "synthetic", "--page", "0.0.0.0")
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1
    assert "a token is required" in ended.stderr


def test_a_wrong_address_is_one_line(waste_edge):
    ended = waste_edge("run", "--camera", "synthetic", "--page", "http://here")
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert "expected HOST, PORT or HOST:PORT" in ended.stderr


def test_a_missing_package_names_the_extra(waste_edge, monkeypatch):
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *more: None if name == "starlette" else found(name, *more))
    ended = waste_edge("run", "--camera", "synthetic", "--page", str(free_port()), "--frames", "1")
    assert ended.exit_code == 2
    assert "[page] needs starlette; pip install 'waste-edge[web]'" in ended.stderr


class RunningStation:
    """A station in a process of its own; its JSON lines are read as they come."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        config = folder / "station.toml"
        config.write_text(
            f'camera = "synthetic:10"\nbundle = "small"\nstate = "state"\n[page]\nport = {port}\n[answers]\n'
        )
        command = [sys.executable, "-m", "waste_edge", "run", "--config", str(config), "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines: list[dict] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def of_kind(self, kind: str) -> list[dict]:
        return [line for line in self.lines if line["kind"] == kind]

    def ask(self, path: str, body: dict | None = None) -> bytes:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as client:
            client.request("POST" if body else "GET", path, json.dumps(body) if body else None)
            with client.getresponse() as answer:
                return answer.read()

    def wait(self, what, within_s: float = 180.0):
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException, TypeError):
                if found := what():
                    return found
            assert self.process.poll() is None, "the station has ended"
            time.sleep(0.1)
        raise AssertionError("never came true")

    def state(self) -> dict:
        return json.loads(self.ask("/api/state"))["state"]

    def page_pid(self) -> int:
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            for pid in (task / "children").read_text().split():
                if b"page.server.main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
        return 0

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def station(tmp_path):
    station = RunningStation(tmp_path, free_port())
    yield station
    if station.process.poll() is None:
        station.end()


def test_a_station_s_page_from_start_to_end(station):
    """Items are shown as they are told; the page may be killed, corrected, reloaded; it ends with its station."""
    station.wait(lambda: station.state()["camera"]["state"] == "ok")
    station.wait(lambda: station.of_kind("decision"))
    shown = station.wait(lambda: json.loads(station.ask("/api/state"))["items"])
    decided = station.of_kind("decision")[0]
    assert shown[0]["id"] == decided["id"]
    decision = shown[0]["decision"]
    assert {name: decision[name] for name in ("stream", "label", "reason")} == {
        name: decided[name] for name in ("stream", "label", "reason")
    }
    assert station.ask(f"/crops/{decided['id']}.jpg")[:2] == b"\xff\xd8"

    assert json.loads(station.ask("/api/answer", {"id": decided["id"], "answer": "glass"})) == {"wrong": ""}
    station.wait(lambda: json.loads(station.ask("/api/state"))["items"][0]["review"]["stream"] == "glass")
    counted = b'waste_edge_answers_total{source="page",stream="glass"} 1.0'
    station.wait(lambda: counted in station.ask("/metrics"))

    first = station.page_pid()
    os.kill(first, signal.SIGKILL)
    station.wait(lambda: station.page_pid() not in (0, first) and station.state()["page_starts"] == 2)
    assert json.loads(station.ask("/api/state"))["items"][0]["id"] == decided["id"]

    second = station.page_pid()
    station.process.send_signal(signal.SIGHUP)
    station.wait(lambda: station.page_pid() not in (0, second) and station.state())
    assert station.state()["days"][0]["items"] >= 1, "from the outbox"

    third = station.page_pid()
    station.end()
    assert station.process.returncode == 0
    assert not Path(f"/proc/{third}").exists()
