"""The process of a candidate: takes crops of items from the station, and answers what its network makes of them.

    python -m waste_edge.device.models.shadow.child SOCKET PARENT_PID

The first message is a `ShadowOrder`. Each further one is a crop, answered by one `ShadowAnswer`. A message is its
length in four bytes and msgpack. The station gives it little of the processor, a bound of memory, and no second chance.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import sys
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.device.capture.child import die_with_parent
from waste_edge.engines.classifier import Classifier
from waste_edge.engines.engine import load_engine
from waste_edge.engines.trial.trial import memory_limit
from waste_edge.errors import WasteEdgeError
from waste_edge.files.limits import MAX_FRAME_BYTES
from waste_edge.files.strict import Strict
from waste_edge.item import look_of

_NICE = 10  # what decides comes first
_LENGTH = struct.Struct("!I")
Message = TypeVar("Message")


class ShadowOrder(Strict, frozen=True):
    """The model to load.

    Attributes:
        bundle: path of its folder.
        digest: of its manifest.
        artifact: which network.
        engine: the plug-in that runs it; None: the package's own engine.
        looks: how often it is shown an item.
    """

    bundle: str
    digest: str
    artifact: ArtifactName
    engine: str | None
    looks: int


class ShadowCrop(Strict, frozen=True):
    """The picture of an item as the candidate's view has it, uint8 (height_px, width_px, 3)."""

    height_px: int
    width_px: int
    pixels: bytes


class ShadowLook(Strict, frozen=True):
    """Answer of the network to one look: see `Prediction`."""

    probabilities: list[float]
    known_score: float
    latency_ms: float


class ShadowAnswer(Strict, frozen=True):
    """The looks at one item; or why there is none, in one line."""

    looks: list[ShadowLook] = msgspec.field(default_factory=list)
    error: str = ""


def send_message(stream: socket.socket, message: object) -> None:
    """Send one message; raises OSError if the other side is gone or does not take it in time."""
    content = msgspec.msgpack.encode(message)
    stream.sendall(_LENGTH.pack(len(content)) + content)


def receive_message(stream: socket.socket, kind: type[Message]) -> Message | None:
    """Receive one message; None if the other side has hung up.

    Raises:
        OSError: it does not come in time, or is too long.
        msgspec.DecodeError: it is garbage.
    """
    head = _receive(stream, _LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME_BYTES + 4096:
        raise OSError(f"a message of {length} bytes")
    return msgspec.msgpack.decode(_receive(stream, length), type=kind)


def _receive(stream: socket.socket, length: int) -> bytes:
    content = bytearray()
    while len(content) < length:
        chunk = stream.recv(min(1 << 20, length - len(content)))
        if not chunk:
            return b""
        content += chunk
    return bytes(content)


def main(words: list[str]) -> int:
    """Serve until the station hangs up; returns the exit code."""
    handle, parent = map(int, words)
    die_with_parent(parent)
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stream = socket.socket(fileno=handle)
    order = receive_message(stream, ShadowOrder)
    if order is None:
        return 0
    try:
        classifier = _loaded(order)
    except WasteEdgeError as error:
        send_message(stream, ShadowAnswer(error=str(error)))
        return 2
    send_message(stream, ShadowAnswer())
    while (crop := receive_message(stream, ShadowCrop)) is not None:
        send_message(stream, _answer(classifier, crop, order.looks))
    return 0


def _loaded(order: ShadowOrder) -> Classifier:
    with open_bundle(Path(order.bundle)) as bundle:
        if bundle.digest != order.digest:
            raise WasteEdgeError(f"{order.bundle}: was changed since it was installed; install it again")
        memory_bytes = memory_limit(bundle.manifest, [order.artifact])
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        # Not tried in a child first: this is one.
        engine = load_engine(bundle.artifact(order.artifact), order.artifact, bundle.manifest, 1, order.engine)
        return Classifier(engine, bundle.manifest, order.artifact, bundle.known_scorer())


def _answer(classifier: Classifier, crop: ShadowCrop, looks: int) -> ShadowAnswer:
    pixels = np.frombuffer(crop.pixels, np.uint8).reshape(crop.height_px, crop.width_px, 3)
    view = classifier.manifest.input.view
    try:
        seen = [classifier.classify(look_of(pixels, view, number)) for number in range(looks)]
    except WasteEdgeError as error:
        return ShadowAnswer(error=str(error))
    return ShadowAnswer(
        looks=[
            ShadowLook(probabilities=one.probabilities.tolist(), known_score=one.known_score, latency_ms=one.latency_ms)
            for one in seen
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
