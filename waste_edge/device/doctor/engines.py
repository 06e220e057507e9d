"""Checks of the installed engines: present, correct on golden inputs, and their speed."""

from __future__ import annotations

from waste_edge.bundle.bundle import Bundle
from waste_edge.device.doctor.setting import Setting
from waste_edge.device.system.condition import Condition, Level
from waste_edge.engines.engine import (
    EngineName,
    artifact_of,
    installed_engines,
    is_installed,
    require_engine,
)
from waste_edge.engines.names import ENGINES, engine_spec, engines_with, format_of
from waste_edge.engines.trial.trial import TrialResult, try_bundle
from waste_edge.errors import ConfigError, WasteEdgeError

_ROUNDS = 9


def check_engines(setting: Setting) -> list[Condition]:
    """One line an engine: version, golden outputs, median latency of INT8 and FP32 on one thread.

    Each is tried in a process of its own: one that was built for another processor ends the process that imports it.
    Before them, where the station chooses its bundle itself, one that says which and why.
    """
    try:
        chosen = setting.choice()
        with setting.bundle() as bundle:
            return [*([Condition("bundle", Level.OK, chosen)] if chosen else []), *_check(bundle, setting.engine)]
    except WasteEdgeError as error:
        return [Condition("engine", Level.BAD, str(error))]


def _check(bundle: Bundle, named: EngineName) -> list[Condition]:
    bundle.verify_checksums()
    bundle.known_scorer()
    names = engines_with([named])
    if not installed_engines() and names == list(ENGINES):
        require_engine(names[0])
    return [_checked(name, bundle) for name in names]


def _checked(name: EngineName, bundle: Bundle) -> Condition:
    try:
        return _condition(name, bundle) if is_installed(name) else _absent(name)
    except ConfigError as error:  # a plug-in that cannot be loaded
        return Condition(f"engine-{name}", Level.BAD, str(error))


def _absent(name: EngineName) -> Condition:
    text = f"not installed; pip install {engine_spec(name).package}, unless the other one is enough"
    return Condition(f"engine-{name}", Level.WARN, text)


def _condition(name: EngineName, bundle: Bundle) -> Condition:
    part, title = f"engine-{name}", f"{bundle.manifest.name} {bundle.manifest.version}"
    wanted = engine_spec(name).format
    artifacts = [artifact for artifact in bundle.manifest.artifacts if format_of(artifact) == wanted]
    if not artifacts:
        return Condition(part, Level.WARN, f"{title} has no network for it; nothing was tried")
    trial = try_bundle(bundle, artifacts, _ROUNDS, name)
    failed = [replay for replay in trial.replays if replay.status == "failed"]
    if not failed:
        return Condition(part, Level.OK, _described(name, title, trial))
    said = "; ".join(f"{one.artifact}: {one.reason}" for one in failed)
    does = "does not run" if failed[0].labels_agreeing is None else "does not answer as where it was exported"
    remedy = "do not rely on it here; reinstall the engine or export the bundle again"
    return Condition(part, Level.BAD, f"{title} {does} ({said}); {remedy}")


def _described(name: EngineName, title: str, trial: TrialResult) -> str:
    timed = [
        f"{precision.upper()} {trial.latency_ms[artifact]:.1f} ms"
        for precision in ("int8", "fp32")
        if (artifact := artifact_of(name, precision)) in trial.latency_ms
    ]
    one = trial.replays[0]
    return f"{one.engine}: {title} {', '.join(timed)} (median of {_ROUNDS}); all {one.pictures} golden outputs right"
