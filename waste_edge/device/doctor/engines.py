"""Which engines are here, whether they answer as they should, and how fast."""

from __future__ import annotations

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.device.doctor.setting import Setting
from waste_edge.device.system.condition import Condition, Level
from waste_edge.engines.engine import (
    ENGINE_NAMES,
    Engine,
    EngineName,
    artifact_of,
    engine_of,
    installed_engines,
    load_engine,
)
from waste_edge.engines.latency import median_latencies_ms
from waste_edge.engines.verify import Replay, read_golden, verify_bundle
from waste_edge.errors import WasteEdgeError

_ROUNDS, _WARM_UP = 9, 2
_PACKAGES = {"litert": "ai-edge-litert", "onnx": "onnxruntime"}


def check_engines(setting: Setting) -> list[Condition]:
    """One line an engine: version, golden outputs, median latency of INT8 and FP32 on one thread."""
    try:
        with setting.bundle() as bundle:
            return _check(bundle)
    except WasteEdgeError as error:
        return [Condition("engine", Level.BAD, str(error))]


def _check(bundle: Bundle) -> list[Condition]:
    replays = verify_bundle(bundle).artifacts
    sound = [replay.artifact for replay in replays if replay.status == "ok"]
    engines: dict[ArtifactName, Engine] = {
        name: load_engine(bundle.artifact_path(name), name, bundle.manifest) for name in sound
    }
    taken_ms = median_latencies_ms(engines, read_golden(bundle).pixels[0], _ROUNDS, _WARM_UP)
    title = f"{bundle.manifest.name} {bundle.manifest.version}"
    return [
        _condition(name, title, [one for one in replays if engine_of(one.artifact) == name], taken_ms)
        for name in ENGINE_NAMES
    ]


def _condition(name: EngineName, title: str, replays: list[Replay], taken_ms: dict[ArtifactName, float]) -> Condition:
    part = f"engine-{name}"
    if name not in installed_engines():
        return Condition(
            part, Level.WARN, f"not installed; pip install {_PACKAGES[name]}, unless the other one is enough"
        )
    if not replays:
        return Condition(part, Level.WARN, f"{title} has no network for it; nothing was tried")
    if failed := [f"{one.artifact}: {one.reason}" for one in replays if one.status == "failed"]:
        remedy = "do not rely on it here; reinstall the engine or export the bundle again"
        return Condition(
            part, Level.BAD, f"{title} does not answer as where it was exported ({'; '.join(failed)}); {remedy}"
        )
    timed = [
        f"{precision.upper()} {taken_ms[artifact]:.1f} ms"
        for precision in ("int8", "fp32")
        if (artifact := artifact_of(name, precision)) in taken_ms
    ]
    pictures = replays[0].pictures
    text = f"{replays[0].engine}: {title} {', '.join(timed)} (median of {_ROUNDS}); all {pictures} golden outputs right"
    return Condition(part, Level.OK, text)
