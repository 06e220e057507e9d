"""Age of a frame by the driver's clock: a frame that waited in a queue was captured before it was read."""

from __future__ import annotations

from collections import deque

from waste_edge.device.clock import NS_PER_S

_MOST_AGE_NS = 60 * NS_PER_S  # an older stamp is none of the monotonic clock
_AHEAD_NS = NS_PER_S // 100  # a stamp in milliseconds may be rounded up
_USUAL = 300  # frames by which it is known how long a frame takes to be read


class Ages:
    """Dates the frames of one camera, and tells those that waited in a queue.

    Args:
        fps: frames a second, as the driver says; 30 if it says nonsense.
    """

    def __init__(self, fps: float) -> None:
        self._interval_ns = round(NS_PER_S / (fps if 1 <= fps <= 1000 else 30.0))
        self._ages: deque[int] = deque(maxlen=_USUAL)
        self._last_ns = 0

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
        usual_ns = min(self._ages, default=0 if age_ns > 3 * self._interval_ns else age_ns)
        self._ages.append(age_ns)
        return age_ns - usual_ns > 1.5 * self._interval_ns
