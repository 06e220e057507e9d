"""Pins on gpiozero's mock factory: what is on when, the safe state, the buttons, and a loop that dies."""

from __future__ import annotations

import struct
import sys
import time
from dataclasses import replace

import msgspec
import pytest

from tests.device.answers.test_review import ASKING, CHOICES, Station, asked_event
from tests.device.telling import id_of, make_event
from waste_edge.device.doctor.pins import check_pins
from waste_edge.device.gpio.config import ButtonConfig, GpioConfig, OutputConfig
from waste_edge.device.system.condition import Level
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError

pytest.importorskip("gpiozero", reason="gpiozero, of the extra gpio, is not installed")

from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPWMPin

from waste_edge.device.clock import SystemClock
from waste_edge.device.decision.policy import Decision
from waste_edge.device.gpio.control import GpioControl

OUTPUTS = (
    OutputConfig(stream="yellow", pin=17, hold_s=4),
    OutputConfig(stream="blue", pin=27, kind="relay", active_high=False, hold_s=4),
    OutputConfig(stream="black", pin=12, kind="servo", closed_deg=-30, open_deg=60, hold_s=4),
    OutputConfig(stream="ask", pin=22),
)
BUTTONS = (ButtonConfig(pin=5, answer="yellow", bounce_s=0), ButtonConfig(pin=6, candidate=1, bounce_s=0))


@pytest.fixture
def pins(monkeypatch):
    """The mock pins, by number."""
    factory = MockFactory(pin_class=MockPWMPin)
    monkeypatch.setattr(Device, "pin_factory", factory)
    yield factory.pin
    factory.reset()


class Board:
    """A station with pins; `step` lets the pins' thread do one round, with no thread."""

    def __init__(self, station: Station, config: GpioConfig, clock) -> None:
        self.station, self.clock = station, clock
        self.health = Health()
        self.control = GpioControl(config, CHOICES, station.queue, self.health, clock)
        station.queue.listen(self.control)

    def commit(self, event) -> None:
        self.station.commit(event)
        self.control.decided(event)

    def after(self, seconds: float = 0.0, alive: bool = True):
        self.clock.sleep(seconds)
        if alive:
            self.control._alive_ns = self.clock.now_ns()
        return self.control.step()


@pytest.fixture
def board(tmp_path, clock, pins):
    station = Station(tmp_path, clock)
    board = Board(station, GpioConfig(OUTPUTS, BUTTONS), clock)
    yield board
    board.control.close()
    station.outbox.close()


def on(pins) -> list[int]:
    """The outputs that are on: the servo by its pulse, the relay at 0 V."""
    servo = pins(12).state
    turned = servo is not None and abs(servo / 50e-3 - 1.0) < 1 and servo > 0.078  # 20 ms a period; 1.67 ms is 60 deg
    return [*([17] if pins(17).state else []), *([27] if not pins(27).state else []), *([12] if turned else [])]


def test_everything_is_off_at_the_start_and_at_the_end(board, pins):
    assert on(pins) == []
    assert pins(27).state, "a relay that is on at 0 V is off at 3.3 V"
    board.commit(make_event(1, stream="blue"))
    board.after()
    assert on(pins) == [27]
    board.control.close()
    assert pins(27).function == "input", "the pin is given back"
    board.control.close()


def test_the_output_of_the_items_stream_is_on_for_its_time_and_no_other(board, pins):
    board.commit(make_event(1, stream="yellow"))
    board.after()
    assert on(pins) == [17]
    board.commit(make_event(2, stream="blue"))
    board.after(1)
    assert on(pins) == [27]
    board.commit(make_event(3, stream="glass"))  # nothing is wired to it
    board.after(1)
    assert on(pins) == []
    board.commit(make_event(4, stream="black"))
    board.after(1)
    assert on(pins) == [12]
    board.after(4.1)
    assert on(pins) == []
    board.commit(make_event(5, stream="blue"))
    board.after(3.9)
    assert on(pins) == [27]
    board.after(0.2)
    assert on(pins) == []


def test_a_servo_is_left_without_a_signal_once_it_has_turned(board, pins):
    board.commit(make_event(1, stream="black"))
    board.after()
    assert pins(12).frequency == 50
    board.after(1.1)
    assert pins(12).frequency is None
    board.after(3)
    assert pins(12).frequency == 50, "it closes"
    board.after(1.1)
    assert pins(12).frequency is None


def test_a_light_blinks_while_a_question_is_open(board, pins):
    board.commit(asked_event(1))
    states = [board.after(0.25) and bool(pins(22).state) for _ in range(8)]
    assert True in states
    assert False in states
    board.station.say(1, "metal")
    board.after()
    assert not pins(22).state
    assert on(pins) == [17], "the answer opens its stream"


def test_an_answer_that_comes_too_late_moves_nothing(board, pins):
    board.commit(make_event(1, stream="blue"))
    board.after(10)
    board.station.say(1, "yellow")
    board.after()
    assert on(pins) == []


def test_nobody_answers_and_the_residual_opens(board, pins, clock):
    board.commit(asked_event(1))
    clock.sleep(ASKING.expire_s + 1)
    board.station.queue.step()
    board.after()
    assert on(pins) == [12]


def test_a_button_answers_the_newest_question(board, pins):
    board.commit(asked_event(1))
    board.commit(asked_event(2))
    pins(5).drive_low()
    pins(5).drive_high()
    board.station.queue.step()
    record = board.station.records()[-1]
    assert (record.id, record.stream, record.event["source"], record.event["who"]) == (
        id_of(2), "yellow", "gpio", "button on pin 5"
    )  # fmt: skip
    pins(6).drive_low()
    board.station.queue.step()
    assert (board.station.records()[-1].id, board.station.records()[-1].event["label"]) == (id_of(1), "paper")
    pins(5).drive_low()  # nothing is open
    board.station.queue.step()
    assert len(board.station.records()) == 4


def test_a_button_for_a_candidate_that_there_is_none_of_does_nothing(board, pins):
    several = Decision("ask", "unknown", 0.0, "3 things lie apart", "ask")
    board.commit(ASKING.marked(replace(make_event(1), decision=several)))
    pins(6).drive_low()
    board.station.queue.step()
    assert len(board.station.records()) == 1


def test_a_loop_that_does_nothing_any_more_switches_everything_off(board, pins):
    board.commit(make_event(1, stream="blue"))
    assert board.after().level is Level.OK
    condition = board.after(3.1, alive=False)
    assert condition.level is Level.BAD
    assert "the station has done nothing for 3 s" in condition.text
    assert on(pins) == []
    assert board.after(0.1).level is Level.OK
    assert on(pins) == [27], "it lives again, and the time is not over"


def test_the_thread_follows_the_loop_and_a_dead_one_is_safe(tmp_path, pins):
    station = Station(tmp_path, SystemClock())
    health = Health()
    config = GpioConfig((OutputConfig(stream="blue", pin=27, kind="relay", hold_s=60),), watchdog_s=0.5)
    control = GpioControl(config, CHOICES, None, health, SystemClock())
    control.start()
    control.decided(make_event(1, stream="blue"))
    deadline = time.monotonic() + 20
    while not pins(27).state and time.monotonic() < deadline:
        health.news(0)  # as the loop does, after every frame
        time.sleep(0.01)
    assert pins(27).state
    while pins(27).state and time.monotonic() < deadline:
        time.sleep(0.01)  # the loop hangs
    assert not pins(27).state
    assert "has done nothing" in health.now()[0].text
    control.close()
    station.outbox.close()


def test_a_pin_that_cannot_be_set_is_said_and_the_thread_goes_on(board, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError("no such line")

    with monkeypatch.context() as patch:
        patch.setattr(board.control._outputs[0], "set", fail)
        board.control.start()
        deadline = time.monotonic() + 20
        while not board.health.now() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "check the wiring" in board.health.now()[0].text


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "neither outputs nor buttons"),
        ({"outputs": [{"stream": "blue", "pin": 1}]}, r"pin 1: expected a GPIO number \(BCM\) from 2 to 27"),
        ({"outputs": [{"stream": "blue", "pin": 40}]}, "pin 40: expected"),
        ({"outputs": [{"stream": "", "pin": 4}]}, "stream must not be empty"),
        ({"outputs": [{"stream": "blue", "pin": 4, "hold_s": 0.0}]}, "hold_s must be above 0"),
        ({"outputs": [{"stream": "blue", "pin": 4, "kind": "bell"}]}, "Invalid enum value 'bell'"),
        ({"outputs": [{"stream": "blue", "pin": 4, "open_deg": 3.0}]}, "are for a servo, not for a light"),
        ({"outputs": [{"stream": "blue", "pin": 4, "kind": "servo", "active_high": True}]}, "for a light or relay"),
        ({"outputs": [{"stream": "blue", "pin": 4, "kind": "servo", "open_deg": 120.0}]}, "from -90 to 90"),
        ({"buttons": [{"pin": 4}]}, "either an answer, a label or stream, or a candidate"),
        ({"buttons": [{"pin": 4, "answer": "blue", "candidate": 1}]}, "either an answer"),
        ({"buttons": [{"pin": 4, "candidate": 1, "bounce_s": 2.0}]}, "bounce_s must be 0 to 1"),
        (
            {"outputs": [{"stream": "blue", "pin": 4}], "buttons": [{"pin": 4, "answer": "blue"}]},
            "pin 4 is used twice, by the light of blue and the button for blue",
        ),
        ({"outputs": [{"stream": "blue", "pin": 4}], "watchdog_s": 0.1}, "watchdog_s must be 0.5 to 60"),
    ],
)
def test_a_wrong_table_is_refused_with_its_reason(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, GpioConfig)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (GpioConfig((OutputConfig(stream="green", pin=4),)), "no stream 'green' at this site; expected one of black"),
        (GpioConfig(buttons=(ButtonConfig(pin=4, answer="wood"),)), "gpio.buttons: 'wood' is no label"),
    ],
)
def test_what_the_site_does_not_have_is_said_before_a_pin_is_touched(config, said, pins, clock):
    with pytest.raises(ConfigError, match=said):
        GpioControl(config, CHOICES, None, Health(), clock)


def test_a_pin_in_use_is_said_and_the_others_are_given_back(pins, clock):
    from gpiozero import LED

    taken = LED(27)
    with pytest.raises(ConfigError, match=r"\[gpio\]: .*GPIO27.*; the lines `gpio` of waste-edge doctor"):
        GpioControl(GpioConfig(OUTPUTS), CHOICES, None, Health(), clock)
    taken.close()
    GpioControl(GpioConfig(OUTPUTS), CHOICES, None, Health(), clock).close()


def test_a_machine_without_pins_is_said(monkeypatch, clock):
    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nowhere")
    with pytest.raises(ConfigError, match="this machine has no pins that can be used"):
        GpioControl(GpioConfig(OUTPUTS), CHOICES, None, Health(), clock)


class Kernel:
    """Answers as the kernel does (linux/gpio.h): a chip of 54 lines, some of them taken."""

    def __init__(self, taken: dict[int, str], label: str = "pinctrl-bcm2711") -> None:
        self.taken, self.label = taken, label

    def __call__(self, handle: int, request: int, buffer: bytearray) -> int:
        if request == 0x8044B401:
            assert len(buffer) == 68
            struct.pack_into("32s32sI", buffer, 0, b"gpiochip0", self.label.encode(), 54)
            return 0
        assert (request, len(buffer)) == (0xC100B405, 256)
        offset = struct.unpack_from("I", buffer, 64)[0]
        consumer = self.taken.get(offset)
        struct.pack_into("32s", buffer, 32, (consumer or "").encode())
        struct.pack_into("Q", buffer, 72, 0 if consumer is None else 1 | 4)
        return 0


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "gpiochip0").touch()
    return tmp_path


def test_doctor_names_who_has_a_pin(root):
    config = GpioConfig(OUTPUTS, BUTTONS)
    assert [(one.level, one.text) for one in check_pins(config, root, Kernel({}))] == [
        (Level.OK, "pins 17, 27, 12, 22, 5, 6 are free")
    ]
    found = check_pins(config, root, Kernel({17: "spi1 CS0", 27: "lg", 12: ""}))
    assert [(one.level, one.text) for one in found] == [
        (Level.BAD, "pin 17, the light of yellow: spi1 CS0 has it; choose another pin"),
        (
            Level.WARN,
            "pin 27, the relay of blue: a program has it by way of lgpio; well if that is the running station",
        ),
        (Level.BAD, "pin 12, the servo of black: the kernel has it; choose another pin"),
    ]


def test_doctor_knows_the_buses_that_take_pins(root):
    config = GpioConfig((OutputConfig(stream="blue", pin=2), OutputConfig(stream="yellow", pin=14)))
    assert check_pins(config, root, Kernel({}))[0].level is Level.OK
    (root / "dev" / "i2c-1").touch()
    (found,) = check_pins(config, root, Kernel({}))
    assert (found.level, found.text) == (
        Level.WARN,
        "pin 2, the light of blue: I2C (dtparam=i2c_arm=on) is on and uses it; switch that off or choose another pin",
    )


def test_doctor_says_that_there_is_no_header_or_no_library(root, monkeypatch):
    config = GpioConfig(OUTPUTS)
    (found,) = check_pins(config, root, Kernel({}, label="gpio-expander"))
    assert "no GPIO chip of the board" in found.text
    (root / "dev" / "gpiochip0").unlink()
    assert check_pins(config, root, Kernel({}))[0].level is Level.BAD
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'waste-edge[gpio]'" in check_pins(config, root)[0].text


def test_nothing_of_gpiozero_is_imported_by_a_configuration():
    import subprocess

    code = "import sys, waste_edge.device.config; print('gpiozero' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
