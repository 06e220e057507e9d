"""What an exchange of the model costs a running station: no item, and no frame's decision more than 100 ms.

pytest -s -m long tests/device/models/test_keeper_delay.py
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from pathlib import Path

import pytest

from waste_edge.device.cameras.synthetic import ARRIVE_S, FIRST_EMPTY_S, REST_S, VISIT_S
from waste_edge.device.config import StationConfig
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Listener, Seen
from waste_edge.device.models.store import ModelStore
from waste_edge.device.run import RunPlan, run_station
from waste_edge.device.signals import Stop
from waste_edge.files.resources import BUNDLES

SECONDS, EXCHANGES = 60.0, 8


class Delays(Listener):
    """Milliseconds from a frame's capture until the loop has looked at it, with the moment."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, float]] = []
        self.items: list[Event] = []

    def seen(self, seen: Seen) -> None:
        now_ns = time.monotonic_ns()
        self.frames.append((now_ns / 1e9, (now_ns - seen.frame.captured_ns) / 1e6))

    def decided(self, event: Event) -> None:
        self.items.append(event)


def visits_of(delays: Delays) -> int:
    """Count the items that came and rested in full between the first frame and the last.

    A camera that was late does not catch up, so items are counted from each one's arrival to the next, not by the
    clock of the whole minute: where one was lost, two visits lie between two arrivals.
    """
    arrived = [item.opened_ns / 1e9 for item in delays.items]
    first, last = (delays.frames[number][0] for number in (0, -1))
    before = round((arrived[0] - first - FIRST_EMPTY_S) / VISIT_S)
    between = sum(round((after - one) / VISIT_S) for one, after in itertools.pairwise(arrived))
    after = int((last - arrived[-1] - ARRIVE_S - REST_S) / VISIT_S)
    return before + 1 + between + after


@pytest.mark.long
@pytest.mark.alone
def test_an_exchange_of_the_model_loses_no_item_and_delays_no_frame_by_100_ms(tmp_path: Path) -> None:
    state, delays, stop = tmp_path / "state", Delays(), Stop()
    config = StationConfig(camera="synthetic:10:3", bundle="small", site="six_materials", state=str(state))
    plan = RunPlan(config, False, False, False, None, SECONDS, (delays,), silent=True)
    exchanged: list[float] = []

    def exchange() -> None:
        store = ModelStore(state)
        time.sleep(10)
        for number in range(EXCHANGES):
            entry = store.add(BUNDLES / ("accurate" if number % 2 == 0 else "small"))
            exchanged.append(time.monotonic())
            store.activate(entry, f"exchange {number}")
            time.sleep((SECONDS - 15) / EXCHANGES)

    thread = threading.Thread(target=exchange)
    thread.start()
    run_station(plan, lambda: plan, stop)
    thread.join()
    quiet = [age for at, age in delays.frames if not any(begun <= at < begun + 4 for begun in exchanged)]
    busy = [age for at, age in delays.frames if any(begun <= at < begun + 4 for begun in exchanged)]
    visits = visits_of(delays)
    print(
        f"\n{EXCHANGES} exchanges: {len(delays.items)} of {visits} items decided; from capture to the loop median "
        f"{statistics.median(quiet):.1f}, most {max(quiet):.1f} ms; within 4 s of an exchange median "
        f"{statistics.median(busy):.1f}, most {max(busy):.1f} ms"
    )
    assert len(delays.items) == visits
    assert len({item.id for item in delays.items}) == len(delays.items)
    assert max(busy) <= max(quiet) + 100
