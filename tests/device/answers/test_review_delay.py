"""Time that answers take from the loop: no frame waits for them, and hardly for their commit."""

from __future__ import annotations

import threading
import time

import pytest

from tests.device.answers.test_review import Station, asked_event
from tests.device.telling import id_of, make_event
from waste_edge.device.clock import SystemClock
from waste_edge.device.outbox.event_store import EventRecorder

ITEMS = 300
ASKED_EVERY = 5


class NoItems:
    scene_changes = 0

    def remember(self) -> bytes:
        return b""


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


@pytest.mark.alone
def test_300_items_with_60_questions_and_an_answer_to_each_delay_no_frame_by_50_ms(tmp_path):
    """What the loop does for answers between two frames, timed in a loop that people answer from two threads."""
    station = Station(tmp_path, SystemClock())
    recorder = EventRecorder(station.outbox, NoItems(), SystemClock(), station.queue)  # type: ignore[arg-type]
    taken: list[str] = []
    ended = threading.Event()

    def answer() -> None:
        while not ended.is_set():
            asked = station.queue.questions()
            taken.extend(station.queue.answer(item.id, "metal", "page", timeout_s=30).id for item in asked)
            time.sleep(0.001)

    person = threading.Thread(target=answer)
    person.start()
    commit_ms, idle_ms, busy_ms = [], [], []
    for number in range(ITEMS):
        started = time.perf_counter()
        station.commit(asked_event(number) if number % ASKED_EVERY == 0 else make_event(number))
        commit_ms.append((time.perf_counter() - started) * 1e3)
        for _ in range(5):  # frames
            time.sleep(0.002)
            waits = bool(station.queue._handed_in)
            started = time.perf_counter()
            recorder.tend()
            (busy_ms if waits else idle_ms).append((time.perf_counter() - started) * 1e3)
    while station.queue.questions():
        recorder.tend()
    ended.set()
    person.join()
    assert taken == [id_of(number) for number in range(0, ITEMS, ASKED_EVERY)]
    median_ms = percentile(busy_ms, 0.5)
    print(
        f"a frame, median: {percentile(idle_ms, 0.5):.4f} ms without an answer, {median_ms:.1f} with one (most "
        f"{max(busy_ms):.0f}); the commit of an item {percentile(commit_ms, 0.5):.1f} (most {max(commit_ms):.0f})"
    )
    assert percentile(idle_ms, 0.5) < 0.5
    assert median_ms < 50 or median_ms < 2 * percentile(commit_ms, 0.5), "more than the commit of an item, on this disk"
    station.outbox.close()
