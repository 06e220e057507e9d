"""The MQTT sink at a real mosquitto: refusals, TLS hints, what is retained, and who else uses a name."""

from __future__ import annotations

import json
import subprocess

import cv2
import numpy as np
import pytest

from tests.device.telling import id_of, make_event
from tests.faults.conftest import require_tool, wait_until
from waste_edge.device.sinks.sink import StationFacts
from waste_edge.device.system.condition import Condition, Level
from waste_edge.errors import UserError


def commit(station, *numbers: int, stream: str = "paper") -> None:
    for number in numbers:
        station.outbox.commit(make_event(number, stream), b"pile")


def test_it_speaks_mqtt_5_and_a_batch_goes_through_however_few_messages_the_broker_takes_at_once(
    make_broker, receive, make_station
):
    broker = make_broker("allow_anonymous true", "max_inflight_messages 3")
    receiver, station = receive(broker), make_station(broker)
    commit(station, *range(90))
    while station.delivery.step() == 0.0:
        pass
    wait_until(lambda: receiver.counted == [id_of(number) for number in range(90)])
    assert station.sink._broker.says_refusals
    assert station.delivery.condition() == Condition("mqtt", Level.OK, "90 events delivered")


@pytest.fixture
def guarded(make_broker, tmp_path):
    """A broker whose access list is the test's to write: user `bin`, password `right`."""
    passwords = tmp_path / "passwords"
    tool = require_tool("mosquitto_passwd", "mosquitto")
    subprocess.run([tool, "-b", "-c", passwords, "bin", "right"], check=True, stderr=subprocess.DEVNULL)
    (tmp_path / "secret").write_text("right\n")

    def start(*rights: str):
        lists = tmp_path / "access-list"
        lists.write_text("\n".join(["user bin", *rights]) + "\n")
        return make_broker("allow_anonymous false", f"password_file {passwords}", f"acl_file {lists}")

    return start


@pytest.fixture
def known(tmp_path):
    """The settings by which a station is known to it."""
    return {"username": "bin", "password_file": str(tmp_path / "secret"), "topic": "waste-edge/yard"}


def test_what_the_access_list_denies_is_not_delivered_and_waits(guarded, make_station, known):
    allowed = ("status", "owner", "about", "counters", "streams/+", "figures", "health", "last")
    broker = guarded(*(f"topic write waste-edge/yard/{name}" for name in allowed), "topic write homeassistant/#")
    station = make_station(broker, **known)
    commit(station, 1, 2)
    station.delivery.step()
    text = station.delivery.condition().text
    assert "2 events wait: 127.0.0.1" in text
    assert "the broker refuses messages to waste-edge/yard/event (Not authorized): let the user bin write" in text
    assert "waste-edge/yard/# in its access list" in text
    assert len(station.outbox.reader("mqtt").pending(9)) == 2


def test_a_right_that_is_given_later_delivers_what_waited(guarded, receive, make_station, known, tmp_path):
    broker = guarded("topic read #")
    station = make_station(broker, **known)
    commit(station, 1, 2)
    station.delivery.step()
    assert station.delivery.condition().level is Level.WARN
    (tmp_path / "access-list").write_text("user bin\ntopic readwrite #\n")
    broker._process.send_signal(1)  # SIGHUP: mosquitto reads its lists again
    station.delivery.start()
    wait_until(lambda: station.delivery.condition() == Condition("mqtt", Level.OK, "2 events delivered"))


def test_a_broker_that_denies_discovery_alone_gets_the_events_and_is_doubted(guarded, make_station, known):
    station = make_station(guarded("topic readwrite waste-edge/#"), **known)
    commit(station, 1)
    station.delivery.step()
    condition = station.delivery.condition()
    assert condition.level is Level.WARN
    assert condition.text.startswith("1 events delivered; the broker refuses messages to homeassistant/device/waste-")
    assert "let the user bin write homeassistant/# in its access list" in condition.text


def test_doctor_publishes_for_real_and_disturbs_no_running_station(guarded, make_station, known):
    station = make_station(guarded("topic readwrite waste-edge/#", "topic readwrite homeassistant/#"), **known)
    commit(station, 1)
    station.delivery.step()
    link = station.sink._link
    assert "topics waste-edge/yard/…" in station.sink.probe()
    station.delivery.step()
    assert station.sink._link is link
    assert station.delivery.condition() == Condition("mqtt", Level.OK, "1 events delivered")


def test_doctor_says_what_is_denied(guarded, make_station, known):
    station = make_station(guarded("topic read #"), **known)
    with pytest.raises(UserError, match=r"refuses messages to waste-edge/yard/probe \(Not authorized\)"):
        station.sink.probe()


def test_a_probe_leaves_nothing(broker, receive, make_station):
    station = make_station(broker)
    station.delivery.step()
    receiver = receive(broker)
    station.sink.probe()
    wait_until(lambda: any(topic.endswith("/probe") for topic, _, _ in receiver.messages))
    assert not [topic for topic, _, _ in receive(broker).messages if topic.endswith("/probe")]


def test_doctor_names_the_topics_before_the_first_start_without_making_any(broker, make_station, tmp_path):
    station = make_station(broker)
    before = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert "its topics are named at the station's first start" in station.sink.probe()
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == before


def test_a_broker_that_was_killed_without_saving_is_told_everything_again(broker, receive, make_station):
    station = make_station(broker, home_assistant=True)
    station.delivery.start()
    station.delivery.tell_health([Condition("camera", Level.BAD, "blocked")])
    commit(station, 1, 2)
    commit(station, 3, stream="glass")
    topic = station.topic
    first = receive(broker)
    wait_until(lambda: first.newest(f"{topic}/streams/glass") == "1" and first.newest(f"{topic}/health"))
    first.close()
    broker.kill()
    broker.start()
    late = receive(broker)
    station.delivery._wake.set()  # or after the five seconds between two looks
    wait_until(lambda: late.newest(f"{topic}/health") and late.newest(f"{topic}/last"))
    counters = json.loads(late.newest(f"{topic}/counters"))
    assert (counters["items"], counters["streams"]) == (3, {"glass": 1, "paper": 2, "rest": 0})
    assert counters["last_reset"].endswith("Z")
    assert late.newest(f"{topic}/streams/paper") == "2"
    assert json.loads(late.newest(f"{topic}/last"))["id"] == id_of(3)
    assert late.newest(f"{topic}/status") == "online"
    wait_until(lambda: late.newest(f"homeassistant/device/waste-edge_{topic.split('/')[1]}/config") != "")
    assert late.told == []  # events are told once, and these were


def test_counters_tell_what_happened_while_nobody_could_be_told(broker, receive, make_station):
    station = make_station(broker)
    commit(station, *range(150))
    receiver = receive(broker)
    station.delivery.step()
    topic = station.topic
    wait_until(lambda: receiver.newest(f"{topic}/streams/paper") == "150")
    station.delivery.step()
    wait_until(lambda: len(receiver.told) == 150)
    counted = [int(payload) for name, payload, _ in receiver.messages if name == f"{topic}/streams/paper"]
    assert counted == sorted(counted)  # a counter never goes back and forth


def test_another_outbox_counts_from_0_and_says_since_when(broker, receive, make_station, tmp_path):
    station = make_station(broker)
    commit(station, 1, 2)
    station.delivery.step()
    receiver, topic = receive(broker), station.topic
    wait_until(lambda: receiver.newest(f"{topic}/counters") != "")
    before = json.loads(receiver.newest(f"{topic}/counters"))
    station.stop()
    (tmp_path / "state" / "outbox.sqlite").unlink()
    after = make_station(broker)
    assert after.topic == topic
    after.delivery.step()
    wait_until(lambda: json.loads(receiver.newest(f"{topic}/counters"))["outbox_id"] != before["outbox_id"])
    now = json.loads(receiver.newest(f"{topic}/counters"))
    assert (before["items"], now["items"]) == (2, 0)
    assert now["last_reset"] >= before["last_reset"]


def test_what_it_is_told_of_itself_is_never_why_it_could_not_be_told(broker, receive, make_station):
    station = make_station(broker)
    old = Condition("mqtt", Level.WARN, "since 14:02 UTC, 3 events wait: 127.0.0.1:1883: connection refused")
    station.delivery.tell_health([Condition("camera", Level.OK, "opened"), old])
    commit(station, 1)
    station.delivery.step()
    receiver = receive(broker)
    wait_until(lambda: receiver.newest(f"{station.topic}/health") != "")
    health = json.loads(receiver.newest(f"{station.topic}/health"))
    assert health["level"] == "ok"
    assert health["conditions"][1] == {"part": "mqtt", "level": "ok", "text": "1 events delivered"}


def test_two_stations_of_the_shipped_name_have_nothing_in_common(broker, receive, make_station):
    one, other = make_station(broker, "one"), make_station(broker, "other")
    for station in (one, other):
        commit(station, 1)
        station.delivery.start()
    receiver = receive(broker)
    for station in (one, other):
        wait_until(lambda station=station: receiver.newest(f"{station.topic}/streams/paper") == "1")
    assert one.topic != other.topic
    told = receiver.messages
    wait_until(lambda: len({topic for topic, _, _ in told if topic.startswith("homeassistant/device/")}) == 2)
    for station in (one, other):
        wait_until(
            lambda station=station: station.delivery.condition() == Condition("mqtt", Level.OK, "1 events delivered")
        )


def test_a_copied_card_takes_the_connection_and_the_cause_is_named(broker, make_station, tmp_path):
    one = make_station(broker, "one")
    one.delivery.step()
    (tmp_path / "copy").mkdir()
    for name in ("installation-id", "mqtt.json"):
        (tmp_path / "copy" / name).write_bytes((tmp_path / "one" / name).read_bytes())
    copy = make_station(broker, "copy")
    copy.delivery.step()
    wait_until(lambda: one.sink._link.lost)
    one.delivery.step()
    wait_until(lambda: one.delivery.step() and "another client took" in one.delivery.condition().text)
    assert "another client took this station's connection, by the same client id" in one.delivery.condition().text
    assert "remove installation-id and board-id" in one.delivery.condition().text
    (tmp_path / "copy" / "installation-id").unlink()
    copy.stop()
    mended = make_station(broker, "copy")
    assert mended.topic != one.topic


# paho leaves the socket of a failed handshake to Python's reference counting, which closes it, and says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_at_a_plain_port_and_the_reverse_name_the_remedy(make_broker, make_station, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "broker.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    plain = make_station(make_broker(), "plain", tls=True)
    plain.delivery.step()
    assert "no TLS (" in plain.delivery.condition().text
    assert "TLS usually has 8883; or give `tls = false`" in plain.delivery.condition().text
    encrypted = make_broker("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    reverse = make_station(encrypted, "reverse")
    reverse.delivery.step()
    assert "If it speaks TLS there, give `tls = true`" in reverse.delivery.condition().text


def test_figures_are_told_and_what_is_not_known_is_null(broker, receive, make_station):
    station = make_station(broker)
    station.sink._attachment.latest.set(temperature_c=48.251, frames_per_s=14.9)
    station.delivery.step()
    receiver = receive(broker)
    wait_until(lambda: receiver.newest(f"{station.topic}/figures") != "")
    assert json.loads(receiver.newest(f"{station.topic}/figures")) == {
        "temperature_c": 48.25,
        "latency_p50_ms": None,
        "frames_per_s": 14.9,
        "disk_free_mb": None,
        "waiting_events": 0,
    }


def test_a_model_that_took_over_is_told_once(broker, receive, make_station):
    station = make_station(broker)
    station.delivery.step()
    receiver = receive(broker)
    about = f"{station.topic}/about"
    wait_until(lambda: receiver.newest(about) != "")
    station.sink._attachment.latest.model = "small 4"
    for number in range(1, 4):
        commit(station, number)
        station.delivery.step()
    wait_until(lambda: receiver.told == [id_of(1), id_of(2), id_of(3)])
    told = [json.loads(payload)["bundle"] for topic, payload, _ in receiver.messages if topic == about]
    assert told[-1] == "small 4"
    assert told.count("small 4") == 1


@pytest.mark.parametrize("image", [False, True])
def test_a_picture_is_sent_only_if_it_is_asked_for_and_never_kept(broker, receive, make_station, image):
    station = make_station(broker, image=image)
    receiver = receive(broker)
    station.sink._attachment.latest.show(np.full((64, 48, 3), (200, 30, 30), np.uint8))
    commit(station, 1)
    station.delivery.step()
    wait_until(lambda: receiver.told == [id_of(1)])
    wait_until(lambda: receiver.newest(f"{station.topic}/last") != "")
    sent = [payload for topic, payload, _ in receiver.messages if topic == f"{station.topic}/image"]
    assert len(sent) == image
    if image:
        picture = cv2.cvtColor(cv2.imdecode(np.frombuffer(sent[0], np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert picture.shape == (64, 48, 3)
        assert np.abs(picture.mean((0, 1)) - (200, 30, 30)).max() < 4
        late = receive(broker)
        wait_until(lambda: late.newest(f"{station.topic}/last") != "")
        assert late.newest(f"{station.topic}/status") == "online"
        assert not [topic for topic, _, _ in late.messages if topic.endswith("/image")]


def announcements(receiver) -> list[dict]:
    told = list(receiver.messages)
    return [json.loads(payload) for topic, payload, _ in told if topic.startswith("homeassistant/device/")]


def test_home_assistant_that_starts_is_told_again(broker, receive, make_station):
    station = make_station(broker)
    station.delivery.step()
    receiver = receive(broker)
    wait_until(lambda: len(announcements(receiver)) == 1)
    receiver._client.publish("homeassistant/status", "online", qos=1).wait_for_publish(5)
    wait_until(lambda: station.delivery.step() and len(announcements(receiver)) == 2)


def test_a_newer_version_is_offered_once_somebody_says_which(broker, receive, make_station):
    station = make_station(broker)
    station.delivery.step()
    receiver = receive(broker)
    wait_until(lambda: len(announcements(receiver)) == 1)
    assert "version" not in announcements(receiver)[0]["components"]
    receiver._client.publish("waste-edge/latest_version", "9.9.9", qos=1, retain=True).wait_for_publish(5)
    wait_until(lambda: station.delivery.step() and len(announcements(receiver)) == 2)
    assert announcements(receiver)[1]["components"]["version"]["latest_version_topic"] == "waste-edge/latest_version"


def test_another_site_and_name_leave_nothing_behind(broker, receive, make_station, tmp_path):
    station = make_station(broker)
    station.delivery.step()
    topic = station.topic
    station.stop()
    facts = StationFacts(("glass", "metal", "rest"), "small 2")
    renamed = make_station(broker, name="another name", facts=facts)
    receiver = receive(broker)
    wait_until(lambda: len(announcements(receiver)) == 1)
    renamed.delivery.step()
    assert renamed.topic == topic
    wait_until(lambda: len(announcements(receiver)) == 2)
    (before, now) = announcements(receiver)
    assert (before["device"]["name"], now["device"]["name"]) == ("bin 1", "another name")
    assert before["device"]["identifiers"] == now["device"]["identifiers"]
    assert now["components"]["stream_paper"] == {"platform": "sensor"}  # which removes it
    assert now["components"]["stream_metal"]["state_class"] == "total"
