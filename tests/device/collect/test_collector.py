"""The collector: what it keeps and what not, that it never blocks, and what it says of a disk that fails."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.device.collect.crops import NO_FLOOR, crop_event, id_of, new_collector, pixels_of, run_jobs
from tests.device.collect.test_store import agree
from tests.device.telling import FakeWall
from waste_edge.device.answers.config import AnswersConfig
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.clock import SystemClock
from waste_edge.device.collect.answers import follow
from waste_edge.device.collect.collector import WAITING, Said
from waste_edge.device.collect.config import CollectConfig
from waste_edge.device.collect.index import Crop
from waste_edge.device.collect.store import CropStore
from waste_edge.device.decision.answer import Choices
from waste_edge.device.outbox.outbox import Outbox
from waste_edge.device.system.condition import Level
from waste_edge.device.system.disk import DiskLimits


def kept(state: Path) -> dict[str, Crop]:
    store = CropStore(state)
    try:
        agree(store)
        return {crop.id: crop for crop in store.index.crops()}
    finally:
        store.close()


def test_unsure_asked_and_audited_items_are_kept_and_sure_ones_are_not(tmp_path: Path, clock) -> None:
    collector, health = new_collector(tmp_path, clock)
    for number, kind in enumerate(("sure", "unsure", "asked", "audited")):
        collector.decided(crop_event(number, kind))
    run_jobs(collector)
    found = kept(tmp_path)
    assert {crop.id: crop.reasons for crop in found.values()} == {
        id_of(1): "unsure",
        id_of(2): "unsure,asked",
        id_of(3): "audited",
    }
    assert (found[id_of(3)].label, found[id_of(3)].stream, found[id_of(3)].confidence) == ("paper", "blue", 0.9)
    (condition,) = health.now()
    assert (condition.part, condition.level) == ("collect", Level.OK)
    assert condition.text.startswith("3 crops")


def test_the_picture_is_the_crop_without_any_metadata(tmp_path: Path, clock) -> None:
    for form, suffix in (("jpeg", "jpg"), ("png", "png")):
        collector, _ = new_collector(tmp_path / form, clock, CollectConfig(format=form))
        collector.decided(crop_event(5))
        run_jobs(collector)
        with Image.open(tmp_path / form / "collect" / f"{id_of(5)}.{suffix}") as picture:
            assert not picture.getexif()
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            difference = np.abs(np.asarray(picture.convert("RGB"), int) - pixels_of(5)).mean()
        assert difference < (0.01 if form == "png" else 12.0), "red is red"


def test_only_what_the_configuration_names_is_kept(tmp_path: Path, clock) -> None:
    collector, _ = new_collector(tmp_path, clock, CollectConfig(keep=("asked",)))
    for number, kind in enumerate(("sure", "unsure", "asked", "audited")):
        collector.decided(crop_event(number, kind))
    collector.note(Said(id_of(0), "metal", "yellow", True))
    run_jobs(collector)
    assert {crop.id: crop.reasons for crop in kept(tmp_path).values()} == {id_of(2): "asked"}


def test_a_whole_picture_is_never_kept(tmp_path: Path, clock) -> None:
    collector, _ = new_collector(tmp_path, clock)
    collector.decided(replace(crop_event(1), item_box=None))  # a picture of a folder
    collector.decided(replace(crop_event(2), crop=None))
    run_jobs(collector)
    assert kept(tmp_path) == {}


def test_a_correction_brings_a_sure_item_s_crop_to_the_disk(tmp_path: Path, clock) -> None:
    collector, _ = new_collector(tmp_path, clock)
    collector.decided(crop_event(1, "sure"))
    collector.decided(crop_event(2, "sure"))
    collector.note(Said(id_of(1), "metal", "yellow", True), Said(id_of(2), "paper", "blue", False))
    run_jobs(collector)
    (crop,) = kept(tmp_path).values()
    assert (crop.id, crop.reasons, crop.answer_label, crop.answer_stream) == (id_of(1), "corrected", "metal", "yellow")


def test_memory_for_later_corrections_is_bounded(tmp_path: Path, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    from waste_edge.device.collect import collector as module

    monkeypatch.setattr(module, "REMEMBERED_BYTES", 9000)
    collector, _ = new_collector(tmp_path, clock)
    for number in range(20):
        collector.decided(crop_event(number, "sure"))
    collector.note(Said(id_of(0), "metal", "yellow", True), Said(id_of(19), "metal", "yellow", True))
    run_jobs(collector)
    assert set(kept(tmp_path)) == {id_of(19)}, "the oldest are forgotten"


def test_the_loop_never_waits_and_what_is_dropped_is_said(tmp_path: Path, clock) -> None:
    collector, health = new_collector(tmp_path, clock)  # its thread hangs: it was not started
    began = time.perf_counter()
    for number in range(WAITING + 7):
        collector.decided(crop_event(number))
    assert time.perf_counter() - began < 1.0
    collector._jobs.get_nowait()
    run_jobs(collector)
    assert len(kept(tmp_path)) == WAITING - 1
    assert "7 crops were not kept" in health.now()[0].text


def test_below_the_disk_s_floor_nothing_is_added_and_the_oldest_go(tmp_path: Path, clock, monkeypatch) -> None:
    from waste_edge.device.collect import collector as module

    collector, _ = new_collector(tmp_path, clock)
    for number in range(3):
        collector.decided(crop_event(number))
    run_jobs(collector)
    free = iter([400.0, 400.0, 10.0, 10.0, 30.0, *[400.0] * 9])
    real = module.look_at
    monkeypatch.setattr(module, "look_at", lambda folder: replace(real(folder), free_mb=next(free)))
    collector, health = new_collector(tmp_path, clock, disk=DiskLimits(low_mb=500, full_mb=20))
    collector.decided(crop_event(7))
    run_jobs(collector)
    assert set(kept(tmp_path)) == {id_of(0), id_of(1), id_of(2)}
    (condition,) = health.now()
    assert condition.level is Level.WARN
    assert "less than 500 MB free" in condition.text
    assert "1 crops were not kept" in condition.text
    collector, _ = new_collector(tmp_path, clock, disk=DiskLimits(low_mb=500, full_mb=20))
    run_jobs(collector)
    assert set(kept(tmp_path)) == {id_of(2)}, "two had to go until there was room"


def test_age_counts_over_restarts_and_a_wrong_clock_deletes_nothing(tmp_path: Path, clock) -> None:
    wall = FakeWall()
    config = CollectConfig(max_days=2.0)
    for days in (0.0, 1.5, 0.0):
        collector, _ = new_collector(tmp_path, clock, config, wall=wall)
        collector.decided(crop_event(int(days * 2)))
        clock.sleep(days * 86_400)
        run_jobs(collector)
    assert set(kept(tmp_path)) == {id_of(0), id_of(3)}
    wall.jump(4000)
    wall.in_step = False
    run_jobs(new_collector(tmp_path, clock, config, wall=wall)[0])
    assert set(kept(tmp_path)) == {id_of(0), id_of(3)}
    wall.in_step = True
    run_jobs(new_collector(tmp_path, clock, config, wall=wall)[0])
    assert kept(tmp_path) == {}


def test_a_disk_that_cannot_be_written_is_said_and_does_not_end_the_thread(tmp_path: Path, clock) -> None:
    (tmp_path / "collect").write_text("a file where the folder should be", encoding="utf-8")
    collector, health = new_collector(tmp_path, clock)
    collector.decided(crop_event(1))
    run_jobs(collector)
    (condition,) = health.now()
    assert condition.level is Level.WARN
    (tmp_path / "collect").unlink()
    collector.decided(crop_event(2))
    run_jobs(collector)
    assert set(kept(tmp_path)) == {id_of(2)}
    assert health.now()[0].level is Level.OK
    assert "1 crops were not kept" in health.now()[0].text


def test_a_started_collector_keeps_all_and_ends(tmp_path: Path) -> None:
    collector, health = new_collector(tmp_path, SystemClock())
    collector.start()
    for number in range(20):
        collector.decided(crop_event(number))
    until = time.monotonic() + 60.0
    while not (now := health.now()) or not now[0].text.startswith("20 crops"):
        assert time.monotonic() < until
        time.sleep(0.02)
    collector.close()
    assert len(kept(tmp_path)) == 20
    assert "collect" not in {thread.name for thread in threading.enumerate()}
    assert health.now()[0].level is Level.OK


# --- answers ------------------------------------------------------------------------------------------------


def test_answers_label_crops_also_those_given_just_before_a_kill(tmp_path: Path, clock) -> None:
    choices = Choices({"paper": "blue", "cardboard": "blue", "metal": "yellow"}, "black")
    outbox = Outbox(tmp_path / "outbox.sqlite", "bin 1", clock, FakeWall())
    reviews = ReviewQueue(choices, AnswersConfig(), clock)
    reviews.open(outbox)
    collector, _ = new_collector(tmp_path, clock)
    follow(collector, reviews)

    def decide(number: int, kind) -> None:
        event = replace(crop_event(number, kind), expires_s=None if kind == "sure" else 60.0)
        reviews.note(outbox.commit(event, b""))
        collector.decided(event)

    def say(number: int, answer: str) -> None:
        taken = reviews.submit(id_of(number), answer, "page", "Ada")
        reviews.step()
        taken.result(0)

    decide(1, "asked")
    decide(2, "sure")
    decide(3, "asked")
    decide(4, "asked")
    say(1, "metal")
    say(2, "metal")
    run_jobs(collector)
    first = kept(tmp_path)
    assert first[id_of(1)].answer_label == "metal"
    assert (first[id_of(2)].reasons, first[id_of(2)].answer_label) == ("corrected", "metal")
    assert first[id_of(3)].answer_stream is None
    say(3, "blue")  # committed, and then the collector's thread is killed before it heard of it
    clock.sleep(200)
    reviews.step()  # nobody answers the fourth
    again, _ = new_collector(tmp_path, clock)
    follow(again, reviews)
    run_jobs(again)
    second = kept(tmp_path)
    assert (second[id_of(3)].answer_label, second[id_of(3)].answer_stream) == (None, "blue")
    assert second[id_of(4)].answer_stream is None, "an expired question is no answer"
    outbox.close()


# --- kill -9 ------------------------------------------------------------------------------------------------

_VICTIM = """
import sys
from pathlib import Path
from tests.device.collect.crops import crop_event, id_of, new_collector
from waste_edge.device.clock import SystemClock
from waste_edge.device.collect.collector import Said
from waste_edge.device.collect.config import CollectConfig
collector, _ = new_collector(Path(sys.argv[1]), SystemClock(), CollectConfig(max_mb=0.04))
collector.start()
print("ready", flush=True)
first = int(sys.argv[2])
for number in range(first, first + 100_000):
    collector.decided(crop_event(number, ("asked", "sure")[number % 2]))
    collector.note(Said(id_of(number), "metal", "yellow", True))
    while collector._jobs.full():
        pass
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_files_and_index_agree_after_the_next_start(tmp_path: Path, seed: int, clock) -> None:
    chance = random.Random(seed)
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", _VICTIM, str(tmp_path), str(1000 * seed)]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.05, 0.5))
        victim.send_signal(signal.SIGKILL)
    collector, health = new_collector(tmp_path, clock, CollectConfig(max_mb=0.04), NO_FLOOR)
    run_jobs(collector)
    found = kept(tmp_path)  # they agree
    assert sum(crop.bytes for crop in found.values()) <= 40_000
    assert health.now()[0].level is Level.OK
    for crop in found.values():
        picture = cv2.imread(str(tmp_path / "collect" / crop.file))
        assert picture is not None
        assert picture.shape == (48, 48, 3)
        assert (tmp_path / "collect" / crop.file).stat().st_size == crop.bytes
    # SQLite takes a journal that was not begun yet away with its next write.
    names = {path.name for path in (tmp_path / "collect").iterdir()} - {"index.sqlite-journal"}
    assert names == {"index.sqlite", *(crop.file for crop in found.values())}
