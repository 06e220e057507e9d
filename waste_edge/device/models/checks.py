"""Checks that a model must pass on this machine before it is installed, each in a line for people.

Nothing of the network reaches the process that checks: it is loaded, answers its golden pictures and is timed in a
child process with limits (`engines/trial`). The first check that fails ends them, with the remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import ArtifactName, Manifest
from waste_edge.device.bundle_choice import LEAST_LOOKS, EngineWish
from waste_edge.device.models.store import ModelStore
from waste_edge.device.system.board import Board
from waste_edge.device.system.disk import look_at
from waste_edge.device.vision.inspection import BUDGET_MS, warning_of
from waste_edge.engines.engine import artifact_of, installed_engines
from waste_edge.engines.names import AUTO, ENGINES, EngineName
from waste_edge.engines.trial.trial import try_bundle
from waste_edge.engines.verify import replay_head
from waste_edge.errors import BundleError, UserError, WasteEdgeError
from waste_edge.files.strict import Strict
from waste_edge.site import Site

_ROUNDS = 15  # of timing
_SPARE_MB = 50.0  # that installing leaves free on the disk


class Finding(Strict, frozen=True):
    """One check that was passed.

    Attributes:
        check: one word or two.
        text: what was found.
    """

    check: str
    text: str


class Checked(Strict, frozen=True):
    """A bundle that may be installed.

    Attributes:
        artifact: the network that would be run.
        infer_ms: median of one inference here.
        peak_mb: of the memory of the process that tried it, Python and the engine included.
        findings: the checks, in their order.
    """

    artifact: ArtifactName
    infer_ms: float
    peak_mb: float
    findings: list[Finding]


@dataclass(frozen=True)
class Demands:
    """Demands of the station on a model.

    Attributes:
        store: where it is to be installed.
        engine: what it would be run with.
        site_of: the station's site, checked against the labels; raises ConfigError.
        max_mb: largest bundle, in millions of bytes.
        allow_older: take an older version than one that was in charge.
        signed_by: the key whose signature was checked, in words; empty: none is required.
    """

    store: ModelStore
    engine: EngineWish
    site_of: Callable[[Manifest], Site]
    max_mb: float
    allow_older: bool = False
    signed_by: str = ""


def check_model(bundle: Bundle, demands: Demands, tell: Callable[[Finding], None] = lambda found: None) -> Checked:
    """Check a bundle for this station and this board.

    Args:
        bundle: opened, its signature checked if a key is required.
        demands: of the station.
        tell: is given each check that was passed, at once.

    Raises:
        BundleError: it failed a check; the message says which, and the remedy.
        ConfigError: the site has no stream for a label.
        WasteEdgeError: see `try_bundle`.
    """
    findings: list[Finding] = []

    def passed(check: str, text: str) -> None:
        findings.append(Finding(check=check, text=text))
        tell(findings[-1])

    bundle.verify_checksums()
    bundle.known_scorer()
    head_items = replay_head(bundle)
    passed("checksums", f"all {len(bundle.manifest.files())} files are as the manifest says")
    passed("signature", f"signed by {demands.signed_by}" if demands.signed_by else "no key is required here")
    passed("version", _version(bundle, demands))
    passed("size", _size(bundle, demands))
    passed("labels", _labels(bundle, demands))
    artifact, engine = network_for(bundle, demands.engine)
    trial = try_bundle(bundle, [artifact], _ROUNDS, engine)
    replay = trial.replays[0]
    if replay.status != "ok":
        raise BundleError(f"{bundle.source}: {artifact}: {replay.reason} (tried in a process of its own)")
    own = f", and the head's of {head_items} of its station's items" if head_items else ""
    passed("golden", f"all {replay.pictures} golden outputs are right on {replay.engine}{own}")
    infer_ms = trial.latency_ms[artifact]
    passed("time", _time(bundle, infer_ms))
    passed("memory", _memory(bundle, trial.peak_mb))
    return Checked(artifact=artifact, infer_ms=infer_ms, peak_mb=trial.peak_mb, findings=findings)


def network_for(bundle: Bundle, wish: EngineWish) -> tuple[ArtifactName, EngineName | None]:
    """Name the network that a station would run, and the plug-in that runs it; None: one of the package's engines.

    Raises:
        BundleError: the bundle has no network for an engine that is installed here.
    """
    plugin = None if wish.engine in (AUTO, *ENGINES) else wish.engine
    engines = installed_engines() if wish.engine == AUTO else [wish.engine]
    names = [artifact_of(engine, wish.precision) for engine in engines]
    name = next((name for name in names if name in bundle.manifest.artifacts), None)
    if name is None:
        have = ", ".join(bundle.manifest.artifacts)
        raise BundleError(f"{bundle.source}: has {have}, and this station runs {' or '.join(names)}; export it again")
    return name, plugin


def _version(bundle: Bundle, demands: Demands) -> str:
    manifest = bundle.manifest
    newest = demands.store.roles().newest.get(manifest.name)
    if not demands.allow_older:
        demands.store.check_version(bundle)
    if newest is None:
        return f"{manifest.version}; no {manifest.name} was in charge here before"
    return f"{manifest.version}; the newest {manifest.name} that was in charge here is {newest}"


def _size(bundle: Bundle, demands: Demands) -> str:
    size_mb = sum(entry.size_bytes for entry in bundle.manifest.files()) / 1e6
    if size_mb > demands.max_mb:
        raise BundleError(f"{bundle.source}: {size_mb:.1f} MB, and [models] max_mb is {demands.max_mb:g}; raise it")
    place = demands.store.folder.parent
    free_mb = look_at(place).free_mb if place.is_dir() else None
    if free_mb is not None and free_mb < size_mb + _SPARE_MB:
        raise UserError(f"{place}: {free_mb:.0f} MB free, {size_mb + _SPARE_MB:.0f} are needed; free some space")
    return f"{size_mb:.1f} MB"


def _labels(bundle: Bundle, demands: Demands) -> str:
    try:
        site = demands.site_of(bundle.manifest)
    except WasteEdgeError as error:
        raise BundleError(f"{bundle.source}: its labels do not fit this station: {error}") from error
    warning = warning_of(bundle.manifest)
    said = f"the site {site.name} has a stream for all {len(bundle.manifest.labels)}"
    return f"{said}; note: {warning}" if warning else said


def _time(bundle: Bundle, infer_ms: float) -> str:
    need_ms = LEAST_LOOKS * infer_ms
    if need_ms > BUDGET_MS:
        raise BundleError(
            f"{bundle.source}: {LEAST_LOOKS} looks at an item take {need_ms:.0f} ms on this board, which has "
            f"{BUDGET_MS:.0f} ms for them; take a smaller network"
        )
    return f"{infer_ms:.1f} ms an inference; an item may take {BUDGET_MS:.0f} ms"


def _memory(bundle: Bundle, peak_mb: float) -> str:
    """The candidate runs beside the model in charge, in a process of its own, so that much must be free."""
    free_mb = Board().read().available_mb
    if free_mb is not None and free_mb < peak_mb:
        raise BundleError(
            f"{bundle.source}: takes {peak_mb:.0f} MB in a process of its own, and {free_mb:.0f} MB are free; "
            "end other programs"
        )
    return f"{peak_mb:.0f} MB in a process of its own" + (f", {free_mb:.0f} MB are free" if free_mb is not None else "")
