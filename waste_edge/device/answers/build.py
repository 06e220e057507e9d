"""Building what asks and what is answered from a station's configuration; imports nothing where nobody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waste_edge.device.decision.item_tracker import asks_nobody
from waste_edge.errors import ConfigError

if TYPE_CHECKING:
    from waste_edge.device.answers.config import AnswersConfig
    from waste_edge.device.answers.review import ReviewQueue
    from waste_edge.device.clock import Clock
    from waste_edge.device.decision.answer import Choices
    from waste_edge.device.decision.item_tracker import Mark


def review_queue(config: AnswersConfig | None, has_state: bool, choices: Choices, clock: Clock) -> ReviewQueue | None:
    """The queue for people's answers; None without the table `[answers]`.

    Raises:
        ConfigError: there is no folder in which answers could be kept.
    """
    if config is None:
        return None
    if not has_state:
        raise ConfigError("[answers]: needs a folder where answers are kept: give --state DIR, or the key `state`")
    from waste_edge.device.answers.review import ReviewQueue

    return ReviewQueue(choices, config, clock)


def question_mark(config: AnswersConfig | None) -> Mark:
    """The function that marks the events which ask a person."""
    if config is None:
        return asks_nobody
    from waste_edge.device.decision.asking import Asking

    return Asking(config.expire_s, config.audit).marked
