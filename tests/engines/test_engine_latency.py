from __future__ import annotations

import time

from waste_edge.engines.engine import times_in_turn


def test_waiting_is_not_work_and_calls_take_turns() -> None:
    order: list[str] = []

    def wait() -> None:
        order.append("wait")
        time.sleep(0.004)

    def work() -> None:
        order.append("work")
        sum(range(50_000))

    found = times_in_turn({"wait": wait, "work": work}, rounds=5, warm_up=1)
    assert order == ["wait", "work"] * 6
    assert found["wait"].wall_ms >= 4 > 2 > found["wait"].cpu_ms
    assert 0 < found["work"].cpu_ms <= found["work"].wall_ms * 1.05
