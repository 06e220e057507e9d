"""Records of a station as its JSON lines have them, written by hand: a story that the test knows the truth of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

START_S = datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()  # a Monday
BOOT_S = 30.0  # the board has run for so long when the story begins


class Story:
    """Tells lines, one after the other, by a clock that the test moves."""

    def __init__(self, station: str = "bin 1", outbox_id: str = "a" * 32) -> None:
        self.station, self.outbox_id = station, outbox_id
        self.lines: list[dict[str, Any]] = []
        self.now_s = START_S
        self.boots = self.sequence = self.frame = 0
        self.in_step, self.wrong_by_s = True, 0.0
        self.booted_s = self.now_s - BOOT_S

    def wait(self, seconds: float) -> Story:
        self.now_s += seconds
        return self

    def reboot(self, off_s: float, in_step: bool = True, wrong_by_s: float = 0.0) -> Story:
        """Off for a while; then the clock may be wrong until it is put in step."""
        self.now_s += off_s
        self.booted_s, self.boots, self.frame = self.now_s, self.boots + 1, 0
        self.in_step, self.wrong_by_s = in_step, wrong_by_s
        return self

    def item(self, stream: str = "paper", **given: Any) -> str:
        """An item; returns its id."""
        self.sequence += 1
        self.frame += given.pop("frames", 30)
        item_id = f"{given.pop('number', self.sequence):032x}"
        action = given.pop("action", "ask" if stream == "ask" else "sort")
        decision = {
            "stream": stream,
            "label": given.pop("label", "unknown" if stream in ("ask", "other") else stream),
            "confidence": 0.9,
            "reason": "because",
            "action": action,
            "stream_probability": given.pop("probability", None if stream in ("ask", "other") else 0.9),
        }
        event = {
            "frames": 5,
            "frame": self.frame,
            "decision": decision,
            "expires_s": 120.0 if action == "ask" else None,
        }
        self.lines.append({"kind": "event", "id": item_id, **self._own(), **event, **given})
        return item_id

    def answer(self, item_id: str, stream: str, source: str = "page", corrects: bool = False, number: int = 1) -> None:
        self.sequence += 1
        said = {"label": stream, "stream": stream, "action": "sort", "source": source, "who": "", "corrects": corrects}
        self.lines.append({"kind": "answer", "id": item_id, "answer": number, **self._own(), **said})

    def health(self, **levels: str) -> None:
        """A line of health: `camera="bad: no camera"`; `ok` alone is well."""
        conditions = [
            {"part": part.replace("_", "-"), "level": said.partition(": ")[0], "text": said.partition(": ")[2]}
            for part, said in levels.items()
        ]
        self.lines.append(
            {
                "kind": "health",
                "outbox_id": self.outbox_id,
                "sequence": self.sequence,
                "time_utc": self._told()[:19] + "Z",
                "level": "ok",
                "conditions": conditions,
            }
        )

    def write(self, path: Path) -> Path:
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")
        return path

    def _own(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "outbox_id": self.outbox_id,
            "station": self.station,
            "boot_id": f"boot {self.boots}",
            "time_utc": self._told(),
            "clock_synchronized": self.in_step,
            "committed_ns": round((self.now_s - self.booted_s) * 1e9),
            "stream_items": 1,
        }

    def _told(self) -> str:
        told = datetime.fromtimestamp(self.now_s + self.wrong_by_s, UTC)
        return told.strftime("%Y-%m-%dT%H:%M:%S.") + f"{told.microsecond // 1000:03d}Z"
