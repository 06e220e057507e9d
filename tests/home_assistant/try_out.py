"""A station and a real Home Assistant, with mosquitto between them.

    sudo apt-get install -y mmdebstrap mosquitto
    sudo .venv-dev/bin/python tests/home_assistant/try_out.py [--root DIR] [--log FILE]     or: make test-home-assistant

Makes a Debian 13 with Home Assistant under DIR (once), starts it with its MQTT integration and an automation as a user
writes one, and looks through its REST interface at what it makes of a station: entities, states, events, answers, what
is left after restarts, after a broker that lost its memory, and after another site. Prints a line a check with what
was found; ends with 1 if one failed. Nothing here is kept by the broker when it is killed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from program import HomeAssistant, until  # noqa: E402
from root import VERSION, make_root  # noqa: E402
from station import Station  # noqa: E402

from tests.device.telling import make_event  # noqa: E402
from tests.faults.conftest import Broker, Receiver  # noqa: E402
from waste_edge.device.clock import SystemClock  # noqa: E402
from waste_edge.device.outbox.outbox import Outbox  # noqa: E402
from waste_edge.device.system.condition import Level  # noqa: E402

ITEM, SELECT = "event.bin_1_item", "select.bin_1_answer"


class Trial:
    """The three programs, and what was found."""

    def __init__(self, root: Path, work: Path) -> None:
        self.work = work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self.broker = Broker(work, "allow_anonymous true")
        self.broker.start()
        self.home = HomeAssistant(root, self.broker.port)
        self.watcher = Receiver(self.broker)
        self.lines: list[str] = []
        self.right = True

    def station(self, **settings: Any) -> Station:
        return Station(self.work / "state", self.broker.port, **settings)

    def say(self, text: str) -> None:
        self.lines.append(text)
        print(text, flush=True)

    def check(self, name: str, found: Callable[[], Any], expected: Any, seconds: float = 20.0) -> None:
        """Wait until what is found is what is expected."""
        got = None

        def right() -> bool:
            nonlocal got
            got = found()
            return bool(got == expected)

        well = until(right, seconds)
        self.right &= bool(well)
        self.say(f"{'ok ' if well else 'BAD'} {name}: {got}" + ("" if well else f"; expected {expected}"))

    def fired(self) -> list[str]:
        """What the automation was triggered by."""
        return [payload.decode() for topic, payload, _ in list(self.watcher.messages) if topic == "trial/fired"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("/var/tmp/waste-edge-home-assistant/root"))
    parser.add_argument("--log", type=Path, help="write the lines to this file, too")
    given = parser.parse_args()
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        print("needs root, and: apt-get install mmdebstrap mosquitto", file=sys.stderr)
        return 2
    given.root.parent.mkdir(parents=True, exist_ok=True)
    make_root(given.root)
    trial = Trial(given.root, given.root.with_name("trial"))
    try:
        trial.say(f"Home Assistant {VERSION}, {mosquitto_version()}")
        trial.say(f"it starts: {trial.home.start():.0f} s")
        for chapter in (discovered, items, answers, restarts, lost_memory, another_site, styles, from_before, warnings):
            trial.say(chapter.__doc__ or "")
            chapter(trial)
    finally:
        trial.home.stop()
        trial.watcher.close()
        trial.broker.kill()
    if given.log is not None:
        given.log.write_text("\n".join(trial.lines) + "\n")
    return 0 if trial.right else 1


def mosquitto_version() -> str:
    said = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0]


def discovered(trial: Trial) -> None:
    """a station that is new"""
    station, home = trial.station(), trial.home
    station.fare()
    trial.check("its streams count 0", lambda: home.state("sensor.bin_1_items_metal"), "0")
    trial.check("and so do all items", lambda: home.state("sensor.bin_1_items"), "0")
    trial.check("it has no problem", lambda: home.state("binary_sensor.bin_1_problem"), "off")
    trial.check("no item yet", lambda: home.state(ITEM), "unknown")
    named = ["manufacturer", "model", "sw_version", "serial_number", "configuration_url"]
    facts = "{{ [" + ", ".join(f"device_attr('{ITEM}', '{name}')" for name in named) + "] }}"
    trial.say(f"    the device: {home.template(facts)}")
    entities = home.template(f"{{{{ device_entities(device_id('{ITEM}')) | sort }}}}")
    trial.say(f"    its entities: {entities}")
    for entity, unit in {
        "sensor.bin_1_temperature": "°C",
        "sensor.bin_1_latency": "ms",
        "sensor.bin_1_frame_rate": "frames/s",
        "sensor.bin_1_free_disk": "MB",
        "sensor.bin_1_waiting_events": None,
    }.items():
        known = home.attributes(entity)
        trial.check(f"{entity} has its unit", lambda known=known: known.get("unit_of_measurement"), unit)
        trial.say(f"    {home.state(entity)} {unit or ''}")
    station.fare(Level.BAD, "the picture is black; is the lens covered?")
    trial.check("a problem is one", lambda: home.state("binary_sensor.bin_1_problem"), "on")
    reason = "the picture is black; is the lens covered?"
    trial.check("with its reason", lambda: home.attributes("binary_sensor.bin_1_problem").get("reason"), reason)
    trial.check("and its part", lambda: home.attributes("binary_sensor.bin_1_problem").get("parts"), ["camera"])
    station.fare()
    trial.check("and ends", lambda: home.state("binary_sensor.bin_1_problem"), "off")
    said = "0.9.9"
    trial.watcher._client.publish("waste-edge/latest_version", said, qos=1, retain=True)
    trial.check("a newer version is offered", lambda: home.state("update.bin_1_version"), "on")
    trial.check("by its number", lambda: home.attributes("update.bin_1_version").get("latest_version"), said)
    station.end()
    trial.check("a station that ends is unavailable", lambda: home.state(ITEM), "unavailable")


def items(trial: Trial) -> None:
    """items"""
    station, home = trial.station(), trial.home
    trial.check("it is available again", lambda: home.state("sensor.bin_1_items"), "0")
    ids = [station.item("metal") for _ in range(3)]
    trial.check("three of metal in a row trigger three times", trial.fired, ids)
    trial.check("and count 3", lambda: home.state("sensor.bin_1_items_metal"), "3")
    trial.check("the total says since when", lambda: "last_reset" in home.attributes("sensor.bin_1_items_metal"), True)
    state_class = lambda: home.attributes("sensor.bin_1_items_metal").get("state_class")  # noqa: E731
    trial.check("as a total", state_class, "total")
    station.item("rest", "unknown", "residual")
    trial.check(
        "an item of no label is no unknown state", lambda: home.state("sensor.bin_1_last_item"), "not recognized"
    )
    trial.check("its event says so", lambda: home.attributes(ITEM).get("event_type"), "residual_rest")
    trial.check("with the label", lambda: home.attributes(ITEM).get("label"), "unknown")
    trial.check("a picture was taken", lambda: (home.state("image.bin_1_last_item") or "")[:2], "20")
    station.tell_again(0)
    time.sleep(3)
    trial.check("what is told again, as after a crash, triggers nothing", trial.fired, ids)
    trial.check("and the last one stays the last", lambda: home.attributes(ITEM).get("event_type"), "residual_rest")
    station.end()


def answers(trial: Trial) -> None:
    """answers"""
    station, home = trial.station(), trial.home
    trial.check("nothing is asked: no answer can be given", lambda: home.state(SELECT), "unavailable")
    asked = station.item("ask", "glass", "ask")
    trial.check("a question is open", lambda: home.state("sensor.bin_1_open_questions"), "1")
    trial.check("it can be answered", lambda: home.state(SELECT), "unknown")
    trial.check("by a stream", lambda: home.attributes(SELECT).get("options"), ["glass", "metal", "rest"])
    trial.check("its event has a type", lambda: home.attributes(ITEM).get("event_type"), "ask")
    home.ask("services/select/select_option", {"entity_id": SELECT, "option": "metal"})
    trial.check("the answer reaches the station", lambda: answered(station, asked), ("metal", "Home Assistant"))
    answer = "event.bin_1_answers"
    trial.check("and is an event", lambda: home.attributes(answer).get("event_type"), "answer_metal")
    trial.check("of this item", lambda: home.attributes(answer).get("id"), asked)
    trial.check("it counts", lambda: home.state("sensor.bin_1_items_metal"), "4")
    trial.check("and no longer as asked", lambda: home.state("sensor.bin_1_items_ask"), "0")
    trial.check("the question is closed", lambda: home.state("sensor.bin_1_open_questions"), "0")
    station.end()


def answered(station: Station, item_id: str) -> tuple[str, str] | None:
    item = station.reviews.find(item_id)
    return (item.answer.stream, item.answer.event["who"]) if item is not None and item.answer is not None else None


def restarts(trial: Trial) -> None:
    """Home Assistant restarts"""
    station, home, before = trial.station(), trial.home, trial.fired()
    station.fare(Level.BAD, "no camera")
    trial.check("a problem", lambda: home.state("binary_sensor.bin_1_problem"), "on")
    home.stop()
    ids = [station.item("metal"), station.item("glass")]
    trial.say(f"it starts again: {home.start():.0f} s")
    trial.check("what was retained is there", lambda: home.state("sensor.bin_1_items_metal"), "5")
    trial.check("the problem too", lambda: home.state("binary_sensor.bin_1_problem"), "on")
    trial.check("with its reason", lambda: home.attributes("binary_sensor.bin_1_problem").get("reason"), "no camera")
    time.sleep(3)
    trial.check("nothing is triggered by it", trial.fired, before)
    trial.check("nor by what it missed", lambda: ids[0] in trial.fired(), False)
    newer = station.item("metal")
    trial.check("the next item triggers once", trial.fired, [*before, newer])
    station.end()


def lost_memory(trial: Trial) -> None:
    """the broker is killed, and has kept nothing"""
    station, home, before = trial.station(), trial.home, trial.fired()
    station.fare()
    trial.check("it is there", lambda: home.state("sensor.bin_1_items_metal"), "6")
    trial.check("and well", lambda: home.state("binary_sensor.bin_1_problem"), "off")
    trial.broker.kill()
    trial.check("it is unavailable", lambda: home.state("sensor.bin_1_items_metal"), "unavailable", 60)
    newer = station.item("metal")
    station.fare()  # with what it has to say of the broker
    trial.watcher.forget_subscription()
    trial.broker.start()
    trial.watcher.wait_for_return()
    trial.check("all is back", lambda: home.state("sensor.bin_1_items_metal"), "7", 90)
    trial.check("the last item", lambda: home.state("sensor.bin_1_last_item"), "metal", 60)
    trial.check(
        "what it was told of itself is no problem", lambda: home.state("binary_sensor.bin_1_problem"), "off", 60
    )
    time.sleep(3)
    trial.check(
        "the item of that time triggers at most once", lambda: trial.fired()[len(before) :] in ([], [newer]), True
    )
    home.stop()
    trial.say(f"Home Assistant starts after that: {home.start():.0f} s")
    trial.check("and finds it all at the broker", lambda: home.state("sensor.bin_1_items_metal"), "7")
    station.end()


def another_site(trial: Trial) -> None:
    """another site, and another name"""
    home = trial.home
    station = trial.station(streams=("glass", "paper", "rest"))
    trial.check("a new stream is there", lambda: home.state("sensor.bin_1_items_paper"), "0")
    trial.check("the old one is gone", lambda: home.state("sensor.bin_1_items_metal"), None)
    trial.check(
        "the answers are the new ones", lambda: home.attributes(SELECT).get("options"), ["glass", "paper", "rest"]
    )
    trial.check("an item of it triggers", lambda: bool(station.item("paper")), True)
    trial.check("as such", lambda: home.attributes(ITEM).get("event_type"), "sort_paper")
    station.end()


def styles(trial: Trial) -> None:
    """one message for each entity, and back"""
    home = trial.home
    for style in ("entities", "device"):
        station = trial.station(discovery=style, streams=("glass", "paper", "rest"))
        station.item("paper")
        expected = {"entities": "2", "device": "3"}[style]
        trial.check(f"{style}: it goes on", lambda: home.state("sensor.bin_1_items_paper"), expected)
        named = home.template("{{ states.sensor | map(attribute='entity_id') | select('search', 'paper') | list }}")
        trial.say(f"    {named}")
        kept = lambda: sorted({name for name, said in retained(trial).items() if said and "homeassistant" in name})  # noqa: E731
        count = {"entities": False, "device": True}[style]
        trial.check("and the other style is gone", lambda: len(kept()) == 1, count)  # noqa: B023
        station.end()
    station = trial.station(home_assistant=False)
    trial.check("without home_assistant it is removed", lambda: home.state("sensor.bin_1_items_paper"), None)
    station.end()


def retained(trial: Trial) -> dict[str, bytes]:
    late = Receiver(trial.broker)
    time.sleep(1)
    late.close()
    return {topic: payload for topic, payload, kept in late.messages if kept}


def from_before(trial: Trial) -> None:
    """a station from before installations had ids"""
    home, state = trial.home, trial.work / "from-before"
    before, node, topic = outbox_that_told(state), "waste-edge_bin_7_7b2cc7", "waste-edge/bin_7_7b2cc7"
    before.close()
    say = lambda name, payload: trial.watcher._client.publish(name, payload, qos=1, retain=True)  # noqa: E731
    for key, read in {"items": "value_json.sequence", "last_item": "value_json.decision.label"}.items():
        device = {"identifiers": [node], "name": "bin 7", "model": "waste-edge", "sw_version": "0.1.0"}
        config = {"name": key.replace("_", " ").capitalize(), "state_topic": f"{topic}/last", "device": device}
        config |= {"value_template": f"{{{{ {read} }}}}", "unique_id": f"{node}_{key}"}
        say(f"homeassistant/sensor/{node}/{key}/config", json.dumps(config))
    say(f"{topic}/last", json.dumps({"sequence": 3, "decision": {"label": "paper"}}))
    trial.check("as it was", lambda: home.state("sensor.bin_7_items"), "3")
    station = Station(state, trial.broker.port, name="bin 7")
    trial.check("its topics stay", lambda: station.topic, topic)
    trial.check("its entities go on", lambda: home.attributes("sensor.bin_7_items").get("state_class"), "total")
    trial.check("under their names", lambda: home.state("sensor.bin_7_items_2"), None)
    trial.check(
        "as one device", lambda: home.template("{{ device_attr('sensor.bin_7_items', 'model') }}"), "Sorting station"
    )
    left = lambda: sorted(name for name, said in retained(trial).items() if said and node in name and "config" in name)  # noqa: E731
    trial.check("announced by one message", left, [f"homeassistant/device/{node}/config"])
    station.end()


def outbox_that_told(state: Path) -> Outbox:
    """An outbox whose sink has had three events."""
    state.mkdir(parents=True)
    outbox = Outbox(state / "outbox.sqlite", "bin 7", SystemClock())
    for number in range(3):
        outbox.commit(make_event(number), b"")
    reader = outbox.reader("mqtt")
    reader.pending(3)
    reader.move(3)
    return outbox


def warnings(trial: Trial) -> None:
    """what Home Assistant complained of"""
    written = trial.home.log.read_text(errors="replace").splitlines()
    ours = [line for line in written if ("WARNING" in line or "ERROR" in line) and "mqtt" in line]
    # The broker was killed; and going back to single messages leaves a device message that has no entities any more.
    expected = ("connect", "connection was lost", "No device components to cleanup")
    ours = [line for line in ours if not any(words in line for words in expected)]
    trial.check("nothing of the station", lambda: ours, [], 1)


if __name__ == "__main__":
    sys.exit(main())
