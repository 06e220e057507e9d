"""The process that classifies uploaded pictures, one at a time, within limits of memory and time.

    python -m waste_edge.device.page.server.worker SOCKET PARENT_PID

Each packet brings a picture's name and, as a file descriptor, the picture. After a minute without one it ends.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.capture.child import die_with_parent
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.page.packets import ModelOrder
from waste_edge.engines.classifier import Classifier, prediction_fields
from waste_edge.engines.engine import load_engine
from waste_edge.engines.names import AUTO, ENGINES
from waste_edge.errors import PictureError, WasteEdgeError
from waste_edge.files.limits import MAX_PAGE_PACKET_BYTES, UPLOAD_ANSWER_S, UPLOAD_MEMORY_BYTES
from waste_edge.files.text import visible
from waste_edge.imaging.image_files import read_picture
from waste_edge.site import Site

_IDLE_S = 60.0
_NAME_BYTES = 4096
_TOO_MUCH: dict[str, object] = {
    "error": "the picture takes more memory than is spent on one; make it smaller, or save it as baseline JPEG"
}


def main(words: list[str]) -> int:
    """Serve until the page hangs up, or nothing comes for a while; returns the exit code."""
    handle, parent = map(int, words)
    die_with_parent(parent)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = UPLOAD_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(UPLOAD_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends this process, whatever it is doing
    stream = socket.socket(fileno=handle)
    order = msgspec.json.decode(stream.recv(MAX_PAGE_PACKET_BYTES), type=ModelOrder)
    model: Model | None = None
    stream.settimeout(_IDLE_S)
    while True:
        try:
            name, handles, _, _ = socket.recv_fds(stream, _NAME_BYTES, 1)
        except TimeoutError:
            return 0
        if not name or not handles:
            return 0
        signal.alarm(int(UPLOAD_ANSWER_S))
        try:
            if model is None:
                model = Model(order)
                signal.alarm(int(UPLOAD_ANSWER_S))
            status, answer = 200, model.classify(handles[0], msgspec.json.decode(name, type=str))
        except PictureError as error:
            status, answer = _refused(error)
        except MemoryError:
            status, answer = 413, _TOO_MUCH
        except WasteEdgeError as error:
            status, answer = 500, {"error": str(error)}
        signal.alarm(0)
        os.close(handles[0])
        stream.send(str(status).encode() + b"\n" + msgspec.json.encode(answer))


def _refused(error: PictureError) -> tuple[int, dict[str, object]]:
    """Answer to a picture that cannot be read, or not within the memory that is spent on one."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, MemoryError):
            return 413, _TOO_MUCH
        below = below.__cause__
    return 415, {"error": str(error)}


class Model:
    """The station's bundle and site, loaded once."""

    def __init__(self, order: ModelOrder) -> None:
        bundle = open_bundle(Path(order.bundle))
        if bundle.digest != order.digest:
            raise WasteEdgeError(f"{order.bundle}: was changed since the station was started; restart the station")
        manifest = bundle.manifest
        artifact = next(name for name in manifest.artifacts if name == order.artifact)
        plugin = None if order.engine in (AUTO, *ENGINES) else order.engine
        # Not tried in a child first: the station, which runs this very bundle, has done that.
        engine = load_engine(bundle.artifact(artifact), artifact, manifest, 1, plugin)
        self._classifier = Classifier(engine, manifest, artifact, bundle.known_scorer())
        self._policy = DecisionPolicy(manifest, msgspec.json.decode(order.site, type=Site))

    def classify(self, handle: int, name: str) -> dict[str, object]:
        """Classify a picture that a file descriptor leads to: the fields of `classify --json`, and the decision."""
        path = Path(f"/proc/self/fd/{handle}")
        try:
            pixels = read_picture(path)
        except PictureError as error:
            raise PictureError(str(error).replace(str(path), visible(name))) from error
        prediction = self._classifier.classify(pixels)
        height, width = pixels.shape[:2]
        calibration = self._classifier.manifest.calibration
        return {
            "path": name,
            **prediction_fields(prediction, self._classifier.labels),
            "min_known_score": calibration.min_known_score,
            "width_px": width,
            "height_px": height,
            "decision": self._policy.decide([prediction]),
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
