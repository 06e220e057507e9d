"""Stations of one board count each other, whatever becomes of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.device.boards import BOARDS
from waste_edge.device.system.board import Readings, Throttled
from waste_edge.device.system.neighbours import MOST, Neighbours
from waste_edge.device.system.shedding import Shedding, Step, Thresholds

JOIN = """
import sys
from pathlib import Path
from waste_edge.device.system.neighbours import Neighbours
with Neighbours(Path(sys.argv[1])).joined():
    print("joined", flush=True)
    sys.stdin.readline()
"""


def another(folder: Path) -> subprocess.Popen[str]:
    """A station of another process."""
    command = [sys.executable, "-c", JOIN, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "joined\n"
    return process


def test_each_is_counted_until_it_leaves(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Neighbours(folder).joined() as one:
        assert one.count() == 1
        with Neighbours(folder).joined() as other:
            assert (one.count(), other.count()) == (2, 2)
        assert one.count() == 1
    assert list(folder.iterdir()) == []


def test_one_that_was_killed_is_not_counted_and_its_file_goes(tmp_path: Path) -> None:
    with Neighbours(tmp_path).joined() as one:
        other = another(tmp_path)
        assert one.count() == 2
        other.kill()
        other.communicate()
        assert one.count() == 1
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("place", [None, "file/in/the/way"])
def test_without_a_folder_a_station_is_alone(tmp_path: Path, place: str | None) -> None:
    (tmp_path / "file").touch()
    with Neighbours(tmp_path / place if place else None).joined() as one:
        assert one.count() == 1


def test_the_folder_is_the_first_that_systemd_names(tmp_path: Path) -> None:
    given = f"{tmp_path / 'a'}:{tmp_path / 'b'}"
    with Neighbours.of_environment({"RUNTIME_DIRECTORY": given}).joined():
        assert len(list((tmp_path / "a").iterdir())) == 1
    with Neighbours.of_environment({}).joined() as alone:
        assert alone.count() == 1


def test_what_else_lies_there_counts_for_nothing_and_stays(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    (tmp_path / "link.station").symlink_to(tmp_path / "notes")
    with Neighbours(tmp_path).joined() as one:
        assert one.count() == 1
    assert (tmp_path / "notes").exists()


def test_a_folder_full_of_files_costs_little(tmp_path: Path) -> None:
    for number in range(2 * MOST):
        (tmp_path / f"{number}.station").touch()
    with Neighbours(tmp_path).joined() as one:
        assert one.count() == 1
        assert len(list(tmp_path.iterdir())) >= MOST


@pytest.mark.parametrize(("stations", "warm_fps", "hot_fps"), [(1, 5, 2), (2, 2.5, 1), (4, 1.25, 1), (8, 1, 1)])
def test_together_they_look_at_as_many_frames_as_one(stations: int, warm_fps: float, hot_fps: float) -> None:
    shedding = Shedding(stations=lambda: stations)
    for temperature_c, fps in ((81.0, warm_fps), (86.0, hot_fps)):
        load = shedding.see(Readings(temperature_c=temperature_c, throttled=Throttled()))
        assert load.min_interval_s == pytest.approx(1 / fps)
        assert (f"{stations} stations share this board" in load.condition().text) is (stations > 1)


def test_one_that_comes_while_the_board_is_hot_is_made_room_for() -> None:
    count = [1]
    shedding = Shedding(stations=lambda: count[0])
    hot = Readings(temperature_c=81.0)
    assert shedding.see(hot).min_interval_s == pytest.approx(0.2)
    count[0] = 2
    assert shedding.see(hot).min_interval_s == pytest.approx(0.4)
    assert shedding.see(Readings()).min_interval_s == pytest.approx(0.4)  # a board that stops telling
    cooled = [shedding.see(Readings(temperature_c=60.0)) for _ in range(3)]
    assert [load.step for load in cooled] == [Step.WARM, Step.WARM, Step.NONE]
    assert cooled[-1].min_interval_s == 0
    assert cooled[-1].condition().text == "looks at as many frames as come; 2 stations share this board"


def test_no_station_gets_more_than_alone() -> None:
    slow = Thresholds(warm_fps=0.5, hot_fps=0.2)
    assert slow.fps(Step.WARM, 4) == 0.5
    assert slow.fps(Step.HOT, 4) == 0.2


def test_a_recorded_board_that_throttles_is_shared(tmp_path: Path) -> None:
    assert BOARDS
    with Neighbours(tmp_path).joined() as one, Neighbours(tmp_path).joined():
        load = Shedding(stations=one.count).see(Readings(temperature_c=90.0))
        assert load.stations == 2
