"""A bundle's confidence fitted anew, its networks as they are: other thresholds, another known score, other sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import Bundle
from waste_edge.bundle.manifest import MANIFEST_NAME, ArtifactName, ArtifactScores, Calibration, Manifest, Metrics
from waste_edge.bundle.signing import SIGNATURE_NAME
from waste_edge.engines.engine import Engine, median_latencies_ms
from waste_edge.engines.graph.report import read_graph
from waste_edge.engines.trial.trial import load_artifact
from waste_edge.errors import UserError
from waste_edge.evaluation.evaluate import Progress, score_logits, truth_of
from waste_edge.export.build import Exported, Extras, Naming, bundle_in_one_piece, refuse_existing, verify
from waste_edge.export.confidence.known_score import ask_engine
from waste_edge.export.confidence.scoring import FITTED_ON, calibrate
from waste_edge.export.domains import Origin
from waste_edge.export.held_out_evaluation import check_test_part, evaluate_on_test_part
from waste_edge.export.material import Material, open_pictures
from waste_edge.export.model_card import CARD_NAME, model_card
from waste_edge.export.quantize import file_entry
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import to_json
from waste_edge.imaging.preprocess import prepare
from waste_edge.rejection import Scorer

PACKED = "data"  # name of the pictures' folder that `data pack` makes


@dataclass(frozen=True)
class Wanted:
    """The new bundle.

    Attributes:
        recipe: how the known score and the thresholds are chosen; nothing is quantized.
        naming: its name, version, licence.
        extras: what else is wanted; what is about networks has no effect.
    """

    recipe: ExportRecipe
    naming: Naming
    extras: Extras = field(default_factory=Extras)


def recalibrate_bundle(
    bundle: Bundle, data: Path, out: Path, wanted: Wanted, step: Callable[[str], None], progress: Progress
) -> Exported:
    """Make a bundle of another one's networks, with temperature, known score and thresholds fitted anew.

    Scores are measured again. Of networks that the bundle was shipped without they cannot be, so these rows go; what
    INT8 lost against them stays.

    Args:
        bundle: opened.
        data: the photographs that its network was trained on.
        out: a folder, or a `.zip` if it ends so; it must not exist.
        wanted: how it is made.
        step, progress: as for `export_bundle`.

    Raises:
        BundleError: the bundle is damaged, or a network of it did not do well in a child.
        DataError: other data than the bundle's, or no part of them that is wanted.
        UserError: the bundle cannot be calibrated anew, or `out` exists or cannot be written.
    """
    refuse_existing(out)
    _refuse(bundle, wanted.naming)
    material = _material(bundle, data, step, progress, wanted.extras.domains)
    if wanted.extras.test_evaluation:
        check_test_part(material)
    with bundle_in_one_piece(out) as folder:
        return _fill(folder, bundle, material, wanted)


def _refuse(bundle: Bundle, naming: Naming) -> None:
    """Raise UserError for a bundle that cannot be calibrated anew, or not under this name."""
    manifest, source = bundle.manifest, bundle.source
    if manifest.head:
        raise UserError(
            f"{source}: has the head of a station, whose confidence is of its own items; give the bundle that it "
            f"was made from ({manifest.head.parent})"
        )
    if FITTED_ON not in manifest.artifacts:
        raise UserError(f"{source}: has no {FITTED_ON}, whose answers the confidence is fitted on; give one that has")
    if unscored := sorted(set(manifest.artifacts) - set(manifest.metrics.artifacts)):
        raise UserError(f"{source}: its metrics lack {', '.join(unscored)}; give a bundle that `export` made")
    if (naming.name, naming.version) == (manifest.name, manifest.version):
        raise UserError(
            f"{source}: is {manifest.name} {manifest.version} itself; name the new one by --version (or --name), so "
            "that stations can tell them apart"
        )


def _material(
    bundle: Bundle, data: Path, step: Callable[[str], None], progress: Progress, domains: Path | None
) -> Material:
    manifest, made = bundle.manifest, bundle.manifest.provenance
    origin = Origin(manifest.labels, made.label_map, made.split, made.data_fingerprint, made.data, made.left_out)
    dataset, parts, others = open_pictures(bundle.source, origin, data, domains)
    if origin.data == PACKED:  # so `data pack` names every folder: that of the same pictures says more
        origin = replace(origin, data=dataset.name)
    return Material(
        source=bundle.source,
        origin=origin,
        spec=manifest.input,
        dataset=dataset,
        parts=parts,
        step=step,
        progress=progress,
        domains=others,
    )


def _fill(folder: Path, bundle: Bundle, material: Material, wanted: Wanted) -> Exported:
    """Write every file of the bundle into `folder`."""
    old, recipe, naming, extras = bundle.manifest, wanted.recipe, wanted.naming, wanted.extras
    for entry in (*old.artifacts.values(), old.golden):
        write_atomically(folder / entry.file, bundle.read(entry))  # its SHA-256 is checked
    engines = {name: load_artifact(bundle, name) for name in old.artifacts}
    calibration, metrics = _measured(folder, material, old, recipe, engines)
    manifest = msgspec.structs.replace(
        old,
        name=naming.name,
        version=naming.version,
        licence=naming.licence,
        calibration=calibration,
        metrics=metrics,
        provenance=msgspec.structs.replace(old.provenance, data=material.origin.data),
        extra_files=[],
    )
    write_atomically(folder / MANIFEST_NAME, to_json(manifest))  # a bundle is opened by it
    seen = evaluate_on_test_part(folder, material) if extras.test_evaluation else None
    write_atomically(folder / CARD_NAME, model_card(manifest, seen))
    manifest = msgspec.structs.replace(manifest, extra_files=[file_entry(folder / CARD_NAME)])
    write_atomically(folder / MANIFEST_NAME, to_json(manifest))
    if extras.signer is not None:
        write_atomically(folder / SIGNATURE_NAME, extras.signer.sign((folder / MANIFEST_NAME).read_bytes()))
    verify(folder)
    material.step("timing")
    latency_ms = median_latencies_ms(engines, prepare(material.validation[0].pixels(), material.spec))
    operators = {name: read_graph(folder / one.file, name).counts() for name, one in old.artifacts.items()}
    sizes = {name: one.size_bytes for name, one in old.artifacts.items()}
    reason = f"{recipe.name}: confidence fitted anew, networks as in {old.name} {old.version}"
    return Exported(manifest, latency_ms, operators, sizes, reason)


def _measured(
    folder: Path, material: Material, old: Manifest, recipe: ExportRecipe, engines: dict[ArtifactName, Engine]
) -> tuple[Calibration, Metrics]:
    """Fit the confidence, and score every network by it; how each agrees with the torch network stays as it was."""
    truth = truth_of(material.validation, material.labels)
    material.step("asking about validation pictures")
    answers = {name: ask_engine(material, engine, material.validation) for name, engine in engines.items()}
    calibration, scorer = calibrate(folder, material, answers[FITTED_ON], recipe, engines[FITTED_ON])

    def scored(name: ArtifactName, scorer: Scorer) -> ArtifactScores:
        logits = answers[name].logits
        scores = score_logits(logits, scorer(*answers[name]), truth, material.labels, calibration)
        return msgspec.structs.replace(old.metrics.artifacts[name], scores=scores)

    words = f"{calibration.fitted_on}; networks of {old.name} {old.version}, calibrated anew"
    calibration = msgspec.structs.replace(calibration, fitted_on=words)
    scores = {name: scored(name, scorer) for name in engines}
    return calibration, Metrics(material.protocol, scores, old.metrics.quantization)
