"""Memory of what a station is called at the broker and what it announced there, in its folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from waste_edge.device.sinks.mqtt.home_assistant.discovery import Announced
from waste_edge.device.sinks.mqtt.topics import Naming, naming_by_name, naming_of
from waste_edge.device.system.identity import installation_id, read_installation_id
from waste_edge.errors import UserError
from waste_edge.files.atomic import write_atomically
from waste_edge.files.bounded import read_bounded

NAME = "mqtt.json"
_MAX_BYTES = 1 << 20


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content: `installation` tells whether it was copied here with somebody else's card.

    `announced` has the platform by entity, of each discovery topic that holds something of ours.
    """

    installation: str
    topic: str
    node: str
    announced: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class Memory:
    """Names, and topics of announcements, across restarts. A folder that cannot be written forgets; nothing raises.

    Args:
        state: the station's folder.
        station: its name.
    """

    def __init__(self, state: Path, station: str) -> None:
        self._path = state / NAME
        self._state = state
        self._station = station
        self._kept: _Kept | None = None

    def naming(self, told_before: bool) -> Naming:
        """The station's names; decided once, when it is first connected.

        Args:
            told_before: it has told events already: without an id, it did so under the names of that time, which stay.
        """
        kept = self._kept or self._read()
        if kept is None:
            by_name = told_before and not read_installation_id(self._state) and not self._path.exists()
            naming = naming_by_name(self._station) if by_name else naming_of(installation_id(self._state))
            kept = _Kept(installation_id(self._state), naming.topic, naming.node)
            self._write(kept)
        self._kept = kept
        return Naming(kept.topic, kept.node)

    def look(self) -> Naming | None:
        """The names if they are decided already; nothing is written."""
        kept = self._kept or self._read()
        if kept is not None:
            return Naming(kept.topic, kept.node)
        installation = read_installation_id(self._state)
        return naming_of(installation) if installation else None

    @property
    def announced(self) -> Announced:
        """Discovery topics that were written to and not emptied since; after `naming`."""
        return {} if self._kept is None else self._kept.announced

    def announce(self, announced: Announced) -> None:
        """Note what holds something of ours from now on."""
        if self._kept is not None and announced != self.announced:
            topics = {topic: dict(parts) for topic, parts in announced.items()}
            self._kept = msgspec.structs.replace(self._kept, announced=topics)
            self._write(self._kept)

    def _read(self) -> _Kept | None:
        try:
            kept = msgspec.json.decode(read_bounded(self._path, _MAX_BYTES), type=_Kept)
        except (OSError, ValueError, msgspec.DecodeError):
            return None
        return kept if kept.installation == read_installation_id(self._state) else None

    def _write(self, kept: _Kept) -> None:
        try:
            write_atomically(self._path, msgspec.json.encode(kept))
        except UserError:
            return
