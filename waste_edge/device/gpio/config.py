"""The table `[gpio]` of a station's configuration."""

from __future__ import annotations

from typing import Literal

from waste_edge.files.limits import MAX_HOLD_S, MAX_WATCHDOG_S
from waste_edge.files.strict import Strict

PINS = range(2, 28)  # of the header, as the board's maker numbers them (BCM); 0 and 1 are for its add-ons' EEPROM
_SERVO_DEG = 90.0


class OutputConfig(Strict, frozen=True, kw_only=True):
    """One table of `[[gpio.outputs]]`.

    Attributes:
        stream: of the site; `ask` is on while a question is open.
        pin: BCM number.
        kind: a light blinks while it asks; a relay never does; a servo turns.
        active_high: on is 3.3 V; many relay boards are on at 0 V. For a light or relay.
        hold_s: for so long after the decision.
        closed_deg, open_deg: angles of a servo, -90 to 90.
    """

    stream: str
    pin: int
    kind: Literal["light", "relay", "servo"] = "light"
    active_high: bool | None = None
    hold_s: float = 5.0
    closed_deg: float | None = None
    open_deg: float | None = None

    def __post_init__(self) -> None:
        _check_pin(self.pin)
        if not self.stream:
            raise ValueError("stream must not be empty")
        if not 0 < self.hold_s <= MAX_HOLD_S:
            raise ValueError(f"hold_s must be above 0 and up to {MAX_HOLD_S}, got {self.hold_s:g}")
        is_servo = self.kind == "servo"
        if is_servo and self.active_high is not None:
            raise ValueError("active_high is for a light or relay; a servo has closed_deg and open_deg")
        if not is_servo and (self.closed_deg, self.open_deg) != (None, None):
            raise ValueError(f"closed_deg and open_deg are for a servo, not for a {self.kind}")
        if is_servo and not (abs(self.closed) <= _SERVO_DEG and abs(self.open) <= _SERVO_DEG):
            raise ValueError(f"a servo turns from -90 to 90 degrees, got {self.closed:g} and {self.open:g}")

    @property
    def closed(self) -> float:
        """Angle of a servo at rest, in degrees."""
        return 0.0 if self.closed_deg is None else self.closed_deg

    @property
    def open(self) -> float:
        """Angle of a servo that lets an item in, in degrees."""
        return _SERVO_DEG if self.open_deg is None else self.open_deg


class ButtonConfig(Strict, frozen=True, kw_only=True):
    """One table of `[[gpio.buttons]]`: answers the newest open question.

    Attributes:
        pin: BCM number.
        answer: a label or stream of the site, or
        candidate: number of the candidate that it chooses, 1 for the likeliest.
        pull_up: the button connects the pin to ground; else to 3.3 V.
        bounce_s: changes within this time are one press.
    """

    pin: int
    answer: str = ""
    candidate: int = 0
    pull_up: bool = True
    bounce_s: float = 0.05

    def __post_init__(self) -> None:
        _check_pin(self.pin)
        if bool(self.answer) == bool(self.candidate) or not 0 <= self.candidate <= 5:
            raise ValueError("a button has either an answer, a label or stream, or a candidate from 1 to 5")
        if not 0 <= self.bounce_s <= 1:
            raise ValueError(f"bounce_s must be 0 to 1, got {self.bounce_s:g}")


class GpioConfig(Strict, frozen=True):
    """The table `[gpio]`: pins are used if it is there.

    Attributes:
        outputs: lights, relays and servos.
        buttons: for answers; they need `[answers]`.
        watchdog_s: all outputs are switched off when the loop has done nothing for so long.
    """

    outputs: tuple[OutputConfig, ...] = ()
    buttons: tuple[ButtonConfig, ...] = ()
    watchdog_s: float = 3.0

    def __post_init__(self) -> None:
        used: dict[int, str] = {}
        for part, pin in self.parts():
            if pin in used:
                raise ValueError(f"pin {pin} is used twice, by {used[pin]} and {part}; give each a pin of its own")
            used[pin] = part
        if not used:
            raise ValueError("[gpio] has neither outputs nor buttons; add [[gpio.outputs]], or remove it")
        if not 0.5 <= self.watchdog_s <= MAX_WATCHDOG_S:
            raise ValueError(f"watchdog_s must be 0.5 to {MAX_WATCHDOG_S}, got {self.watchdog_s:g}")

    def parts(self) -> list[tuple[str, int]]:
        """Each output and button in words, with its pin."""
        outputs = [(f"the {output.kind} of {output.stream}", output.pin) for output in self.outputs]
        buttons = [(f"the button for {button.answer or button.candidate}", button.pin) for button in self.buttons]
        return outputs + buttons


def _check_pin(pin: int) -> None:
    if pin not in PINS:
        raise ValueError(f"pin {pin}: expected a GPIO number (BCM) from {PINS.start} to {PINS.stop - 1}")
