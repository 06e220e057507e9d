"""A run becomes a bundle: export, quantize, measure, pack. One function a step, in the order they happen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from waste_edge.bundle.bundle import open_bundle, pack
from waste_edge.bundle.manifest import (
    ARTIFACT_NAMES,
    MANIFEST_NAME,
    SCHEMA,
    Artifact,
    ArtifactName,
    Calibration,
    Golden,
    Manifest,
    Metrics,
    Provenance,
)
from waste_edge.bundle.signing import SIGNATURE_NAME, Signer
from waste_edge.engines.engine import median_latencies_ms, open_engine
from waste_edge.engines.graph.report import read_graph
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import GateError, UserError, WasteEdgeError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.export import debug
from waste_edge.export.confidence.scoring import score_artifacts
from waste_edge.export.golden import write_golden
from waste_edge.export.held_out_evaluation import check_test_part, evaluate_on_test_part
from waste_edge.export.model_card import CARD_NAME, model_card
from waste_edge.export.quantization import calibrate, gate
from waste_edge.export.quantize import (
    Attempt,
    Floating,
    best_of,
    file_entry,
    move_into,
    quantize,
    write_floating,
)
from waste_edge.export.recipe import ExportRecipe
from waste_edge.export.work import Work, open_work
from waste_edge.files.atomic import folder_in_one_piece, write_atomically
from waste_edge.files.strict import to_json
from waste_edge.training.networks import count_parameters, feature_count
from waste_edge.training.runs import Run, library_versions

_LIBRARIES = (
    "torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "onnx", "onnxscript", "onnxruntime", "numpy",
    "opencv-python-headless", "pillow",
)  # fmt: skip


@dataclass(frozen=True)
class Naming:
    """Name, version and licence of the bundle."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True)
class Extras:
    """Optional parts of an export.

    Attributes:
        debug_folder: where to write how far each tensor is from FP32, even if the accuracy gate stays shut.
        signer: signs the manifest; None leaves the bundle unsigned.
        test_evaluation: score the bundle on the run's test part too, for its card.
        domains: a domains file: other sources' pictures for temperature, thresholds and known score.
        int8_only: leave the FP32 networks out of the finished bundle; they are measured, and stand in its card.
    """

    debug_folder: Path | None = None
    signer: Signer | None = None
    test_evaluation: bool = False
    domains: Path | None = None
    int8_only: bool = False


@dataclass(frozen=True)
class Exported:
    """A new bundle's manifest, and what is true of this machine only or is no part of the bundle.

    Attributes:
        latency_ms: median of one inference on one thread of this machine, by artifact.
        operators: how many of each kind, by artifact, the most frequent first.
        size_bytes: of each artifact, whether it stayed in the bundle or not.
        reason: why its recipe was kept.
    """

    manifest: Manifest
    latency_ms: dict[ArtifactName, float]
    operators: dict[ArtifactName, dict[str, int]]
    size_bytes: dict[ArtifactName, int]
    reason: str


def export_bundle(
    run: Run,
    data: Path,
    out: Path,
    recipes: Sequence[ExportRecipe],
    naming: Naming,
    step: Callable[[str], None],
    progress: Progress,
    extras: Extras | None = None,
) -> Exported:
    """Make a bundle folder, or a `.zip` if `out` ends so; nothing is left behind if a step fails.

    Args:
        run: a finished run.
        data: the photographs it was trained on; validation and training parts are found again by its split.
        out: the bundle to make; it must not exist.
        recipes: how to quantize, and how to choose thresholds; of several the best is kept.
        naming: the bundle's name, version, licence.
        step: told what is being done, in words.
        progress: pictures done and in all, while validation pictures are scored.
        extras: what else is wanted.

    Raises:
        DataError: other data than the run's, too few calibration pictures, no validation part, or no test part for
            the last look.
        GraphError: the network holds an operator that a target lacks.
        RunError: a weight is NaN or infinite.
        GateError: INT8 loses more accuracy than any recipe allows.
        UserError: `out` exists or cannot be written.
    """
    refuse_existing(out)
    extras = extras or Extras()
    work = open_work(run, data, step, progress, extras.domains)
    if extras.test_evaluation:
        check_test_part(work)
    with bundle_in_one_piece(out) as folder:
        return _fill(folder, work, recipes, naming, extras)


def refuse_existing(out: Path) -> None:
    """Raise UserError if `out` is a `.zip` that exists; a folder is refused by `bundle_in_one_piece`."""
    if out.suffix == ".zip" and out.exists():
        raise UserError(f"{out}: exists already; choose another --out or remove it first")


@contextmanager
def bundle_in_one_piece(out: Path) -> Iterator[Path]:
    """Yield a folder to fill; it becomes the bundle `out`, a folder or a `.zip`, once all of it is there."""
    if out.suffix != ".zip":
        with folder_in_one_piece(out) as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="waste-edge-bundle-") as name:
        yield Path(name)
        pack(Path(name), out)


def _fill(
    folder: Path,
    work: Work,
    recipes: Sequence[ExportRecipe],
    naming: Naming,
    extras: Extras,
) -> Exported:
    """Write every file of the bundle into `folder`."""
    floating = write_floating(folder, work)
    attempt, reason = _try_recipes(folder, work, floating, recipes, extras.debug_folder)
    artifacts = {**floating.artifacts, **attempt.artifacts}
    engines = {name: open_engine(folder / artifacts[name].file, name) for name in ARTIFACT_NAMES}
    work.step("recording golden outputs")
    golden = write_golden(folder, engines, work.spec)
    measured = score_artifacts(folder, work, floating, attempt, engines["tflite-int8"])
    manifest = _manifest(work, naming, artifacts, attempt, measured, golden)
    seen = None
    if extras.test_evaluation:
        write_atomically(folder / MANIFEST_NAME, to_json(manifest))  # a bundle is opened by it
        seen = evaluate_on_test_part(folder, work)
    write_atomically(folder / CARD_NAME, model_card(manifest, seen))
    operators = {name: read_graph(folder / artifacts[name].file, name).counts() for name in ARTIFACT_NAMES}
    if extras.int8_only:
        manifest = without_fp32(folder, manifest)
    manifest = msgspec.structs.replace(manifest, extra_files=[file_entry(folder / CARD_NAME)])
    write_atomically(folder / MANIFEST_NAME, to_json(manifest))
    if extras.signer is not None:
        write_atomically(folder / SIGNATURE_NAME, extras.signer.sign((folder / MANIFEST_NAME).read_bytes()))
    verify(folder)
    work.step("timing")
    latency_ms = median_latencies_ms(engines, work.prepared(work.validation[:1])[0])
    sizes = {name: one.size_bytes for name, one in artifacts.items()}
    return Exported(manifest, latency_ms, operators, sizes, reason)


def without_fp32(folder: Path, manifest: Manifest) -> Manifest:
    """Remove the FP32 networks' files from a bundle's folder; returns the manifest without them.

    Its metrics keep their rows: they say what INT8 was compared with.
    """
    for name in ("onnx-fp32", "tflite-fp32"):
        (folder / manifest.artifacts[name].file).unlink()
    kept = {name: one for name, one in manifest.artifacts.items() if name.endswith("int8")}
    tolerance = {name: one for name, one in manifest.golden.tolerance.items() if name in kept}
    golden = msgspec.structs.replace(manifest.golden, tolerance=tolerance)
    return msgspec.structs.replace(manifest, artifacts=kept, golden=golden)


def _try_recipes(
    folder: Path, work: Work, floating: Floating, recipes: Sequence[ExportRecipe], debug_folder: Path | None
) -> tuple[Attempt, str]:
    """Quantize by each recipe and move the best attempt's files into the bundle."""
    with tempfile.TemporaryDirectory(prefix="waste-edge-attempts-") as name:
        attempts = []
        for recipe in recipes:
            attempts.append(attempt := quantize(Path(name) / recipe.name, work, floating, recipe))
            for artifact, comparison in attempt.comparisons.items():
                work.step(f"  {recipe.name}: {artifact} {gate.describe_drop(comparison)}")
            if debug_folder is not None:
                _debug(debug_folder, work, attempt)
        best, reason = best_of(attempts)
        if best is None:
            raise GateError(f"{reason}; {gate.remedy(recipes)}")
        move_into(folder, best)
        return best, reason


def _debug(folder: Path, work: Work, attempt: Attempt) -> None:
    work.step(f"comparing tensors of {attempt.recipe.name}")
    pictures = work.prepared(work.validation[:: max(1, len(work.validation) // debug.PICTURES)][: debug.PICTURES])
    errors = debug.find_quantization_errors(attempt.graphs, work.network, pictures, attempt.recipe.name)
    debug.write_errors(errors, folder)
    for artifact in errors.tensors:
        for row in debug.worst_tensors(errors, artifact):
            work.step(
                f"  {artifact} {row.layer}: {row.snr_db:.1f} dB, "
                f"{row.lost_db:.1f} of it lost here, cosine {row.cosine:.4f}"
            )
        work.step(f"  {artifact}: {errors.culprit[artifact]} loses most")
    work.step(f"  {errors.advice}")


def verify(folder: Path) -> None:
    """Verify the finished bundle as `waste-edge verify` does, so that none leaves that it would refuse."""
    with open_bundle(folder) as bundle:
        failed = [replay for replay in verify_bundle(bundle).artifacts if replay.status != "ok"]
    if failed:
        raise WasteEdgeError(f"the new bundle does not verify: {failed[0].artifact} {failed[0].reason}")


def _manifest(
    work: Work,
    naming: Naming,
    artifacts: Mapping[ArtifactName, Artifact],
    attempt: Attempt,
    measured: tuple[Calibration, Metrics],
    golden: Golden,
) -> Manifest:
    info = work.run.info
    calibration, metrics = measured
    return Manifest(
        schema=SCHEMA,
        name=naming.name,
        version=naming.version,
        created=info.created,
        licence=naming.licence,
        labels=info.labels,
        input=work.spec,
        features=feature_count(work.network),
        parameters=count_parameters(work.network),
        artifacts={name: artifacts[name] for name in ARTIFACT_NAMES},
        calibration=calibration,
        golden=golden,
        metrics=metrics,
        provenance=_provenance(work, attempt),
        tree=info.recipe.tree.parent_of() if info.recipe.tree else {},
    )


def _provenance(work: Work, attempt: Attempt) -> Provenance:
    info = work.run.info
    return Provenance(
        recipe=info.recipe.name,
        export_recipe=attempt.recipe.name,
        data=info.data,
        data_fingerprint=info.data_fingerprint,
        split=info.recipe.split,
        label_map=info.recipe.labels,
        rendered_pictures=info.rendered_pictures,
        initial_weights=info.initial_weights,
        initial_weights_sha256=info.initial_weights_sha256,
        teacher=info.teacher,
        domains=info.domains,
        left_out=info.left_out,
        calibration_pictures=len(attempt.calibration),
        calibration_fingerprint=calibrate.fingerprint(attempt.calibration) if attempt.calibration else "",
        libraries=library_versions(_LIBRARIES),
        commit=info.commit,
    )
