"""Taking the pins that a station's configuration names; imports nothing of gpiozero where it names none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from waste_edge.errors import ConfigError, MissingPackageError

if TYPE_CHECKING:
    from waste_edge.device.answers.review import ReviewQueue
    from waste_edge.device.clock import Clock
    from waste_edge.device.decision.answer import Choices
    from waste_edge.device.gpio.config import GpioConfig
    from waste_edge.device.loop import Listener
    from waste_edge.device.system.health import Health


def check_gpio(config: GpioConfig | None, choices: Choices, has_answers: bool) -> None:
    """Look at a table before any pin is taken.

    Raises:
        ConfigError: a stream or answer that the site does not have, or buttons at a station that takes no answers.
        MissingPackageError: gpiozero is not installed.
    """
    if config is None:
        return
    if config.buttons and not has_answers:
        raise ConfigError("[[gpio.buttons]] answer questions: add the table [answers], or remove them")
    try:
        from waste_edge.device.gpio.control import check_names
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("waste_edge"):
            raise
        raise MissingPackageError("[gpio] needs gpiozero; pip install 'waste-edge[gpio]'") from error
    check_names(config, choices)


@contextlib.contextmanager
def pins_in_use(
    config: GpioConfig | None, choices: Choices, reviews: ReviewQueue | None, health: Health, clock: Clock
) -> Iterator[list[Listener]]:
    """The listener that drives the pins, for as long as the block lasts; none without the table `[gpio]`.

    Raises:
        ConfigError: see `check_gpio`; or a pin cannot be had.
        MissingPackageError: gpiozero is not installed.
    """
    check_gpio(config, choices, reviews is not None)
    if config is None:
        yield []
        return
    from waste_edge.device.gpio.control import GpioControl

    control = GpioControl(config, choices, reviews, health, clock)
    try:
        if reviews is not None:
            reviews.listen(control)
        control.start()
        yield [control]
    finally:
        control.close()
