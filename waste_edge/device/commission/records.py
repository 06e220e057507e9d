"""Records of a commissioning, in the station's state folder: what it is about, and every shot that was taken.

A line a shot, flushed before the next is asked for, so that a station that is stopped half-way loses none. A shot is
what the network said of a picture, no picture: nothing in the folder shows a person's hand or kitchen.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.commission import FOLDER, VIEW_NAME
from waste_edge.errors import ConfigError, UserError
from waste_edge.files.atomic import telling_a_full_disk, write_atomically
from waste_edge.files.bounded import open_file
from waste_edge.files.limits import MAX_COMMISSION_BYTES, MAX_COMMISSION_SHOTS
from waste_edge.files.strict import Strict, encode_json, read_json, to_json
from waste_edge.heads import Shots, Strangers, labels_over
from waste_edge.taxonomy import UNKNOWN, label_faults

SETUP_NAME, SHOTS_NAME, BUILDING = "setup.json", "shots.jsonl", ".bundle-"


class Setup(Strict, frozen=True):
    """Subject of a commissioning; it goes on only with the same.

    Attributes:
        bundle, digest: name and version of the bundle that it starts from, and SHA-256 of its manifest.
        labels: of its networks.
        own: labels of the station's own, and the label of the network's that each goes with at the bin.
        schema: 1.
    """

    bundle: str
    digest: str
    labels: list[str]
    own: dict[str, str] = msgspec.field(default_factory=dict)
    schema: Literal[1] = 1

    def __post_init__(self) -> None:
        if faults := label_faults(self.all_labels):
            raise ValueError(f"label {faults[0]}")
        for label, other in self.own.items():
            if label in self.labels:
                raise ValueError(f"{label!r} is a label of {self.bundle} already; show items of it, it needs no --own")
            if other not in self.labels:
                raise ValueError(
                    f"{label}={other}: {self.bundle} has no label {other!r}; it has {', '.join(self.labels)}"
                )

    @property
    def all_labels(self) -> list[str]:
        """The labels of the head: the network's, then the station's own."""
        return labels_over(self.labels, list(self.own))


class Shot(Strict, frozen=True, omit_defaults=True):
    """The network's answer to one look at an item.

    Attributes:
        item: its number, from 1; several shots of one item share it.
        label: what a person says it is; `unknown`: none of the labels.
        source: where the picture was from, for people.
        logits, features: float32, little-endian, in base64.
        hash: of the picture, 128 bits in hexadecimal; empty for its second look, and a very plain one.
        box: left, top, right, bottom of the item in shares of the frame; empty for a picture that it fills.
        rotate: degrees by which that frame was turned.
        light: number of the light that it was shown in; 0: nobody knows.
    """

    item: int
    label: str
    source: str
    logits: str
    features: str
    hash: str = ""
    box: tuple[float, ...] = ()
    rotate: int = 0
    light: int = 0


class Picture(Strict, frozen=True):
    """Origin of answers: the picture that they are about.

    Attributes:
        source, hash, box, rotate, light: see `Shot`.
        again: number of the item that is shown once more, in another position; 0: a new one.
    """

    source: str
    hash: str = ""
    box: tuple[float, ...] = ()
    again: int = 0
    rotate: int = 0
    light: int = 0


class Answer(msgspec.Struct, frozen=True):
    """The network's raw answer to one look: its logits (L,) and features (F,), float32."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


class Records:
    """The shots of one station's commissioning, in `STATE/commission/`.

    Attributes:
        setup: what it is about.
        shots: in the order in which they were taken.
    """

    def __init__(self, folder: Path, setup: Setup, shots: list[Shot]) -> None:
        self.folder = folder
        self.setup = setup
        self.shots = shots

    def items(self, label: str) -> int:
        """Count the items of a label."""
        return len({shot.item for shot in self.shots if shot.label == label})

    def add(self, label: str, answers: Sequence[Answer], picture: Picture) -> int:
        """Keep a picture's shots, on the disk, and return its item's number.

        Args:
            label: what it is.
            answers: of the network, one a look, at least one.
            picture: of which.

        Raises:
            UserError: the disk is full, or there are as many shots as are taken; what was kept before stays whole.
        """
        if len(self.shots) + len(answers) > MAX_COMMISSION_SHOTS:
            raise UserError(f"{self.folder}: has {len(self.shots)} shots; more are not taken: fit them, or --restart")
        number = picture.again or max((shot.item for shot in self.shots), default=0) + 1
        found = [
            Shot(
                item=number,
                label=label,
                source=picture.source,
                logits=_text(answer.logits),
                features=_text(answer.features),
                hash="" if look else picture.hash,
                box=picture.box,
                rotate=picture.rotate,
                light=picture.light,
            )
            for look, answer in enumerate(answers)
        ]
        self._append(b"".join(encode_json(shot) + b"\n" for shot in found))
        self.shots += found
        return number

    def items_by_light(self) -> dict[int, int]:
        """Count the items that were shown in each light, by its number; those of an unknown light are left out."""
        shown = {(shot.light, shot.item) for shot in self.shots if shot.light}
        return {light: sum(one == light for one, _ in shown) for light in sorted({light for light, _ in shown})}

    def undo(self) -> Shot | None:
        """Take back the item that was shown last, with all of its shots; None if there is none."""
        if not self.shots:
            return None
        last = self.shots[-1]
        left = [shot for shot in self.shots if shot.item != last.item]
        write_atomically(self.folder / SHOTS_NAME, b"".join(encode_json(shot) + b"\n" for shot in left))
        self.shots = left
        return last

    def known(self) -> Shots:
        """The shots of labels as arrays; none of them: of length 0."""
        labels = self.setup.all_labels
        own = [shot for shot in self.shots if shot.label != UNKNOWN]
        logits, features = _arrays(own)
        truth = np.array([labels.index(shot.label) for shot in own], np.int64)
        return Shots(logits, features, truth, np.array([shot.item for shot in own], np.int64))

    def strangers(self) -> Strangers | None:
        """The shots of what is none of the labels; None without such."""
        found = [shot for shot in self.shots if shot.label == UNKNOWN]
        return Strangers(*_arrays(found)) if found else None

    def hashes(self) -> dict[int, NDArray[np.bool_]]:
        """The pictures' hashes, bool (128,), by the number of the shot."""
        return {
            number: np.unpackbits(np.frombuffer(bytes.fromhex(shot.hash), np.uint8)).astype(bool)
            for number, shot in enumerate(self.shots)
            if shot.hash
        }

    def _append(self, content: bytes) -> None:
        path = self.folder / SHOTS_NAME
        with telling_a_full_disk("free some space and go on: what was shown before is kept"):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                before = os.fstat(handle).st_size
                try:
                    written = os.write(handle, content)
                    if written < len(content):
                        raise OSError(28, os.strerror(28))
                    os.fsync(handle)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(handle, before)
                    raise
            finally:
                os.close(handle)


@contextlib.contextmanager
def opened_records(state: Path, bundle: Bundle, own: dict[str, str], restart: bool = False) -> Iterator[Records]:
    """The records of a station, begun or resumed, for one process alone.

    Args:
        state: the station's folder.
        bundle: that it starts from.
        own: further labels, each with the network's label that it goes with; those from before stay.
        restart: forget what was shown before.

    Raises:
        ConfigError: another bundle than before, an own label that cannot be one, damaged records.
        UserError: the folder cannot be written, or another commissioning is going on.
    """
    folder = state / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); who owns the folder?") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{folder}: this station is being commissioned by another process; end that first"
            ) from error
        for left in folder.glob(f"{BUILDING}*"):  # by a power cut
            shutil.rmtree(left, ignore_errors=True)
        if restart:
            for name in (SHOTS_NAME, SETUP_NAME, VIEW_NAME):
                (folder / name).unlink(missing_ok=True)
        yield _read(folder, bundle, own)
    finally:
        os.close(handle)


def _read(folder: Path, bundle: Bundle, own: dict[str, str]) -> Records:
    manifest, path = bundle.manifest, folder / SETUP_NAME
    title = f"{manifest.name} {manifest.version}"
    before = read_json(path, Setup) if path.exists() else None
    if before is not None and before.digest != bundle.digest:
        raise ConfigError(
            f"{folder}: was begun with {before.bundle}, and the station now starts from {title}, whose features are "
            "others; go back to that bundle, or begin anew with --restart"
        )
    try:
        kept = {} if before is None else before.own
        setup = Setup(bundle=title, digest=bundle.digest, labels=manifest.network_labels, own=kept | own)
    except ValueError as error:
        raise ConfigError(f"--own {error}") from error
    if setup != before:
        write_atomically(path, to_json(setup))
    return Records(folder, setup, _read_shots(folder / SHOTS_NAME, setup, bundle.manifest.features))


def _read_shots(path: Path, setup: Setup, features: int) -> list[Shot]:
    """Every whole line; a last one that a power cut left half written is cut off."""
    try:
        with open_file(path, MAX_COMMISSION_BYTES) as stream:
            content = stream.read(MAX_COMMISSION_BYTES)
    except FileNotFoundError:
        return []
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); begin anew with --restart") from error
    lines = content.split(b"\n")
    shots = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            shot = msgspec.json.decode(line, type=Shot)
            fits = len(_numbers(shot.logits)) == len(setup.labels) and len(_numbers(shot.features)) == features
            if not fits or shot.label not in (*setup.all_labels, UNKNOWN):
                raise ValueError("does not go with setup.json")
        except (msgspec.DecodeError, ValueError) as error:
            raise ConfigError(f"{path}: line {number} is damaged ({error}); remove it, or --restart") from error
        shots.append(shot)
    if lines[-1]:
        write_atomically(path, content[: len(content) - len(lines[-1])])
    return shots


def _text(values: NDArray[np.float32]) -> str:
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def _numbers(text: str) -> NDArray[np.float32]:
    values = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    if not np.isfinite(values).all():
        raise ValueError("numbers that are not finite")
    return values


def _arrays(shots: Sequence[Shot]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits (N, L) and features (N, F) of shots."""
    logits = np.array([_numbers(shot.logits) for shot in shots], np.float64)
    return logits, np.array([_numbers(shot.features) for shot in shots], np.float64)
