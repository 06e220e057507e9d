"""A whole station: a candidate is shown the items, people answer, it takes over, and nothing is started anew.

pytest -s -m long tests/device/models/test_keeper_promotion.py
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from waste_edge.device.answers import build
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.config import StationConfig
from waste_edge.device.decision.answer import AnswerError
from waste_edge.device.loop import Listener, ModelChange, Seen
from waste_edge.device.models import keeper as keeping
from waste_edge.device.models.install import Installer
from waste_edge.device.models.keeper import ModelKeeper
from waste_edge.device.models.store import ModelStore
from waste_edge.device.run import RunPlan, model_wish, run_station
from waste_edge.device.signals import Stop

MOST_S = 240.0


class Heard(Listener):
    """Hears the loop until the candidate has taken over and decided something."""

    def __init__(self, stop: Stop) -> None:
        self.changes: list[ModelChange] = []
        self.frames = 0
        self._stop = stop

    def seen(self, seen: Seen) -> None:
        self.frames += 1

    def model(self, change: ModelChange) -> None:
        self.changes.append(change)
        if change.action == "activated":
            threading.Timer(8.0, self._stop.request, ["the test has seen enough"]).start()


@pytest.mark.long
@pytest.mark.alone
def test_answers_promote_a_candidate_of_a_running_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, stop = tmp_path / "state", Stop()
    heard = Heard(stop)
    answers = AnswersConfig(audit=1.0)  # every item is asked about
    config = StationConfig(
        camera="synthetic:10:3", bundle="small", site="six_materials", state=str(state), answers=answers
    )
    plan = RunPlan(config, False, False, False, None, MOST_S, (heard,), silent=True)
    queues: list[ReviewQueue] = []
    keepers: list[ModelKeeper] = []
    make_queue = build.review_queue

    def kept_queue(*given: object) -> ReviewQueue | None:
        queue = make_queue(*given)  # type: ignore[arg-type]
        queues.extend([] if queue is None else [queue])
        return queue

    class KeptKeeper(ModelKeeper):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)  # type: ignore[arg-type]
            keepers.append(self)

    monkeypatch.setattr(build, "review_queue", kept_queue)
    monkeypatch.setattr(keeping, "ModelKeeper", KeptKeeper)
    installed = Installer(model_wish(plan), state, has_answers=True).install("accurate")
    assert installed.outcome == "candidate"

    def answer() -> None:
        """A person who knows what things are just as the candidate does."""
        while not stop.reason:
            time.sleep(0.2)
            shadow = keepers[-1]._contests._shadow if keepers else None
            for item in queues[-1].questions() if queues and shadow is not None else ():
                pair = shadow._pairs.get(item.id) if shadow is not None else None
                if pair is not None:
                    try:
                        queues[-1].answer(item.id, pair.candidate, "page")
                    except AnswerError:
                        continue

    person = threading.Thread(target=answer)
    person.start()
    summary = run_station(plan, lambda: plan, stop)
    stop.request("ended")
    person.join()
    print(f"\n{summary.items} items; {[(one.action, one.model, one.reason) for one in heard.changes]}")
    assert [(one.action, one.model) for one in heard.changes] == [("activated", "accurate 3")]
    assert len(keepers) == 1, "no part was put together anew"
    assert summary.frames == heard.frames
    assert keepers[0].used.title == "accurate 3"
    assert ModelStore(state).current() == installed.entry
