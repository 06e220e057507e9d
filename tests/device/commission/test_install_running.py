"""A station that runs takes a commissioned head over, loses no item, and can be replayed to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.device.commission.pictures import COLOURS, picture
from tests.device.commission.test_dialogue import Film, held
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.commission.session import opened_session
from waste_edge.device.config import StationConfig
from waste_edge.device.models.store import ModelStore
from waste_edge.device.outbox.read_only import KeptItems
from waste_edge.device.replay.decide import Replay
from waste_edge.imaging.frames import Frame
from waste_edge.site import site_of_labels

pytestmark = [pytest.mark.long, pytest.mark.alone]

ITEMS, BEFORE = 20, 3  # in the film, and decided before the commissioning begins to install
SIZE_PX = 140


def things(count: int, seed: int) -> list[tuple[str, Any]]:
    labels = list(COLOURS)
    return [(labels[number % 3], picture(labels[number % 3], seed + number, SIZE_PX)) for number in range(count)]


def write_film(path: Path, shown: list[tuple[str, Any]]) -> None:
    """The film as a file, without loss."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10.0, (320, 240))
    film = Film(*(pixels for _, pixels in shown))
    for message in film._messages:
        if isinstance(message, Frame):
            writer.write(message.pixels[..., ::-1].copy())
    writer.release()


def commission(*options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "waste_edge", "commission", *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines_of(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def test_a_running_station_takes_the_head_over_between_two_items(tiny_bundle: Path, tmp_path: Path) -> None:
    state, config, film = tmp_path / "state", tmp_path / "station.toml", tmp_path / "film.avi"
    config.write_text(f'name = "bin"\nbundle = "{tiny_bundle}"\nengine = "onnx"\nstate = "{state}"\n')
    taught = things(12, 100)
    with opened_session(StationConfig(bundle=str(tiny_bundle), engine="onnx", state=str(state)), {}) as session:
        held(session, Film(*(pixels for _, pixels in taught)), script=tuple(label for label, _ in taught))
        assert {label: session.records.items(label) for label in COLOURS} == dict.fromkeys(COLOURS, 4)
    shown = things(ITEMS, 300)
    write_film(film, shown)
    run = [sys.executable, "-m", "waste_edge", "run", "--config", str(config), "--source", str(film), "--json"]
    installs, events, changes = None, [], []
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as station:
        for line in lines_of(station):
            if line["kind"] == "decision":
                events.append(line)
            elif line["kind"] == "model":
                changes.append((len(events), line))
            if len(events) == BEFORE and installs is None:
                installs = commission("--config", config, "--install")
    assert installs is not None
    with installs:
        output, _ = installs.communicate(timeout=120)
    assert (installs.returncode, station.returncode) == (0, 0), output
    assert len(events) == ITEMS, "no item was lost"
    (taken,) = [number for number, line in changes if line["action"] == "activated"]
    assert BEFORE <= taken < ITEMS - 2
    labels = [event["label"] for event in events]
    truth = [label for label, _ in shown]
    right = [one == other for one, other in zip(labels, truth, strict=True)]
    assert sum(right[:taken]) <= taken // 3, "to the shipped head each colour is another one's"
    after = right[taken + 1 :]  # the change may be told a moment before or after the item in hand
    assert sum(after) >= 0.8 * len(after), labels
    check_replay(state, tiny_bundle, taken)


def check_replay(state: Path, shipped: Path, taken: int) -> None:
    """Each item decided again by the bundle that decided it is what was told, to the bit."""
    store = ModelStore(state)
    entry = store.current()
    assert entry is not None
    with open_bundle(shipped) as parent, store.open(entry) as fitted:
        replays = {one.digest: Replay(one, site_of_labels(one.manifest.labels)) for one in (parent, fitted)}
        counts = dict.fromkeys(replays, 0)
        for item in KeptItems(state):
            assert item.looks is not None
            assert item.looks.setting.model is not None
            digest = item.looks.setting.model.bundle
            redone = replays[digest].redo(item)
            assert redone.after == redone.before, item.id
            counts[digest] += 1
        assert sum(counts.values()) == ITEMS
        assert abs(counts[parent.digest] - taken) <= 1
        assert counts[fitted.digest] >= 2
