"""Outputs that follow the decisions, buttons that answer: a thread of their own, which the loop only leaves notes for.

The outputs are off at the start and at the end, and as long as the loop does nothing: a flap must not stand open
because the station hangs.
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from typing import Any

from gpiozero import Button
from gpiozero.exc import BadPinFactory, GPIOZeroError

from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.answer import Choices
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.gpio.config import ButtonConfig, GpioConfig
from waste_edge.device.gpio.outputs import Output, make_output
from waste_edge.device.loop import Listener
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.health import Health
from waste_edge.errors import ConfigError
from waste_edge.site import ASK

_STEP_S = 0.1
_PAUSE_S = 1.0  # after a pin that failed
_STOP_S = 0.5


class GpioControl(Listener, ReviewListener):
    """Drives the pins of one run; a listener of the loop and of the questions.

    Args:
        config: the table.
        choices: of the site, which the streams and answers are held against.
        reviews: takes the buttons' answers; None if the station asks nobody.
        health: is told how the pins fare, and of it that the loop lives.
        clock: times what is on.

    Raises:
        ConfigError: a stream or answer that the site does not have, or a pin that cannot be had.
    """

    def __init__(
        self, config: GpioConfig, choices: Choices, reviews: ReviewQueue | None, health: Health, clock: Clock
    ) -> None:
        check_names(config, choices)
        self._config = config
        self._reviews = reviews
        self._health = health
        self._clock = clock
        self._shown: tuple[str, int] = ("", 0)  # the stream that an item went to last, and when
        self._alive_ns = clock.now_ns()
        self._wake = threading.Event()
        self._condition: Condition | None = None
        self._stopping = False
        self._buttons: list[Any] = []
        self._outputs: list[Output] = []
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self._thread = self._new_thread()

    def _open(self) -> None:
        try:
            for output in self._config.outputs:
                self._outputs.append(make_output(output))
            for button in self._config.buttons:
                device = Button(button.pin, pull_up=button.pull_up, bounce_time=button.bounce_s or None)
                self._buttons.append(device)
                device.when_pressed = partial(self.press, button)
        except BadPinFactory as error:
            raise ConfigError(f"[gpio]: this machine has no pins that can be used ({error})") from error
        except (GPIOZeroError, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise ConfigError(f"[gpio]: {why}; the lines `gpio` of waste-edge doctor say who has a pin") from error

    # The loop's thread: these only leave notes.

    def start(self) -> None:
        """Start the thread, and watch the loop from now on."""
        self._alive_ns = self._clock.now_ns()
        self._thread.start()
        self._health.watch(self.alive)

    def alive(self) -> None:
        """Note that the loop lives; start the thread again if it died."""
        self._alive_ns = self._clock.now_ns()
        if not self._thread.is_alive() and not self._stopping:
            self._thread = self._new_thread()
            self._thread.start()

    def decided(self, event: Event) -> None:
        """See `Listener.decided`."""
        self._show(event.decision.stream)

    def answered(self, item: ReviewedItem) -> None:
        """See `ReviewListener.answered`: only an open question moves something; a corrected item has long gone."""
        if item.answer is not None and item.answer.previous_stream == ASK:
            self._show(item.stream)

    def _show(self, stream: str) -> None:
        self._shown = (stream, self._clock.now_ns())
        self._wake.set()

    # gpiozero's threads.

    def press(self, button: ButtonConfig) -> None:
        """Answer the newest open question; without one, a press means nothing."""
        questions = self._reviews.questions() if self._reviews is not None else ()
        if self._reviews is None or not questions:
            return
        item, answer = questions[-1], button.answer
        if button.candidate:
            candidates = item.candidates
            if len(candidates) < button.candidate:
                return
            answer = str(candidates[button.candidate - 1]["label"])
        self._reviews.submit(item.id, answer, "gpio", f"button on pin {button.pin}")

    # The thread of its own.

    def step(self) -> Condition:
        """Bring every output into the state that it should be in now."""
        now_ns = self._clock.now_ns()
        silent_s = (now_ns - self._alive_ns) / NS_PER_S
        if silent_s > self._config.watchdog_s:
            self._set_all(off=True, now_ns=now_ns)
            return Condition("gpio", Level.BAD, f"outputs are off: the station has done nothing for {silent_s:.0f} s")
        self._set_all(off=False, now_ns=now_ns)
        return Condition("gpio", Level.OK, f"{len(self._outputs)} outputs, {len(self._buttons)} buttons")

    def _set_all(self, off: bool, now_ns: int) -> None:
        stream, since_ns = self._shown
        asking = self._reviews is not None and bool(self._reviews.questions())
        for config, output in zip(self._config.outputs, self._outputs, strict=True):
            if config.stream == ASK and asking and not off:
                output.blink(now_ns)
                continue
            held = now_ns - since_ns < config.hold_s * NS_PER_S
            output.set(not off and config.stream == stream and held, now_ns)

    def close(self) -> None:
        """Switch everything off and give the pins back. May be called twice."""
        self._stopping = True
        self._wake.set()
        thread = getattr(self, "_thread", None)
        if thread is not None and thread.ident is not None:
            thread.join(_STOP_S)
        while self._buttons:
            with contextlib.suppress(Exception):
                self._buttons.pop().close()
        while self._outputs:
            with contextlib.suppress(Exception):
                self._outputs.pop().close()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="gpio", daemon=True)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            wait_s = _STEP_S
            try:
                condition = self.step()
            except Exception as error:  # noqa: BLE001 - whatever a pin does, the others are tried again and it is said
                condition = Condition("gpio", Level.BAD, f"a pin cannot be set: {error!r}; check the wiring")
                wait_s = _PAUSE_S
            if condition != self._condition:  # each time it is told, the loop looks through all of them
                self._health.set(condition)
            self._condition = condition
            self._clock.sleep(wait_s, self._wake)


def check_names(config: GpioConfig, choices: Choices) -> None:
    """Raise ConfigError for a stream or an answer that the site does not have."""
    known = [*choices.places(), ASK]
    for output in config.outputs:
        if output.stream not in known:
            raise ConfigError(
                f"gpio.outputs: no stream {output.stream!r} at this site; expected one of {', '.join(known)}"
            )
    for button in config.buttons:
        if button.answer:
            try:
                choices.meaning(button.answer)
            except ValueError as error:
                raise ConfigError(f"gpio.buttons: {error}") from error
