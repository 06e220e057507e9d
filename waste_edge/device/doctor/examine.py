"""Runs the checks: most of them at once, since they wait for programs; what is timed comes after, alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.doctor.board import check_board, check_disk, check_python, check_sandbox
from waste_edge.device.doctor.camera import check_camera, check_permissions
from waste_edge.device.doctor.service import check_clock, check_service, read_service
from waste_edge.device.doctor.setting import Setting
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.strict import Strict
from waste_edge.files.text import first_line

Check = Callable[[], Sequence[Condition]]
_ORDER = (Level.OK, Level.WARN, Level.BAD)


class Examination(Strict, frozen=True):
    """Result of an examination.

    Attributes:
        level: the worst of all conditions.
        seconds: that it took.
        conditions: in the order of the checks.
    """

    level: Level
    seconds: float
    conditions: list[Condition]

    def count(self, level: Level) -> int:
        """Count the conditions of a level."""
        return sum(condition.level is level for condition in self.conditions)


@dataclass(frozen=True)
class Checks:
    """Checks that may run together, and checks that time something and run alone, after them."""

    together: Sequence[Check]
    alone: Sequence[Check] = ()


def all_checks(setting: Setting, extra: Sequence[Check] = ()) -> Checks:
    """The doctor's checks; `extra` ones, such as the sinks', come before the engines'."""
    service = read_service(setting)
    together: list[Check] = [
        partial(check_camera, setting, service),
        partial(check_permissions, setting, service),
        check_python,
        check_sandbox,
        partial(check_board, setting),
        partial(check_disk, setting, service),
        partial(check_clock, setting),
        partial(check_service, setting, service),
    ]
    return Checks([*together, *extra], [partial(_check_engines, setting)])


def examine(checks: Checks, clock: Clock) -> Examination:
    """Run them all. A check that fails is a bad condition, and the others still run."""
    started_ns = clock.now_ns()
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(_guarded, checks.together))
    found += [_guarded(check) for check in checks.alone]
    conditions = [condition for group in found for condition in group]
    return Examination(
        level=max((condition.level for condition in conditions), key=_ORDER.index, default=Level.OK),
        seconds=round((clock.now_ns() - started_ns) / NS_PER_S, 2),
        conditions=conditions,
    )


def _check_engines(setting: Setting) -> Sequence[Condition]:
    from waste_edge.device.doctor.engines import check_engines  # needs NumPy and OpenCV, which may be what is wrong

    return check_engines(setting)


def _guarded(check: Check) -> Sequence[Condition]:
    try:
        return check()
    except ImportError as error:
        said = first_line(error)
        return [Condition("doctor", Level.BAD, f"a check could not load its libraries ({said}); see the line python")]
    except Exception as error:  # noqa: BLE001  # one broken check must not hide what the others found
        said = f"{type(error).__name__}: {error}".replace("\n", " ")
        return [Condition("doctor", Level.BAD, f"a check failed itself, please report it: {said}")]
