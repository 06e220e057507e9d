"""Camera health: a fault is reported as "not classifying, because ...", never as a class.

Frames are only ever judged a few times a second, and once a second while the empty scene lies there unchanged,
except for whether they are new at all. A fault must last before it is reported, and is withdrawn as soon as it is gone.
From its first sign on (`suspects`) the caller feeds neither presence nor judge, so that a moved camera does not become
an item in the meantime; a hand before the lens costs a few frames. While a fault lasts presence is not fed either;
afterwards it goes on from its pile.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.vision import camera_faults as faults
from waste_edge.device.vision.scene import MAX_LIGHTS, Grid, LitScene
from waste_edge.imaging.frames import Pixels

_CALM_LEVELS = 8.0  # of 255: a cell that differs by less from the last check shows nothing new


class FaultKind(StrEnum):
    """Kinds of faults, in the order in which they are looked for."""

    FROZEN = "frozen"
    DARK = "dark"
    OVEREXPOSED = "overexposed"
    BLOCKED = "blocked"
    COLOURS_SWAPPED = "colours-swapped"
    BLURRED = "blurred"
    MOVED = "moved"
    LIGHT = "light"


# Seconds that a fault must last before it is reported, and why nothing is classified, with the remedy.
_REPORTS: dict[FaultKind, tuple[float, str]] = {
    FaultKind.FROZEN: (5.0, "the camera repeats one picture: check its cable, then restart waste-edge"),
    FaultKind.DARK: (3.0, "the picture is black: switch on the light, or uncover the lens"),
    FaultKind.OVEREXPOSED: (3.0, "the picture is burnt out: shade the camera from the light or lower its exposure"),
    FaultKind.BLOCKED: (2.0, "one even colour fills the picture: uncover the lens"),
    FaultKind.COLOURS_SWAPPED: (2.0, "red and blue are exchanged: restart waste-edge, and check the camera's format"),
    FaultKind.MOVED: (2.0, "the camera was moved: put it back, or leave it alone for a minute to learn the new view"),
    FaultKind.LIGHT: (0.0, "the light changed all over the view (a lamp, a door): it is being learned anew"),
    FaultKind.BLURRED: (5.0, "the picture lost its sharpness: wipe the lens, then focus it"),
}


@dataclass(frozen=True)
class Fault:
    """Fault of a camera, whose pictures cannot be classified.

    Attributes:
        kind: which of `FaultKind`.
        reason: one line for people, with the remedy: "not classifying, because ...".
    """

    kind: FaultKind
    reason: str


@dataclass(frozen=True)
class CameraHealthConfig:
    """Intervals and durations of the camera health checks.

    Attributes:
        light_s: after the whole scene was found in another light, for so long nothing is classified.
        check_s: least time between two checks.
        calm_s: the same while the picture is that of the last check, which found the undisturbed empty scene.
        clear_s: a fault that was not found for so long is gone.
        new_scene_s: after so long in one new position a moved camera is taken to stay there.
        watch_frozen: off for films and drawn scenes, which may rightly repeat a picture.
    """

    check_s: float = 0.25
    calm_s: float = 1.0
    clear_s: float = 0.5
    new_scene_s: float = 60.0
    watch_frozen: bool = True
    light_s: float = 1.0


class CameraHealth:
    """Watches one camera's pictures.

    Attributes:
        fault: what `see` returned last.
        suspects: a fault was seen at the last check, whether or not it has lasted long enough to be reported.
    """

    def __init__(self, patience: CameraHealthConfig | None = None) -> None:
        self._patience = patience or CameraHealthConfig()
        self.learn_anew()

    def learn_anew(self) -> None:
        """Forget everything learned, as when it was made; goes with `Presence.learn_anew`."""
        self.fault: Fault | None = None
        self.suspects = False
        self._checked_ns: int | None = None
        self._calm_look: Grid | None = None  # of the last check, if it found the empty scene in order
        self._since_ns: dict[FaultKind, int] = {}
        self._seen_ns: dict[FaultKind, int] = {}
        self._turn = False
        self._blurred = False
        self._shift: tuple[float, float] | None = None
        self._place = (0.0, 0.0)
        self._shifted_since_ns = 0
        self._stillness = _Stillness()
        self._sharpness = _Sharpness()
        self._sharpness_in = {1: self._sharpness}  # by light: in one there may be edges that there are not in another

    def learn_light(self) -> None:
        """The empty scene is learned in another light: what is known of the others stays."""
        known = self._sharpness_in
        self.learn_anew()
        self._sharpness_in = known

    def note_light(self, now_ns: int, light: int = 1) -> None:
        """Presence found the whole scene in another light, and learns it anew, if it does not know it.

        Args:
            now_ns: capture time of that frame.
            light: its number. Of one that was never seen the sharpness is expected that the last one had.
        """
        self._sharpness_in.setdefault(light, copy.deepcopy(self._sharpness))
        self._since_ns[FaultKind.LIGHT] = now_ns
        self._seen_ns[FaultKind.LIGHT] = now_ns + round((self._patience.light_s - self._patience.clear_s) * NS_PER_S)
        self._calm_look = None
        self._weigh(None, now_ns)

    @property
    def wants_new_scene(self) -> bool:
        """The camera was moved and has stayed where it is for a minute: time for `learn_anew`, here and of presence."""
        if self.fault is None or self.fault.kind is not FaultKind.MOVED or self._checked_ns is None:
            return False
        return self._checked_ns - self._shifted_since_ns >= self._patience.new_scene_s * NS_PER_S

    def see(self, pixels: Pixels, look: Grid, captured_ns: int, empty: LitScene | None, resting: bool) -> Fault | None:
        """Take in one frame before presence does.

        Args:
            pixels: uint8 (H, W, 3), the part of the frame that `look` was made from.
            look: what `scene.small` made of it.
            captured_ns: monotonic clock at capture.
            empty: `Presence.empty_in_light`, of this look.
            resting: presence last saw nothing but the empty scene, undisturbed (`State.EMPTY`); only then is its
                sharpness learned.

        Returns:
            The fault to report, or None.
        """
        self._stillness.see(look, captured_ns)
        if not self._is_due(look, captured_ns, resting):
            return self.fault
        self._checked_ns = captured_ns
        empty_look = None if empty is None else empty.look
        if empty is not None:
            self._take_light(empty.number)
        as_learned = empty_look is not None and faults.shows_only(look, empty_look)
        found = self._find(pixels, look, captured_ns, empty_look, as_learned)
        if found is None and resting and as_learned:
            self._sharpness.learn(captured_ns)
        self._weigh(found, captured_ns)
        in_order = resting and as_learned and not self._since_ns and self._sharpness.is_known
        self._calm_look = look if in_order else None
        return self.fault

    def _take_light(self, number: int) -> None:
        """Expect the sharpness that the scene has in this light; of long unseen ones it is forgotten."""
        self._sharpness = self._sharpness_in.pop(number) if number in self._sharpness_in else _Sharpness()
        self._sharpness_in[number] = self._sharpness
        while len(self._sharpness_in) > MAX_LIGHTS + 1:
            del self._sharpness_in[next(iter(self._sharpness_in))]

    def _is_due(self, look: Grid, now_ns: int, resting: bool) -> bool:
        """Return whether this frame is to be checked."""
        since_s = math.inf if self._checked_ns is None else (now_ns - self._checked_ns) / NS_PER_S
        if not 0 <= since_s < self._patience.calm_s:
            return True
        if since_s < self._patience.check_s:
            return False
        if self._calm_look is None or not resting or self._stillness.is_unnatural(now_ns):
            return True
        return cv2.norm(look, self._calm_look, cv2.NORM_INF) > _CALM_LEVELS

    def _find(
        self, pixels: Pixels, look: Grid, now_ns: int, empty_look: Grid | None, as_learned: bool
    ) -> FaultKind | None:
        """The first fault that this picture shows."""
        if self._patience.watch_frozen and self._stillness.is_unnatural(now_ns):
            return FaultKind.FROZEN
        if faults.is_dark(look):
            return FaultKind.DARK
        if faults.is_overexposed(look, empty_look):
            return FaultKind.OVEREXPOSED
        if faults.is_blocked(look, empty_look):
            return FaultKind.BLOCKED
        if empty_look is None:
            return None
        if faults.colours_swapped(look, empty_look):
            return FaultKind.COLOURS_SWAPPED
        # The two costly checks take turns, and stand until the next; nothing has moved in a scene as it was learned.
        self._turn = as_learned or not self._turn
        if self._turn:
            self._blurred = self._sharpness.is_lost(pixels, look, empty_look)
        else:
            self._shift = None if as_learned else faults.shift_of(look, empty_look)
        if self._blurred:
            return FaultKind.BLURRED
        if self._shift is None or as_learned:
            return None
        self._note_shift(self._shift, now_ns)
        return FaultKind.MOVED

    def _note_shift(self, shift: tuple[float, float], now_ns: int) -> None:
        """Remember since when the camera has been where it is: within a hundredth of the picture."""
        if FaultKind.MOVED not in self._since_ns or math.dist(shift, self._place) > 0.01:
            self._place, self._shifted_since_ns = shift, now_ns

    def _weigh(self, found: FaultKind | None, now_ns: int) -> None:
        """Report what has lasted, withdraw what is gone."""
        self.suspects = found is not None
        if found is not None:
            self._since_ns.setdefault(found, now_ns)
            self._seen_ns[found] = now_ns
        for kind in [kind for kind, seen_ns in self._seen_ns.items() if self._is_over(now_ns - seen_ns)]:
            del self._since_ns[kind], self._seen_ns[kind]
        lasting = [kind for kind, since_ns in self._since_ns.items() if now_ns - since_ns >= _lasts_ns(kind)]
        # What is seen right now goes before what was seen a moment ago.
        lasting.sort(key=lambda kind: kind is not found)
        self.fault = Fault(lasting[0], f"not classifying, because {_REPORTS[lasting[0]][1]}") if lasting else None

    def _is_over(self, unseen_ns: int) -> bool:
        # Time that goes backwards ends everything; what was noted ahead of time by less than a second stands.
        return unseen_ns >= self._patience.clear_s * NS_PER_S or unseen_ns < -self._patience.light_s * NS_PER_S


def _lasts_ns(kind: FaultKind) -> float:
    return _REPORTS[kind][0] * NS_PER_S


def _are_alike(look: Grid, last: Grid) -> bool:
    """Return whether hardly anything differs; a quarter of the rows nearly always says no at once."""
    most = look.size // 2000
    # So few numbers cannot differ by more than this in all. One call, which the search for changes makes next anyway.
    if cv2.norm(look[::4], last[::4], cv2.NORM_L1) > 255.0 * most:
        return False
    return bool(np.count_nonzero(look != last) <= most)


class _Stillness:
    """Detector of frozen pictures: the sensor's noise is missing.

    A frozen camera hands out one buffer again and again. Of a source whose pictures never flickered, such as a
    drawn one, nothing can be told; so a camera must have been lively for `_LIVELY` pictures first.
    """

    _LIVELY = 100

    def __init__(self) -> None:
        self._last: Grid | None = None
        self._still_since_ns: int | None = None
        self._lively = 0

    def see(self, look: Grid, now_ns: int) -> None:
        alike = self._last is not None and _are_alike(look, self._last)
        self._last = look
        if not alike:
            self._lively += 1
            self._still_since_ns = None
        elif self._still_since_ns is None:
            self._still_since_ns = now_ns
        if alike and self._lively < self._LIVELY:
            self._lively = 0

    def is_unnatural(self, now_ns: int) -> bool:
        """Return whether a camera that used to be lively has been giving one picture for half a second."""
        if self._still_since_ns is None or self._lively < self._LIVELY:
            return False
        return now_ns - self._still_since_ns >= NS_PER_S // 2


class _Sharpness:
    """Learned fine detail of the empty scene, against which blur is measured.

    Quick to learn more and slow to forget (hours), so that a lens that clouds over is noticed.
    """

    _LEARN_S, _FORGET_S = 60.0, 20_000.0
    _LESSONS = 6  # checks that make a first opinion

    def __init__(self) -> None:
        self._usual: faults.Usual | None = None
        self._lessons = 0
        self._noise_variance = 0.0
        self._now: faults.Detail | None = None
        self._taught: faults.Detail | None = None
        self._taught_ns = 0

    @property
    def is_known(self) -> bool:
        """True if there is an opinion."""
        return self._lessons >= self._LESSONS

    def is_lost(self, pixels: Pixels, look: Grid, empty_look: Grid) -> bool:
        """Measure a picture: whether it is blurred; never before there is an opinion."""
        self._now = faults.detail_of(pixels, self._noise_variance)
        if self._usual is None or self._lessons < self._LESSONS:
            return False
        return faults.is_blurred(self._now, self._usual, look, empty_look)

    def learn(self, now_ns: int) -> None:
        """Take the picture last measured for the empty scene."""
        now, before, self._taught = self._now, self._taught, self._now
        if now is None or before is None or now is before:
            return
        elapsed_s, self._taught_ns = max(0, now_ns - self._taught_ns) / NS_PER_S, now_ns
        self._lessons += 1
        noise = faults.noise_between(before, now)
        if self._usual is None or self._lessons <= self._LESSONS:
            self._usual, self._noise_variance = faults.Usual(now.fine, now.acuity), noise
            return
        # Something that stirred is not noise: an increase is believed slowly.
        self._noise_variance += (noise - self._noise_variance) * (0.3 if noise < self._noise_variance else 0.05)
        quick, slow = min(elapsed_s / self._LEARN_S, 1.0), min(elapsed_s / self._FORGET_S, 1.0)
        more, sharper = now.fine - self._usual.fine, now.acuity - self._usual.acuity
        fine = self._usual.fine + more * np.where(more > 0, np.float32(quick), np.float32(slow))
        self._usual = faults.Usual(fine, self._usual.acuity + sharper * (quick if sharper > 0 else slow))
