"""Forty stations at one mosquitto and one Prometheus: is every event told once, and what breaks first?

    sudo apt-get install -y mosquitto prometheus
    python -m tests.fleet.try_out [--minutes 10] [--stations 40] [--out FILE]      or: make test-fleet

Each station is simulated (`stations.py`): its outbox, its MQTT sink and its metrics are the real ones, an item comes
every four seconds. After 40 % of the time the broker is stopped for ten seconds, as an upgrade does; from 60 to 75 %
the receiver is away. Then all is counted, at the receiver and in Prometheus, which is asked every question of the
dashboard. At last the broker is started with its default limits and the receiver leaves, to see how much is lost then.
Ends with 1 if an event was lost that should not be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.device.service.instances import machine
from tests.fleet.services import FleetReceiver, Prometheus, mosquitto, until
from tests.fleet.stations import SimulatedStation
from waste_edge.files.resources import shipped
from waste_edge.files.strict import Strict, read_json, to_json

EVERY_S, DOWN_S, BURST = 4.0, 10.0, 40
RESULTS = "benchmarks/results/fleet"


class Record(Strict, frozen=True):
    """One run of this program.

    Attributes:
        created, command, machine: when, by what, on what.
        versions: of mosquitto and Prometheus.
        stations, minutes, every_s: stations, for how long, and an item of each so often.
        events: committed by all stations.
        received, again: different ones that the receiver had; deliveries more than one of an event.
        latency_p50_ms, latency_p95_ms: from the commit to the receiver, while both were there.
        broker_away_s, receiver_away_s: how long each was away.
        drained_s: after the last item, until the receiver had all.
        scraped: stations that Prometheus has as up; counted: items that it has.
        series: time series in Prometheus; scrape_p95_ms: how long a scrape took.
        panels, answered: questions of the dashboard; those that got an answer.
        mosquitto_cpu_s, mosquitto_mb, prometheus_cpu_s, prometheus_mb: processor time, largest resident memory.
        burst, burst_lost: events while the receiver was away and the broker had its default limits; lost ones.
    """

    created: str
    command: str
    machine: str
    versions: list[str]
    stations: int
    minutes: float
    every_s: float
    events: int
    received: int
    again: int
    latency_p50_ms: float
    latency_p95_ms: float
    broker_away_s: float
    receiver_away_s: float
    drained_s: float
    scraped: int
    counted: int
    series: int
    scrape_p95_ms: float
    panels: int
    answered: int
    mosquitto_cpu_s: float
    mosquitto_mb: float
    prometheus_cpu_s: float
    prometheus_mb: float
    burst: int
    burst_lost: int


def tried(folder: Path, count: int, minutes: float) -> Record:
    """Run the trial."""
    seconds = 60 * minutes
    broker = mosquitto(folder / "broker", queued=0)
    broker.start()
    receiver = FleetReceiver(broker.port)
    stations = [SimulatedStation(folder / f"{number:02}", f"bin {number:02}", broker.port) for number in range(count)]
    scrape_s = 15 if minutes >= 5 else 5
    prometheus = Prometheus(folder / "prometheus", [station.port for station in stations], scrape_s)
    prometheus.start()
    time.sleep(2)
    began = time.monotonic()
    for station in stations:
        station.run(EVERY_S)
    _sleep_until(began + 0.4 * seconds)
    quiet_from = time.monotonic()
    broker.stop()
    time.sleep(DOWN_S)
    broker.start()
    _sleep_until(began + 0.6 * seconds)
    quiet_to = time.monotonic() + 0.15 * seconds
    receiver.leave()
    _sleep_until(quiet_to)
    receiver.come()
    _sleep_until(began + seconds)
    for station in stations:
        station.pause()
    ended, told = time.monotonic(), {name: at for station in stations for name, at in station.told.items()}
    until(lambda: len(receiver.came) >= len(told), 60)
    drained_s = max(receiver.came.values(), default=ended) - ended
    time.sleep(2 * scrape_s + 1)
    broker.look()
    prometheus.look()
    late = sorted(
        1e3 * (receiver.came[name] - at)
        for name, at in told.items()
        if name in receiver.came and not quiet_from - 1 <= at <= quiet_to + 5
    )
    panels = [target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"]]
    figures = {
        "events": len(told),
        "received": len(receiver.came.keys() & told.keys()),
        "again": receiver.again,
        "latency_p50_ms": round(late[len(late) // 2], 1),
        "latency_p95_ms": round(late[len(late) * 95 // 100], 1),
        "drained_s": round(max(0.0, drained_s), 1),
        "scraped": int(prometheus.number("sum(waste_edge_station_up)")),
        "counted": int(prometheus.number("sum(waste_edge_items_total)")),
        "series": int(prometheus.number("prometheus_tsdb_head_series") or prometheus.number('count({__name__=~".+"})')),
        "scrape_p95_ms": round(1e3 * prometheus.number("quantile(0.95, scrape_duration_seconds)"), 1),
        "panels": len(panels),
        "answered": sum(bool(prometheus.query(_filled(expression))) for expression in panels),
        "mosquitto_cpu_s": round(broker.cpu_s, 2),
        "mosquitto_mb": round(broker.peak_mb, 1),
        "prometheus_cpu_s": round(prometheus.cpu_s, 2),
        "prometheus_mb": round(prometheus.peak_mb, 1),
    }
    prometheus.stop()
    receiver.leave()
    for station in stations:
        station.end()
    broker.stop()
    lost = burst_lost(folder / "default", count)
    return Record(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=f"python -m tests.fleet.try_out --minutes {minutes:g} --stations {count}",
        machine=machine(),
        versions=[_version("/usr/sbin/mosquitto", "-h"), _version("prometheus", "--version")],
        stations=count,
        minutes=minutes,
        every_s=EVERY_S,
        broker_away_s=DOWN_S,
        receiver_away_s=round(0.15 * seconds, 1),
        burst=count * BURST,
        burst_lost=lost,
        **figures,  # type: ignore[arg-type]
    )


def burst_lost(folder: Path, count: int) -> int:
    """How many of `count * BURST` events are lost while the receiver is away and the broker has its default limits."""
    folder.mkdir()
    broker = mosquitto(folder / "broker", queued=None)
    broker.start()
    receiver = FleetReceiver(broker.port)
    time.sleep(2)
    receiver.leave()
    stations = [SimulatedStation(folder / f"{number:02}", f"bin {number:02}", broker.port) for number in range(count)]
    for _ in range(BURST):
        for station in stations:
            station.item()
    until(lambda: not any(station.waiting() for station in stations), 120)
    receiver.come()
    until(lambda: False, 10)
    told = {name for station in stations for name in station.told}
    receiver.leave()
    for station in stations:
        station.end()
    broker.stop()
    return len(told - receiver.came.keys())


def lines(record: Record) -> list[str]:
    """The record for people."""
    lost = record.events - record.received
    kept = record.burst - record.burst_lost
    return [
        f"{record.stations} stations, {record.minutes:g} minutes, {record.events} events: {lost} lost, "
        f"{record.again} told again",
        f"from commit to receiver: median {record.latency_p50_ms} ms, 95 % within {record.latency_p95_ms} ms; "
        f"all there {record.drained_s} s after the last",
        f"Prometheus: {record.scraped} stations up, {record.counted} items, {record.series} series, 95 % of scrapes "
        f"within {record.scrape_p95_ms} ms; {record.answered} of {record.panels} questions of the dashboard answered",
        f"mosquitto {record.mosquitto_cpu_s} s of CPU, {record.mosquitto_mb} MB; "
        f"Prometheus {record.prometheus_cpu_s} s, {record.prometheus_mb} MB",
        f"with mosquitto's default queue and the receiver away: {kept} of {record.burst} events kept, "
        f"{record.burst_lost} lost",
    ]


def _sleep_until(at: float) -> None:
    time.sleep(max(0.0, at - time.monotonic()))


def _dashboard() -> dict[str, list[dict[str, list[dict[str, str]]]]]:
    found: dict[str, list[dict[str, list[dict[str, str]]]]] = json.loads(
        shipped("device/grafana/waste-edge.json").read_text(encoding="utf-8")
    )
    return found


def _filled(expression: str) -> str:
    """A panel's question with what Grafana fills in."""
    for name, value in (("$__rate_interval", "1m"), ("$__range", "5m"), ("$instance", ".*"), ("$station", ".*")):
        expression = expression.replace(name, value)
    return expression


def _version(program: str, option: str) -> str:
    said = subprocess.run([program, option], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).partition("\n")[0].partition(" (")[0]


def main() -> int:
    """Try, or show what was tried."""
    parser = argparse.ArgumentParser(description="Try forty stations at one broker and one Prometheus.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--stations", type=int, default=40)
    parser.add_argument("--out", type=Path, help="write the record here")
    parser.add_argument("--show", type=Path, help="only print a recorded run")
    options = parser.parse_args()
    if options.show is not None:
        print("\n".join(lines(read_json(options.show, Record))))
        return 0
    with tempfile.TemporaryDirectory(prefix="fleet-", dir="/var/tmp") as name:
        record = tried(Path(name), options.stations, options.minutes)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(to_json(record), encoding="utf-8")
    print("\n".join(lines(record)))
    whole = record.events == record.received == record.counted and record.scraped == record.stations
    return 0 if whole and record.answered == record.panels else 1


if __name__ == "__main__":
    sys.exit(main())
