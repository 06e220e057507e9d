"""Sink protocol, and a sink's table in `station.toml`.

The next sink is a file beside this one, with its class and its `SinkConfig`, and a line in `StationConfig`
(`device/config.py`); one from another distribution is an entry point of the group `waste_edge.sinks` that leads to a
`SinkConfig` (docs/extend.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from waste_edge.device.outbox.record import Record
from waste_edge.device.outbox.snapshot import Snapshot
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.system.latest import Latest
from waste_edge.errors import UserError
from waste_edge.files.strict import Strict


class SinkError(UserError, OSError):
    """A sink cannot take what it is given now; the same events come again later."""


class Sink(Protocol):
    """Receiver of events. All methods are called in one thread of the sink's own, and may block there.

    A sink may also have `newest()`, the outbox id and sequence of what it was told last, or None; `doubt`, a text for
    its health while it takes events and something is odd; `attach(attachment)`, called before its thread starts; and
    `take_answers(reviews)`, likewise, with the `ReviewQueue` that answers are handed in to, if the station takes any.
    """

    @property
    def name(self) -> str:
        """One word of small letters and dashes; its cursor in the outbox and its condition go by it."""
        ...

    def deliver(self, records: Sequence[Record]) -> None:
        """Take events and answers, in order; on return they are safe there. The same may come again after a crash.

        An empty sequence comes at the start and while nothing happens: be reachable, and raise if not.

        Raises:
            SinkError: not all were taken; any OSError means the same.
        """
        ...

    def tell_health(self, conditions: Sequence[Condition]) -> None:
        """Take the state of the station's parts; only the newest matters. Raises as `deliver` does."""
        ...

    def close(self) -> None:
        """Say goodbye; raises nothing."""
        ...

    def probe(self) -> str:
        """Test for `doctor`, beside a station that may be running, whether events could be taken. Leaves no trace.

        Returns:
            Where they go, in words.

        Raises:
            SinkError: not now; the message says why.
        """
        ...


@dataclass(frozen=True)
class StationFacts:
    """Model and streams of a station.

    Attributes:
        streams: every stream that an item can go to, `ask` among them if a person can be asked.
        bundle: name and version of its model.
        page_url: of its own page; empty if it has none.
    """

    streams: tuple[str, ...] = ()
    bundle: str = ""
    page_url: str = ""


@dataclass(frozen=True)
class SinkContext:
    """The station that a sink is built for.

    Attributes:
        station: its name.
        state: its folder, where events wait.
        facts: nothing where no station is about to run, as for `doctor`.
    """

    station: str
    state: Path
    facts: StationFacts = StationFacts()


def _nothing() -> None:
    """Wakes nobody."""


@dataclass(frozen=True)
class Attachment:
    """Access to the station that a sink's delivery gives it.

    Attributes:
        snapshot: asks the outbox, in the sink's thread; raises sqlite3.Error if it cannot be read.
        wake: has `deliver` called soon, perhaps with nothing; for any thread.
        latest: figures and the last picture of the station.
    """

    snapshot: Callable[[], Snapshot] = Snapshot
    wake: Callable[[], None] = _nothing
    latest: Latest = field(default_factory=Latest)


class SinkConfig(Strict, frozen=True):
    """A sink's table in a station's configuration; the sink is there if its table is."""

    def build(self, context: SinkContext) -> Sink:
        """Build the sink; nothing is connected and nobody told yet.

        Raises:
            ConfigError: a file or variable that the table names is missing or of no use.
            MissingPackageError: a package that it needs is not installed.
        """
        raise NotImplementedError(f"{type(self).__name__} has no build method")

    def with_paths(self, table: str, folder: Path | None) -> Self:
        """The same with `~`, variables and relative paths filled in; `config_paths.as_path` does one.

        Args:
            table: what the table is called, for messages.
            folder: that of the file the table was read from; None: it was not read from a file, or was filled in.

        Raises:
            ConfigError: a path names a home or a variable that there is none of.
        """
        return self

    def secret_variables(self) -> tuple[str, ...]:
        """Variables of the environment that hold secrets: no other process is given them."""
        return ()

    def secret_files(self) -> tuple[str, ...]:
        """Files that hold secrets: the capture process does not see them."""
        return ()


def worst(conditions: Sequence[Condition]) -> Level:
    """The worst level among them; ok if there are none."""
    order = list(Level)
    return max((condition.level for condition in conditions), key=order.index, default=Level.OK)
