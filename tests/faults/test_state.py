"""What befalls the state folder, the configuration and the wall clock of a running station."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.conftest import require_tool, wait_until
from tests.faults.stations import Station, number_of, passing
from waste_edge.device.clock import NS_PER_S

pytestmark = pytest.mark.faults


@pytest.fixture
def make_station(tmp_path, tiny_bundle):
    stations: list[Station] = []

    def make(tables: str = "[json_lines]\n", state: Path | None = None) -> Station:
        stations.append(Station(tmp_path / "bin", tiny_bundle, tables, state))
        return stations[-1]

    yield make
    for station in stations:
        station.close()
        wait_until(lambda station=station: not station.left_behind())


def begin(station: Station, **environment: str) -> None:
    """Up to the first items."""
    station.start(**environment)
    station.wait_until_learned()
    station.film("items")
    wait_for_items(station, 2)


def decided(station: Station) -> list[str]:
    """The ids that the program printed."""
    return [said.line["id"] for said in list(station.said) if said.line.get("kind") == "decision"]


def wait_for_items(station: Station, count: int) -> None:
    """So many more decisions, which come one every cycle."""
    wanted = len(decided(station)) + count
    wait_until(lambda: len(decided(station)) >= wanted, seconds=60 + count * passing.CYCLE_S)


def wait_until_all_is_told(station: Station) -> list[str]:
    """Nothing more comes, and all that was decided is in the file, once and in order."""
    station.film("empty")
    station.wait_for(lambda said: said.line.get("state") == "empty", time.monotonic_ns())
    ids = decided(station)
    wait_until(lambda: [event["id"] for event in station.events()] == ids, seconds=120)
    numbers = [number_of(event) for event in station.events()]
    assert numbers == sorted(set(numbers))
    return ids


def test_a_disk_that_fills_stops_no_decision_and_loses_no_event(make_station, disk):
    disk.make_tmpfs(4)
    station = make_station(state=disk.path)
    begin(station)
    disk.fill()
    filled_ns = time.monotonic_ns()
    station.wait_for_health("outbox", "bad", "is full; free some space", since_ns=filled_ns)
    wait_for_items(station, 3)
    told = len(station.events())
    assert told < len(decided(station)), "it was never full"
    disk.make_room()
    room_ns = time.monotonic_ns()
    station.wait_for_health("outbox", "ok", since_ns=room_ns)
    wait_until_all_is_told(station)
    assert station.end() == 0


def test_a_disk_that_is_read_only_at_the_start_gets_its_events_when_it_can_be_written(make_station, disk):
    disk.make_ext4(8)
    station = make_station(state=disk.path)
    begin(station)
    before = wait_until_all_is_told(station)
    assert station.end() == 0
    disk.mount("-o", "remount,ro")
    station.film("items")
    station.start()
    station.wait_for_health("outbox", "bad", "read-only")
    wait_for_items(station, 2)
    assert len(station.events()) == len(before)
    disk.mount("-o", "remount,rw")
    station.wait_for_health("outbox", "ok")
    station.film("empty")
    wait_until(lambda: [event["id"] for event in station.events()] == [*before, *decided(station)])
    assert station.end() == 0


def test_a_disk_that_cannot_be_written_for_a_while_gets_its_events_afterwards(make_station, disk):
    disk.make_ext4(8)
    chattr = require_tool("chattr", "e2fsprogs")
    station = make_station(state=disk.path)
    begin(station)
    files = [station.state, *station.state.iterdir()]
    files = [path for path in files if path.name not in ("lost+found", "outbox.sqlite-shm")]
    subprocess.run([chattr, "+i", *files], check=True)
    failed_ns = time.monotonic_ns()
    station.wait_for_health("outbox", "bad", since_ns=failed_ns)
    wait_for_items(station, 2)
    assert len(station.events()) < len(decided(station))
    subprocess.run([chattr, "-i", *files], check=True)
    station.wait_for_health("outbox", "ok", since_ns=failed_ns)
    wait_until_all_is_told(station)
    assert station.end() == 0


def test_a_disk_that_breaks_off_under_way_has_all_of_before_when_it_is_mounted_again(make_station, disk):
    disk.make_ext4(8)
    station = make_station(state=disk.path)
    begin(station)
    before = wait_until_all_is_told(station)
    disk.mount("-o", "remount,abort")  # what ext4 does to itself when the card fails: read-only until mounted anew
    failed_ns = station.film("items")
    station.wait_for_health("outbox", "bad", since_ns=failed_ns)
    wait_for_items(station, 2)
    station.film("empty")
    assert station.end() == 2, "what exists in memory only is lost here, which is said at the end"
    disk.unmount()
    disk.mount("-o", "loop", str(disk.image))
    begin(station)
    station.film("empty")
    wait_until(lambda: [event["id"] for event in station.events()] == [*before, *decided(station)])
    assert station.end() == 0


def test_a_corrupt_database_is_set_aside_and_the_station_goes_on(make_station):
    station = make_station()
    begin(station)
    before = wait_until_all_is_told(station)
    assert station.end() == 0
    database = station.state / "outbox.sqlite"
    with database.open("r+b") as stream:
        for page in range(1, database.stat().st_size // 4096):
            stream.seek(page * 4096)
            stream.write(b"\xa5" * 2048)
    begin(station)
    station.wait_for_health("outbox", "warn", "set aside as outbox.corrupt-1")
    station.film("empty")
    wait_until(lambda: [event["id"] for event in station.events()] == [*before, *decided(station)])
    assert station.end() == 0
    assert (station.state / "outbox.corrupt-1").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("camra = 'auto'", "camra"),
        ("threads = 'four'", "threads"),
        ("threads = 0", "threads must be 1 to 64"),
        ("site = 'no_such_site'", "no_such_site"),
        ("[broken", "station.toml"),
    ],
)
def test_a_config_with_a_typo_at_the_start_is_named_in_one_line(make_station, line, words):
    station = make_station()
    station.configure(line)
    station.start()
    assert station.wait_for_end() == 2
    complaints = [said.text for said in station.said if not said.line]
    assert len(complaints) == 1
    assert words in complaints[0]


def test_a_config_with_a_typo_on_sighup_changes_nothing_until_it_is_mended(make_station):
    station = make_station()
    begin(station)
    station.configure("thread = 2")
    station.signal(signal.SIGHUP)
    station.wait_for_health("config", "warn", "thread")
    wait_for_items(station, 2)
    station.configure("threads = 2")
    mended_ns = time.monotonic_ns()
    station.signal(signal.SIGHUP)
    station.wait_for(lambda said: said.line.get("kind") == "start", mended_ns)
    station.wait_for_health("config", "ok", since_ns=mended_ns)
    wait_for_items(station, 2)
    wait_until_all_is_told(station)
    assert station.end() == 0


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long offset_s(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("WALL_OFFSET"), "r");
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && id == CLOCK_REALTIME) now->tv_sec += offset_s();
    return failed;
}
time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture
def wall_clock(tmp_path):
    """Sets the wall clock of processes that are started with its environment, and of no others."""
    (tmp_path / "wall.c").write_text(SHIM)
    library, offset = tmp_path / "wall.so", tmp_path / "offset"
    command = [require_tool("gcc", "gcc"), "-shared", "-fPIC", "-o", library, tmp_path / "wall.c", "-ldl"]
    subprocess.run(command, check=True)
    offset.write_text("0")

    def jump_to(days: int) -> None:
        draft = offset.with_suffix(".new")
        draft.write_text(str(days * 86_400))
        draft.replace(offset)

    jump_to.environment = {"LD_PRELOAD": str(library), "WALL_OFFSET": str(offset)}
    return jump_to


def test_a_clock_that_jumps_a_day_forward_and_two_back_moves_nothing_but_the_time_of_day(
    make_station, make_broker, receive, wall_clock
):
    broker = make_broker()
    station = make_station(f'[json_lines]\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n')
    begin(station, **wall_clock.environment)
    station.wait_for_health("mqtt", "warn", "connection refused")
    for days in (1, -1):
        wall_clock(days)
        jumped_ns = time.monotonic_ns()
        count = len(decided(station))
        wait_for_items(station, 3)  # a busy machine may leave one out
        cycles = (time.monotonic_ns() - jumped_ns) / NS_PER_S / passing.CYCLE_S
        assert len(decided(station)) - count <= cycles + 2, "one item a cycle, as before"
        gone = [said for said in station.said if said.time_ns > jumped_ns and not said.line]
        assert gone == [], "the camera was as good as before"
    broker.start()
    receiver = receive(broker)
    ids = wait_until_all_is_told(station)
    wait_until(lambda: set(receiver.counted) == set(ids))
    days = {event["time_utc"][:10] for event in station.events()}
    assert len(days) >= 3, f"the wall clock was not moved: {days}"
    ended_s = time.monotonic()
    assert station.end() == 0
    assert time.monotonic() - ended_s < 5


def test_the_shim_leaves_the_monotonic_clock_alone(wall_clock):
    code = "import time, json; print(json.dumps([time.time(), time.monotonic()]))"
    python = require_tool("python3", "python3")
    before = time.time(), time.monotonic()
    wall_clock(1)
    ran = subprocess.run([python, "-c", code], env=wall_clock.environment, check=True, capture_output=True, text=True)
    wall_s, monotonic_s = json.loads(ran.stdout)
    assert 86_000 < wall_s - before[0] < 87_000
    assert 0 <= monotonic_s - before[1] < 60
