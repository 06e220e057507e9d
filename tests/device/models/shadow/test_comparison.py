"""A candidate's process, and what is counted of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.device.models.conftest import MakeVersion, own_streams
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.device.models.figures import ShadowFigures
from waste_edge.device.models.shadow.child import ShadowOrder
from waste_edge.device.models.shadow.comparison import MOST_FAILURES, Contest, Shadow
from waste_edge.device.models.shadow.process import ShadowProcess
from waste_edge.errors import EngineError
from waste_edge.imaging.frames import Pixels

COLOURS = {"blue": (30, 30, 220), "green": (30, 220, 30), "red": (220, 30, 30)}


def crop(label: str) -> Pixels:
    return np.full((20, 20, 3), COLOURS[label], np.uint8)


@pytest.fixture
def process(version: MakeVersion) -> Iterator[ShadowProcess]:
    """The real one, of a tiny bundle."""
    folder = version("2.0")
    with open_bundle(folder) as bundle:
        order = ShadowOrder(bundle=str(folder), digest=bundle.digest, artifact="onnx-int8", engine=None, looks=2)
        started = ShadowProcess(order, list(bundle.manifest.labels))
    yield started
    started.close()


@pytest.fixture
def contest(tiny_bundle: Path) -> Contest:
    with open_bundle(tiny_bundle) as bundle:
        manifest = bundle.manifest
    view = manifest.input.view
    return Contest(DecisionPolicy(manifest, own_streams(manifest)), (view, view), "answered", 1000)


def decided(number: int, label: str, seen: str, asked: bool = True, audit: bool = False) -> Event:
    """An item that looks like `seen`, and that the model in charge decided as `label`."""
    decision = Decision(label, label, 0.9, "for a test")
    return Event(
        id=f"{number:032x}",
        opened_ns=1,
        decided_ns=2,
        decision=decision,
        frames=3,
        looks=1,
        expires_s=60.0 if asked or audit else None,
        audit=audit,
        crop=crop(seen),
    )


def answer(number: int, stream: str, person: bool = True) -> Any:
    return SimpleNamespace(id=f"{number:032x}", stream=stream, answered_by_person=person)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_process_answers_as_the_network_does_and_comes_back_after_its_death(process: ShadowProcess) -> None:
    looks = process.ask(crop("red"))
    assert [look.best for look in looks] == ["red", "red"]
    assert all(look.latency_ms > 0 for look in looks)
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGSEGV)
    with pytest.raises(EngineError, match="ended by signal 11"):
        process.ask(crop("red"))
    assert process.ask(crop("blue"))[0].best == "blue"


def test_a_bundle_that_was_changed_is_not_loaded(process: ShadowProcess, version: MakeVersion) -> None:
    order = process._order
    other = ShadowProcess(
        ShadowOrder(bundle=order.bundle, digest="0" * 64, artifact="onnx-int8", engine=None, looks=1), ["a"]
    )
    with pytest.raises(EngineError, match="was changed since it was installed"):
        other.ask(crop("red"))


def test_answers_to_questions_and_audits_count_and_nothing_else(process: ShadowProcess, contest: Contest) -> None:
    shadow = Shadow(process, contest, ShadowFigures(candidate="c", in_charge="i"))
    shadow.start()
    for number, (label, seen, asked) in enumerate(
        [("red", "red", True), ("blue", "red", True), ("green", "blue", True), ("blue", "red", False)]
    ):
        shadow.decided(decided(number, label, seen, asked))
    wait_for(lambda: shadow.figures.by_candidate.items == 4)
    shadow.answered(answer(0, "red"))  # both are right
    shadow.answered(answer(1, "red"))  # the candidate alone
    shadow.answered(answer(2, "green"))  # the one in charge alone
    shadow.answered(answer(3, "red"))  # corrected unasked
    shadow.answered(answer(1, "red", person=False))  # nobody answered in time
    shadow.answered(answer(9, "red"))  # an item it was not shown
    wait_for(lambda: shadow.figures.tally.answered == 3)
    shadow.answered(answer(2, "blue"))  # corrected: the candidate was right after all
    wait_for(lambda: shadow.figures.tally.losses == 0)
    figures = shadow.figures
    shadow.stop()
    assert (figures.tally.both, figures.tally.wins, figures.tally.losses, figures.tally.neither) == (1, 2, 0, 0)
    assert figures.disagreements == 3
    assert figures.by_candidate.look_ms is not None
    assert "of 3 answered items it alone was right about 2, the other about 0" in figures.text


def test_judged_by_audits_alone_questions_do_not_count(process: ShadowProcess, contest: Contest) -> None:
    contest = Contest(contest.policy, contest.views, "audited", 1000)
    shadow = Shadow(process, contest, ShadowFigures(candidate="c", in_charge="i"))
    shadow.start()
    shadow.decided(decided(0, "blue", "red", asked=True))
    shadow.decided(decided(1, "blue", "red", audit=True))
    wait_for(lambda: shadow.figures.by_candidate.items == 2)
    shadow.answered(answer(0, "red"))
    shadow.answered(answer(1, "red"))
    wait_for(lambda: shadow.figures.tally.answered == 1)
    shadow.stop()
    assert shadow.figures.tally.wins == 1


def test_a_process_that_fails_again_and_again_is_refused(process: ShadowProcess, contest: Contest) -> None:
    class Failing(ShadowProcess):
        def ask(self, crop: Pixels) -> Any:
            raise EngineError("its process was ended by signal 11")

    shadow = Shadow(Failing(process._order, []), contest, ShadowFigures(candidate="c", in_charge="i"))
    shadow.start()
    for number in range(MOST_FAILURES):
        shadow.decided(decided(number, "red", "red"))
    wait_for(lambda: shadow.judgement.verdict == "refuse")
    shadow.stop()
    assert shadow.judgement.reason == "its process failed 5 times: its process was ended by signal 11"


def test_the_loop_never_waits_for_a_candidate_that_hangs(process: ShadowProcess, contest: Contest) -> None:
    class Hanging(ShadowProcess):
        def ask(self, crop: Pixels) -> Any:
            time.sleep(1.5)
            raise EngineError("no answer")

    shadow = Shadow(Hanging(process._order, []), contest, ShadowFigures(candidate="c", in_charge="i"))
    shadow.start()
    started = time.monotonic()
    for number in range(50):
        shadow.decided(decided(number, "red", "red"))
        shadow.answered(answer(number, "red"))
    assert time.monotonic() - started < 0.5
    assert shadow._missed >= 80
    shadow.stop()
