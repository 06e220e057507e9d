"""SIGKILL of the station and of a webhook's receiver while 300 items with 60 questions pass."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.device.answers.test_review_killed import run_and_check

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]


def keep_killing(port: int, file: Path, enough: threading.Event, kills: list[int]) -> None:
    """A receiver that lives for half a second or so, and is back a moment later; at the end it stays."""
    randomly = random.Random(3)
    command = [sys.executable, "-m", "tests.faults.hook_receiver", str(port), str(file)]
    while not enough.is_set():
        receiver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert receiver.stdout is not None
        receiver.stdout.readline()
        enough.wait(randomly.uniform(0.5, 1.5))
        receiver.kill()
        receiver.wait()
        receiver.stdout.close()
        kills.append(receiver.pid)


def test_ledger_answers_counters_and_receiver_agree_after_kills_of_station_and_receiver(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    enough, kills, file = threading.Event(), list[int](), tmp_path / "received.jsonl"
    thread = threading.Thread(target=keep_killing, args=(port, file, enough, kills))
    thread.start()
    try:
        answers = run_and_check(tmp_path, 300, f"http://127.0.0.1:{port}/")
    finally:
        enough.set()
        thread.join()
    assert answers >= 60
    assert len(kills) > 3, "the receiver was hardly killed"
    received = {(line["id"], line.get("answer", 0)): line for line in map(json.loads, file.read_text().splitlines())}
    ledger = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert received == {(line["id"], line.get("answer", 0)): line for line in ledger if line["kind"] != "health"}
