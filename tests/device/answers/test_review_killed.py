"""SIGKILL while people answer: the ledger, the answers and the counters agree afterwards, and nothing is told twice.

More of it, and with a receiver that is killed too: tests/faults/test_answered_station.py.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.device.answers.answered_station import ASKED_EVERY
from tests.device.telling import id_of

ROOT = Path(__file__).parents[3]


def replayed(lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Counters by stream from the lines alone; each line must tell what they come to after it."""
    streams: dict[str, str] = {}
    counters: Counter[str] = Counter()
    for line in lines:
        if line["kind"] == "event":
            streams[line["id"]] = line["decision"]["stream"]
            counters[streams[line["id"]]] += 1
        else:
            assert line["previous_stream"] == streams[line["id"]], "an answer to what the item was not"
            counters[line["previous_stream"]] -= 1
            streams[line["id"]] = line["stream"]
            counters[line["stream"]] += 1
            assert line["previous_stream_items"] == counters[line["previous_stream"]]
        assert line["stream_items"] == counters[streams[line["id"]]]
    assert sum(counters.values()) == len(streams)
    return {stream: count for stream, count in counters.items() if count}


def check_agreement(folder: Path, items: int) -> int:
    """Raise AssertionError unless file, outbox and what people were told agree; the number of answers."""
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["kind"] in ("event", "answer")]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1)), "told out of order, or twice"
    assert [line["id"] for line in lines if line["kind"] == "event"] == [id_of(number) for number in range(items)]
    answers = {(line["id"], line["answer"]): line["stream"] for line in lines if line["kind"] == "answer"}
    for number in range(0, items, ASKED_EVERY):
        assert (id_of(number), 1) in answers, "a question was never closed"
    for said in (folder / "said").read_text().split("\n")[:-1]:
        key, _, stream = said.partition(" ")
        item_id, _, answer = key.partition("#")
        assert not answer or answers[item_id, int(answer)] == stream, "a person was told of an answer that is not kept"
    with sqlite3.connect(folder / "outbox.sqlite") as database:
        kept = json.loads(database.execute("SELECT stream_items FROM scene").fetchone()[0])
        stored = database.execute("SELECT COUNT(*) FROM events").fetchone()[0]
    database.close()
    assert stored == len(lines)
    assert {stream: count for stream, count in kept.items() if count} == replayed(lines)
    return len(answers)


def run_and_check(folder: Path, items: int, *url: str) -> int:
    command = [sys.executable, "-m", "tests.device.answers.answered_station", str(folder), str(items), *url]
    killed = int(subprocess.run(command, cwd=ROOT, check=True, timeout=300, capture_output=True).stdout)
    assert killed >= items // 10, "hardly any station was killed"
    return check_agreement(folder, items)


def test_ledger_answers_and_counters_agree_after_kills(tmp_path):
    assert run_and_check(tmp_path, 25) >= 5
