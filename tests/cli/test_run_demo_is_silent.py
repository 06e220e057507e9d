"""A demo never sends an event anywhere: it opens no connection and writes no file."""

import json
import subprocess
import sys
from pathlib import Path

WATCHED = """
import os, sys

def watch(event, arguments):
    if event.startswith(("socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo", "sqlite3.")):
        print("AUDIT", event, arguments, file=sys.stderr)
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if writes and "/dev/null" not in str(path) and "__pycache__" not in str(path) and "/tmp/#" not in str(path):
            print("AUDIT open for writing", path, file=sys.stderr)

sys.addaudithook(watch)
from waste_edge.cli.main import main
main(sys.argv[1:])
"""


def audited(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-B", "-c", WATCHED, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_demo_decides_and_tells_nobody_but_the_terminal() -> None:
    done = audited("run", "--demo", "--duration", "6", "--json")
    assert done.returncode == 0, done.stderr
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds.count("decision") >= 1
    assert "AUDIT" not in done.stderr, done.stderr


def test_the_watch_sees_what_it_is_meant_to_see(tmp_path: Path) -> None:
    done = audited("bench", "--seconds", "0.1", "--out", str(tmp_path / "report.json"))
    assert "AUDIT open for writing" in done.stderr
