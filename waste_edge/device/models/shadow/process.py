"""A candidate's process, seen from the station: started when it is needed, asked about one item at a time, ended."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np

from waste_edge.device.models.shadow.child import (
    ShadowAnswer,
    ShadowCrop,
    ShadowLook,
    ShadowOrder,
    receive_message,
    send_message,
)
from waste_edge.device.system.command import without_secrets
from waste_edge.engines.classifier import Prediction
from waste_edge.errors import EngineError
from waste_edge.imaging.frames import Pixels
from waste_edge.libraries import NO_TELEMETRY, ONE_THREAD

MODULE = "waste_edge.device.models.shadow.child"
_START_S = 120.0  # a board where everything starts at once
_ANSWER_S = 20.0  # for all looks at one item, behind all that decides
_POLITE_S = 0.5


class ShadowProcess:
    """Asks a candidate's network about items, in a process whose end harms nobody else.

    Used by one thread, since the kernel ends a child with the thread that started it.

    Args:
        order: what to load.
        labels: of the candidate, in its order.
    """

    def __init__(self, order: ShadowOrder, labels: list[str]) -> None:
        self._order = order
        self._labels = labels
        self._process: subprocess.Popen[bytes] | None = None
        self._stream: socket.socket | None = None

    def ask(self, crop: Pixels) -> list[Prediction]:
        """Show it an item; returns its looks.

        Raises:
            EngineError: it cannot be started, ended, does not answer or answers nonsense; the next item starts it anew.
        """
        try:
            stream = self._stream or self._start()
            height, width = crop.shape[:2]
            pixels = np.ascontiguousarray(crop).tobytes()
            send_message(stream, ShadowCrop(height_px=height, width_px=width, pixels=pixels))
            answer = receive_message(stream, ShadowAnswer)
            if answer is not None and not answer.error:
                return [self._prediction(look) for look in answer.looks]
            why = self._ended() if answer is None else answer.error
        except TimeoutError:
            why = f"gave no answer for {_ANSWER_S:g} s"
        except (OSError, msgspec.DecodeError, ValueError) as error:
            why = str(error) if isinstance(error, ValueError) else self._ended() or str(error)
        self.close()
        raise EngineError(why or "ended")

    def kill(self) -> None:
        """End it, whatever it is doing, so that `ask` returns; for another thread than the one that asks."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Hang up, which ends it; by force if it does not go at once."""
        stream, self._stream = self._stream, None
        process, self._process = self._process, None
        if stream is not None:
            stream.close()
        if process is None:
            return
        try:
            process.wait(_POLITE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLITE_S)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(_START_S)
        environment: dict[str, Any] = without_secrets(ONE_THREAD | os.environ | NO_TELEMETRY)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries complain in words of their own
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=environment,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._stream = ours
        send_message(ours, self._order)
        loaded = receive_message(ours, ShadowAnswer)
        if loaded is None or loaded.error:
            raise ValueError(loaded.error if loaded is not None else self._ended() or "ended while it was loaded")
        ours.settimeout(_ANSWER_S)
        return ours

    def _ended(self) -> str:
        """Describe how it ended; empty if it has not."""
        if self._process is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_POLITE_S)
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            return f"its process {how}"
        return ""

    def _prediction(self, look: ShadowLook) -> Prediction:
        probabilities = np.asarray(look.probabilities, np.float64)
        if probabilities.shape != (len(self._labels),) or not np.isfinite(probabilities).all():
            raise ValueError("its process answered nonsense")
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        return Prediction(
            label=self._labels[best],
            best=self._labels[best],
            confidence=confidence,
            probabilities=probabilities,
            known_score=look.known_score,
            features=np.zeros(0, np.float32),
            latency_ms=look.latency_ms,
        )
