"""SIGKILL at random moments, to the whole program, while items pass that do not wait for it."""

from __future__ import annotations

import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.conftest import wait_until
from tests.faults.stations import Life, Station, check_ledger

pytestmark = pytest.mark.faults
KILLS = int(os.environ.get("WASTE_EDGE_KILLS", "200"))  # fewer while one works on this
STATIONS = 4  # at the same time, each with its share of the kills
KILLS_BEFORE_A_BROKER = max(STATIONS, KILLS // 10)


def lead(station: Station, kills: int, seed: int) -> list[Life]:
    """A station's lives: the first begins before an empty bin, the last ends in peace once all was told."""
    randomly = random.Random(seed)
    station.start()
    station.wait_until_learned()
    filmed_ns = station.film("items")
    lives: list[Life] = []
    for _ in range(kills):
        if randomly.random() < 0.2:  # anywhere in its start
            time.sleep(randomly.uniform(0, 2))
        else:
            station.wait_for_verdict(0)
            time.sleep(randomly.uniform(0.1, 7))
        lives.append(station.kill(seen_from_ns=filmed_ns))
        station.start()
    station.film("empty")
    station.wait_for_verdict(0)
    time.sleep(3)  # an item that lay there at the last kill is no longer there: nothing more is counted
    assert station.end() == 0
    return lives


def lead_all(stations: list[Station], kills: int) -> list[list[Life]]:
    with ThreadPoolExecutor(len(stations)) as pool:
        futures = [
            pool.submit(lead, station, kills // len(stations), seed) for seed, station in enumerate(stations, start=1)
        ]
        return [future.result() for future in futures]


@pytest.fixture
def make_station(tmp_path, tiny_bundle):
    stations: list[Station] = []

    def make(name: str, tables: str = "[json_lines]\n", state: Path | None = None) -> Station:
        stations.append(Station(tmp_path / name, tiny_bundle, tables, state))
        return stations[-1]

    yield make
    for station in stations:
        station.close()


def assert_nobody_left(station: Station) -> None:
    wait_until(lambda: not station.left_behind())


@pytest.mark.timeout(3600)
def test_items_seen_whole_between_200_kills_are_in_the_file_once(make_station):
    stations = [make_station(f"bin-{number}") for number in range(STATIONS)]
    all_lives = lead_all(stations, KILLS)
    whole = 0
    for station, lives in zip(stations, all_lives, strict=True):
        assert_nobody_left(station)
        whole += check_ledger(station.events(), lives)
    counted = sum(len(station.events()) for station in stations)
    kills = sum(map(len, all_lives))
    print(f"{kills} kills, {counted} items counted, {whole} of them seen whole")
    assert whole > KILLS / 8, "hardly an item was seen whole"


@pytest.mark.timeout(3600)
def test_a_receiver_behind_a_broker_counts_each_item_once(make_station, make_broker, receive):
    broker = make_broker()
    broker.start()
    receiver = receive(broker)
    table = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    stations = [make_station(f"bin-{number}", f'{table}topic = "bin-{number}"\n') for number in range(2)]
    all_lives = lead_all(stations, KILLS_BEFORE_A_BROKER)
    whole = 0
    for number, lives in enumerate(all_lives):
        assert_nobody_left(stations[number])
        told = [json.loads(payload) for topic, payload, _ in receiver.messages if topic == f"bin-{number}/event"]
        counted = list({event["id"]: event for event in told}.values())
        whole += check_ledger(counted, lives)
        print(f"{len(lives)} kills, {len(told)} events told, {len(counted)} counted")
    assert whole > 0
