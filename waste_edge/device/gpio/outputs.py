"""Lights, relays and servos on gpiozero's devices. Each has a safe state, which it is in from the first moment on.

gpiozero is imported here and in `control.py`, and only when a station has a `[gpio]` table.
"""

from __future__ import annotations

from typing import Protocol

from gpiozero import AngularServo, DigitalOutputDevice

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.gpio.config import OutputConfig

BLINK_S = 0.5  # on, and off
_TURNED_NS = NS_PER_S  # a servo has turned by then, and is left without a signal: it would only tremble


class Output(Protocol):
    """One output. All methods are called in one thread."""

    def set(self, on: bool, now_ns: int) -> None:
        """Switch on or off; cheap if it is so already."""
        ...

    def blink(self, now_ns: int) -> None:
        """Ask for attention."""
        ...

    def close(self) -> None:
        """Give the pin back; the output is off."""
        ...


class Switch:
    """A light or a relay."""

    def __init__(self, config: OutputConfig) -> None:
        self._device = DigitalOutputDevice(config.pin, active_high=config.active_high is not False, initial_value=False)
        self._may_blink = config.kind == "light"

    def set(self, on: bool, now_ns: int) -> None:
        """See `Output.set`."""
        if bool(self._device.value) != on:
            self._device.value = on

    def blink(self, now_ns: int) -> None:
        """See `Output.blink`: a light blinks, a relay is on."""
        self.set(not self._may_blink or int(now_ns / NS_PER_S / BLINK_S) % 2 == 0, now_ns)

    def close(self) -> None:
        """See `Output.close`."""
        self._device.off()
        self._device.close()


class Servo:
    """A servo that opens and closes something."""

    def __init__(self, config: OutputConfig) -> None:
        self._config = config
        self._device = AngularServo(config.pin, initial_angle=config.closed)
        self._on = False
        self._turned_ns: int | None = None  # when it was told to turn; None once it has

    def set(self, on: bool, now_ns: int) -> None:
        """See `Output.set`."""
        if on != self._on:
            self._device.angle = self._config.open if on else self._config.closed
            self._on, self._turned_ns = on, now_ns
        elif self._turned_ns is not None and now_ns - self._turned_ns >= _TURNED_NS:
            self._device.detach()
            self._turned_ns = None

    def blink(self, now_ns: int) -> None:
        """See `Output.blink`: it opens."""
        self.set(True, now_ns)

    def close(self) -> None:
        """See `Output.close`."""
        self._device.angle = self._config.closed
        self._device.close()


def make_output(config: OutputConfig) -> Output:
    """The output of a table; raises what gpiozero does if the pin cannot be had."""
    return Servo(config) if config.kind == "servo" else Switch(config)
