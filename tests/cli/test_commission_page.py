"""`waste-edge commission --page` from the command line: what is asked in the end is answered in the browser."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.device.commission.pictures import write_site
from tests.device.page.pages import free_port

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")


class Commissioning:
    """A commissioning in a process of its own; `process.stdin` is its keyboard."""

    def __init__(self, port: int, *options: object) -> None:
        self._port = port
        command = [sys.executable, "-m", "waste_edge", "commission", *map(str, options), "--page", str(port)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            client.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            return dict(json.loads(client.getresponse().read()))
        finally:
            client.close()

    def wait(self, mode: str, wanted: str = "") -> dict[str, Any]:
        """The page's state as soon as it is in this mode, and asks for that label."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                state = self.ask("/api/state")["state"]
            except OSError:
                assert self.process.poll() is None, self.process.communicate()[0]
                state = None
            if state and state["mode"] == mode and state["wanted"].startswith(wanted):
                return dict(state)
            time.sleep(0.05)
        raise AssertionError(f"never came to {mode} {wanted}")

    def end(self) -> str:
        output, _ = self.process.communicate(timeout=60)
        return output


def test_it_is_installed_from_the_browser(tiny_bundle: Path, tmp_path: Path) -> None:
    shots, state = write_site(tmp_path / "shots", 7), tmp_path / "state"
    run = Commissioning(free_port(), "--state", state, "--bundle", tiny_bundle, "--shots", shots, "--items", 7)
    asked = run.wait("question")
    assert asked["prompt"] == "Install it?"
    assert [(one["label"], one["items"]) for one in asked["labels"]] == [
        ("blue", 7), ("green", 7), ("red", 7), ("unknown", 0),
    ]  # fmt: skip
    assert asked["outcome"]["better"]
    assert any("no hands" in line for line in asked["missing"])
    assert run.ask("/api/typed", {"typed": "y"}) == {"wrong": ""}
    output = run.end()
    assert run.process.returncode == 0, output
    assert f"page: http://127.0.0.1:{run._port}/" in output
    assert "? Install it? y or n" in output
    assert "installed tiny-station 1.0.1" in output
    assert list((state / "models").glob("tiny-station-*"))


def test_keyboard_and_browser_at_once_and_how_it_ended(tiny_bundle: Path, tmp_path: Path) -> None:
    options = ("--state", tmp_path / "state", "--bundle", tiny_bundle, "--camera", "synthetic", "--items", 5)
    run = Commissioning(free_port(), *options)
    assert run.wait("talk")["camera"]["title"].startswith("synthetic camera")
    client = http.client.HTTPConnection("127.0.0.1", run._port, timeout=30)
    client.request("GET", "/live.jpg")
    assert client.getresponse().read()[:2] == b"\xff\xd8"
    client.close()
    run.wait("talk", "blue")
    assert run.process.stdin is not None
    run.process.stdin.write("red\n")
    run.process.stdin.flush()
    run.wait("talk", "red")
    assert run.ask("/api/typed", {"typed": "green"}) == {"wrong": ""}
    run.wait("talk", "green")
    assert run.ask("/api/typed", {"typed": "q"}) == {"wrong": ""}
    assert "what was shown is kept" in run.wait("ended")["ended"]
    output = run.end()
    assert run.process.returncode == 0, output
    assert "→ show an item of RED (1 of 5)" in output
    assert "→ show an item of GREEN (1 of 5)" in output
    assert "stopped; go on another time" in output
