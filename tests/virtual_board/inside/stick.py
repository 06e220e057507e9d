"""USB sticks with a model, plugged into a station under way: udev, the unit, what is taken and what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common import check, run_all, said
from service import DROP_IN, PROGRAM, UNIT, show, waits_for

ORDERS, KEYS = Path("/share/usb"), Path("/share/keys")
CONFIG, KEY, STATE = Path("/etc/waste-edge/station.toml"), Path("/etc/waste-edge/station.pub"), "/var/lib/waste-edge"
EVENTS = Path(STATE) / "events.jsonl"
STATION = (
    'name = "bin 1"\ncamera = "synthetic:2"\nbundle = "small"\n[models]\nshadow = false\n'
    '[json_lines]\npath = "events.jsonl"\n'
)
INSTALLED = Path("/opt/waste-edge/current/lib").glob("python3*/site-packages/waste_edge/_shipped")
ENDED = re.compile(
    r"^(Finished|Failed to start|Stopped|Dependency failed for) .*: a model on|: a model on .*skipped|Skipped due to",
    re.MULTILINE,
)
INSTALL_S = 240.0  # by the clock of an emulated board


@dataclass
class Stick:
    """A stick, which is plugged in as a context and pulled out at its end.

    Attributes:
        name: of its image.
        node: its file system's device, such as sda1.
        cursor: where the journal was before.
        lines: events of the station before.
        journal: what its unit said.
        seconds: until that was all.
    """

    name: str
    node: str = ""
    cursor: str = ""
    lines: int = 0
    journal: str = ""
    seconds: float = float("inf")

    def __enter__(self) -> Stick:
        before = disks()
        self.cursor = said("journalctl -b --lines=0 --show-cursor").rpartition("cursor: ")[2]
        self.lines = len(events())
        (ORDERS / f"{self.name}.plug").touch()
        if not until(lambda: bool(disks() - before), 60):
            raise TimeoutError(f"{self.name}: no new disk: {said('dmesg | tail -n 5')}")
        (disk,) = disks() - before
        until(lambda: bool(partitions(disk)), 2)
        self.node = (partitions(disk) or [disk])[0]
        return self

    def __exit__(self, *_: object) -> None:
        self.pull()

    def pull(self) -> bool:
        """Pull it out, if it is still there; returns whether no bit of it was changed."""
        same = ORDERS / f"{self.name}.same"
        if Path("/sys/class/block", self.node).exists():
            same.unlink(missing_ok=True)
            (ORDERS / f"{self.name}.pull").touch()
            until(lambda: not Path("/sys/class/block", self.node).exists(), 60)
            until(lambda: not (ORDERS / f"{self.name}.pull").exists(), 60)
        return same.exists()

    def wait(self) -> Stick:
        """Until its unit has ended, or was passed over."""
        started = time.monotonic()
        if until(lambda: ENDED.search(self.read()) is not None, INSTALL_S):
            self.seconds = time.monotonic() - started
        return self

    def read(self) -> str:
        units = " ".join(f"-u waste-edge-stick{part}@{self.node}.service" for part in ("", "-mount"))
        self.journal = said(f"journalctl -b -o cat {units} --after-cursor='{self.cursor}'")
        return self.journal

    def finished(self) -> bool:
        """Whether its unit came to its end; the unit that mounts it says so too, and does not count."""
        return f"Finished waste-edge-stick@{self.node}.service" in self.journal

    def line(self, words: str) -> str:
        """The line of its unit's journal with these words."""
        return next((line for line in self.journal.splitlines() if words in line), f"not said: {self.journal[-300:]}")

    def told(self, kind: str, words: str, seconds: float = 100) -> str:
        """The station's line of that kind since, with these words; empty if there is none.

        Health in other words of the same level is told once a minute; the sinks are told so every ten.
        """
        return self._first(
            lambda: said(f"journalctl -b -o cat -u {UNIT} --after-cursor='{self.cursor}'"), kind, words, seconds
        )

    def told_sink(self, words: str) -> str:
        """The station's health with these words, as its sink was given it."""
        return self._first(lambda: "\n".join(events()[self.lines :]), "health", words, 60)

    @staticmethod
    def _first(read: Callable[[], str], kind: str, words: str, seconds: float) -> str:
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in read().splitlines() if f'"kind":"{kind}"' in line and words in line]
            return bool(found)

        until(look, seconds)
        return found[0] if found else ""

    def unused(self) -> bool:
        """Whether it is soon mounted nowhere, in no namespace: then it can be had for oneself."""
        return until(self._is_free, 20)

    def _is_free(self) -> bool:
        try:
            os.close(os.open(f"/dev/{self.node}", os.O_RDONLY | os.O_EXCL))
        except OSError:
            return False
        return not Path("/run/waste-edge-stick", self.node).exists()


def disks() -> set[str]:
    return {path.name for path in Path("/sys/block").glob("sd*")}


def partitions(disk: str) -> list[str]:
    return sorted(path.name for path in Path("/sys/block", disk).glob(f"{disk}?"))


def events() -> list[str]:
    return EVENTS.read_text().splitlines() if EVENTS.exists() else []


def until(condition: Callable[[], bool], seconds: float) -> bool:
    started = time.monotonic()
    while not (true := condition()) and time.monotonic() - started < seconds:
        time.sleep(1)
    return true


def in_charge() -> str:
    """The installed model, as `model status` has it."""
    current = json.loads(said(f"{PROGRAM} model status --json", 120))["roles"]["current"]
    return "the configured bundle" if current is None else f"{current['name']} {current['version']}"


def warning(line: str) -> str:
    """Of a health line: the text of the part `model`, if it is a warning."""
    conditions = json.loads(line)["conditions"] if line else []
    return next((one["text"] for one in conditions if one["part"] == "model" and one["level"] == "warn"), "")


def installed() -> None:
    """The service before a synthetic camera, the key, and the commands at the head of the rule."""
    said(f"systemctl stop {UNIT}; rm -rf {STATE}/models {EVENTS}*")
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text("[Service]\nTimeoutStartSec=300\n")
    if not CONFIG.exists():
        said(f"{PROGRAM} service install", 400)
    CONFIG.write_text(STATION)
    shutil.copy(KEYS / "first.pub", KEY)
    (folder,) = INSTALLED
    rule = (folder / "device/usb/99-waste-edge-stick.rules").read_text()
    commands = "\n".join(re.findall("^#   sudo (.*)", rule, re.MULTILINE)).replace("&& sudo ", "&& ")
    told = said(f"set -e; cd {folder}; {commands}")
    said(f"systemctl restart {UNIT}", 400)
    seconds = waits_for("frames/s", 200)
    check("rule and unit are installed beside a station", not told and seconds < 200, f"{told}{show('StatusText')}")


def taken() -> None:
    take("newer", "small 101", "a FAT stick with a newer model, signed")


def take(name: str, title: str, about: str) -> None:
    with Stick(name) as stick:
        stick.wait()
        check(
            f"{about}: udev starts the unit",
            stick.node and stick.seconds < INSTALL_S,
            f"{stick.node}, done after {stick.seconds:.0f} s",
        )
        check("it is checked and taken", in_charge() == title, stick.line("is in charge"))
        told = stick.told("model", f'"model":"{title}"')
        check("the station tells it as an event", '"activated"' in told, told or "nothing")
        check("the stick is unmounted", stick.unused(), f"/dev/{stick.node} can be had for oneself")
        check("and not a bit of it is changed", stick.pull(), name)


def refused() -> None:
    for name, words, about in (
        ("unsigned", "not signed, and this device requires", "a model that is not signed"),
        ("older", "is version 100.9 of small, and 101 was in charge here", "an older model"),
        ("damaged", "is damaged (its SHA-256", "a model that was changed after signing"),
    ):
        refuse(name, words, about, "small 101")


def refuse(name: str, words: str, about: str, stays: str) -> None:
    with Stick(name) as stick:
        stick.wait()
        check(
            f"{about} is refused", "Failed with result" in stick.journal and words in stick.journal, stick.line(words)
        )
        check(f"{stays} stays", in_charge() == stays and stick.unused(), "the stick is unmounted")
        told = warning(stick.told("health", words))
        check("the station's health tells why", told, told or "nothing")
        if name == "unsigned":  # the level has changed
            told = warning(stick.told_sink(words))
            check("and its sink is told", told, told or "nothing")
        check("and not a bit of the stick is changed", stick.pull(), name)


def photographs() -> None:
    with Stick("photographs") as stick:
        stick.wait()
        said_so, told = stick.line("nothing to install"), stick.told("health", "holds no bundle", 10)
        ok = stick.finished() and "holds no bundle" in said_so and not told and stick.unused()
        check("a stick without a model is no trouble", ok, said_so)


def another_key() -> None:
    shutil.copy(KEYS / "second.pub", KEY)
    refuse("revoked", "signed by another key", "a model of a key that was revoked", "small 101")
    take("next", "small 103", "an ext4 stick without partitions, by the new key")


def pulled() -> None:
    """Pulled out in the middle, it changes nothing; plugged in again, it is taken."""
    with Stick("pulled") as stick:
        busy = until(lambda: "ok    checksums" in stick.read(), INSTALL_S)
        stick.pull()
        stick.wait()
        left = said(f"find {STATE}/models -name '.copying*'; mount | grep waste-edge-stick; ls /run/waste-edge-stick")
        check("a stick is pulled out while its model is checked", busy and not stick.finished(), stick.journal[-300:])
        check("and leaves all as it was", in_charge() == "small 103" and not left, [in_charge(), left])
        check("and the station goes on", "frames/s" in show("StatusText"), show("StatusText"))
    take("pulled", "small 104", "plugged in again")


def no_key() -> None:
    KEY.unlink()
    with Stick("unsigned") as stick:
        stick.wait()
        check("without a key none is taken", in_charge() == "small 104", stick.line("skipped"))
        check("and the stick is not mounted", stick.unused(), f"/dev/{stick.node} can be had for oneself")


if __name__ == "__main__":
    run_all((installed, taken, refused, photographs, another_key, pulled, no_key))
