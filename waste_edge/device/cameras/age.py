"""Age of a frame by the driver's clock: a frame that waited in a queue was captured before it was read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from waste_edge.device.cameras.camera import RawFrame
from waste_edge.device.clock import NS_PER_S, Clock

_MOST_AGE_NS = 60 * NS_PER_S  # an older stamp is none of the monotonic clock
_AHEAD_NS = NS_PER_S // 100  # a stamp in milliseconds may be rounded up
_QUEUE = 8  # more frames than drivers keep
_USUAL = 300  # frames by which it is known how long a frame takes to be read


class Ages:
    """Dates the frames of one camera, and tells those that waited in a queue.

    Args:
        fps: frames a second, as the driver says; 30 if it says nonsense.
    """

    def __init__(self, fps: float) -> None:
        self.set_rate(fps)
        self._ages: deque[int] = deque(maxlen=_USUAL)
        self._last_ns = 0

    def set_rate(self, fps: float) -> None:
        """Set the frames a second; 30 if the number makes no sense."""
        self.interval_ns = round(NS_PER_S / (fps if 1 <= fps <= 1000 else 30.0))

    def captured_ns(self, stamp_ms: float, now_ns: int) -> int:
        """Compute a frame's capture time; now, if its stamp is not of the monotonic clock. Never before the last one.

        Args:
            stamp_ms: the driver's, in milliseconds.
            now_ns: when it was read.
        """
        stamp_ns = round(stamp_ms * 1e6) if 0 < stamp_ms < 1e14 else 0
        if stamp_ns == 0 or not now_ns - _MOST_AGE_NS <= stamp_ns <= now_ns + _AHEAD_NS:
            stamp_ns = now_ns
        self._last_ns = max(self._last_ns, min(stamp_ns, now_ns))
        return self._last_ns

    def waited(self, captured_ns: int, now_ns: int) -> bool:
        """Return whether a frame is older than this camera's usually are, by more than an interval and a half."""
        age_ns = now_ns - captured_ns
        usual_ns = min(self._ages, default=0 if age_ns > 3 * self.interval_ns else age_ns)
        self._ages.append(age_ns)
        return age_ns - usual_ns > 1.5 * self.interval_ns


def newest(following: Callable[[], RawFrame], ages: Ages, clock: Clock) -> RawFrame:
    """The next frame that did not wait in the driver's queue; at most a queue of them is passed over.

    One that had to be waited for was in no queue, however old it is: some cameras take their time.
    """
    frame = following()
    for _ in range(_QUEUE - 1):
        asked_ns = clock.now_ns()
        if not ages.waited(frame.captured_ns, asked_ns):
            break
        frame = following()
        if clock.now_ns() - asked_ns > ages.interval_ns / 2:
            break
    return frame
