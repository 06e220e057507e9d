"""A run becomes a bundle: export, quantize, measure, pack. One function a step, in the order they happen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle import open_bundle, pack
from waste_edge.dataset import Dataset, Photo, open_dataset, split
from waste_edge.engines.classifier import Classifier
from waste_edge.engines.engine import Engine, open_engine
from waste_edge.engines.evaluate import Progress, predict_photos, score_logits, truth_of
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import DataError, UserError, WasteEdgeError
from waste_edge.export import calibrate, onnx, tflite, trained
from waste_edge.export.card import CARD_NAME, model_card
from waste_edge.export.check import refuse_bad_weights, refuse_foreign_graph
from waste_edge.export.golden import write_golden
from waste_edge.export.graphs import fold_batch_norms
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files import folder_in_one_piece, sha256_of, write_atomically
from waste_edge.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    Artifact,
    ArtifactName,
    ArtifactScores,
    Calibration,
    FileEntry,
    Golden,
    Manifest,
    Metrics,
    Provenance,
)
from waste_edge.metrics import fit_temperature
from waste_edge.signing import SIGNATURE_NAME, Signer
from waste_edge.strict import to_json
from waste_edge.training.evaluate import predict_logits
from waste_edge.training.networks import count_macs, count_parameters, feature_count
from waste_edge.training.runs import Run, library_versions

_LIBRARIES = (
    "torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "onnx", "onnxscript", "onnxruntime", "numpy",
    "opencv-python-headless", "pillow",
)  # fmt: skip


@dataclass(frozen=True)
class Naming:
    """What the bundle is called and under which licence it goes."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True, eq=False)
class _Work:
    """What every step needs."""

    run: Run
    dataset: Dataset
    calibration: list[Photo]
    validation: list[Photo]
    recipe: ExportRecipe
    naming: Naming
    step: Callable[[str], None]
    progress: Progress
    signer: Signer | None


def export_bundle(
    run: Run,
    data: Path,
    out: Path,
    recipe: ExportRecipe,
    naming: Naming,
    step: Callable[[str], None],
    progress: Progress,
    signer: Signer | None = None,
) -> Manifest:
    """Make a bundle folder, or a `.zip` if `out` ends so; nothing is left behind if a step fails.

    Args:
        run: a finished run.
        data: the photographs it was trained on; validation and training parts are found again by its split.
        out: the bundle to make; it must not exist.
        recipe: how to quantize, and how to choose thresholds.
        naming: the bundle's name, version, licence.
        step: told what is being done, in words.
        progress: pictures done and in all, while validation pictures are scored.
        signer: signs the manifest; None leaves the bundle unsigned.

    Raises:
        DataError: other data than the run's, too few calibration pictures, or no validation part.
        GraphError: the network holds an operator that a target lacks.
        RunError: a weight is NaN or infinite.
        UserError: `out` exists or cannot be written.
    """
    refuse_bad_weights(run.network, run.folder)
    dataset = _own_data(run, data)
    parts = split(dataset, run.info.recipe.split)
    if not parts["val"]:
        raise DataError(
            f"{data}: the run kept no validation part; set split.val_fraction in its recipe and train again"
        )
    # Ranges that were trained need no pictures to calibrate them.
    calibration = [] if run.info.ranges else calibrate.choose_calibration(dataset, parts["train"], recipe)
    work = _Work(run, dataset, calibration, parts["val"], recipe, naming, step, progress, signer)
    if out.suffix != ".zip":
        with folder_in_one_piece(out) as folder:
            return _fill(folder, work)
    if out.exists():
        raise UserError(f"{out}: exists already; choose another --out or remove it first")
    with tempfile.TemporaryDirectory(prefix="waste-edge-bundle-") as name:
        manifest = _fill(Path(name), work)
        pack(Path(name), out)
        return manifest


def _own_data(run: Run, data: Path) -> Dataset:
    dataset = open_dataset(data, run.info.labels)
    if dataset.fingerprint() != run.info.data_fingerprint:
        raise DataError(
            f"{data}: not the pictures {run.folder} was trained on (their fingerprint differs), so training and "
            "validation pictures cannot be told apart; give the same --data as in training"
        )
    return dataset


def _fill(folder: Path, work: _Work) -> Manifest:
    """Write every file of the bundle into `folder`."""
    artifacts = _write_artifacts(folder, work)
    engines = {name: open_engine(folder / entry.file, name) for name, entry in artifacts.items()}
    work.step("recording golden outputs")
    golden = write_golden(folder, engines, work.run.info.recipe.input)
    manifest = _measure(_draft(work, artifacts, golden), engines, work)
    write_atomically(folder / CARD_NAME, model_card(manifest))
    manifest = msgspec.structs.replace(manifest, extra_files=[_entry(folder / CARD_NAME)])
    write_atomically(folder / MANIFEST_NAME, to_json(manifest))
    if work.signer is not None:
        write_atomically(folder / SIGNATURE_NAME, work.signer.sign((folder / MANIFEST_NAME).read_bytes()))
    _verify(folder)
    return manifest


def _verify(folder: Path) -> None:
    """No bundle leaves that `waste-edge verify` would refuse."""
    with open_bundle(folder) as bundle:
        failed = [replay for replay in verify_bundle(bundle).artifacts if replay.status != "ok"]
    if failed:
        raise WasteEdgeError(f"the new bundle does not verify: {failed[0].artifact} {failed[0].reason}")


def _write_artifacts(folder: Path, work: _Work) -> dict[ArtifactName, Artifact]:
    """The four files, from one folded network and one set of calibration pictures."""
    spec = work.run.info.recipe.input
    network = fold_batch_norms(work.run.network)
    pictures = calibrate.prepared(work.calibration, spec)
    macs = count_macs(network, spec.height_px, spec.width_px)
    size = (spec.height_px, spec.width_px)
    writers: dict[ArtifactName, tuple[str, str, Callable[[Path], None]]] = {
        "onnx-fp32": ("model-fp32.onnx", "float32", lambda path: onnx.export_fp32(network, *size, path)),
        "onnx-int8": ("model-int8.onnx", onnx.SCHEME, lambda path: onnx.export_int8(network, pictures, path)),
        "tflite-fp32": ("model-fp32.tflite", "float32", lambda path: tflite.export_fp32(network, *size, path)),
        "tflite-int8": ("model-int8.tflite", tflite.SCHEME, lambda path: tflite.export_int8(network, pictures, path)),
    }
    if ranges := work.run.info.ranges:
        writers["onnx-int8"] = (
            "model-int8.onnx",
            trained.ONNX_SCHEME,
            lambda path: trained.export_onnx(network, ranges, *size, path),
        )
        writers["tflite-int8"] = (
            "model-int8.tflite",
            trained.TFLITE_SCHEME,
            lambda path: trained.export_tflite(network, ranges, *size, path),
        )
    artifacts: dict[ArtifactName, Artifact] = {}
    for name, (file, scheme, write) in writers.items():
        work.step(f"exporting {name}")
        write(folder / file)
        refuse_foreign_graph(folder / file, name)
        entry = _entry(folder / file)
        artifacts[name] = Artifact(
            file=file, size_bytes=entry.size_bytes, sha256=entry.sha256, macs=macs, scheme=scheme
        )
    return artifacts


def _draft(work: _Work, artifacts: dict[ArtifactName, Artifact], golden: Golden) -> Manifest:
    """The manifest before validation pictures were seen: enough to run the artifacts as a device would."""
    info, network = work.run.info, fold_batch_norms(work.run.network)
    return Manifest(
        schema=SCHEMA,
        name=work.naming.name,
        version=work.naming.version,
        created=info.created,
        licence=work.naming.licence,
        labels=info.labels,
        input=info.recipe.input,
        features=feature_count(network),
        parameters=count_parameters(network),
        artifacts=artifacts,
        calibration=Calibration(temperature=1.0, min_confidence=0.0, min_known_score=-1e9, fitted_on="nothing yet"),
        golden=golden,
        metrics=Metrics(protocol="not measured yet", artifacts={}),
        provenance=_provenance(work),
    )


def _provenance(work: _Work) -> Provenance:
    info = work.run.info
    return Provenance(
        recipe=info.recipe.name,
        export_recipe=work.recipe.name,
        data=info.data,
        data_fingerprint=info.data_fingerprint,
        split=info.recipe.split,
        rendered_pictures=info.rendered_pictures,
        initial_weights=info.initial_weights,
        initial_weights_sha256=info.initial_weights_sha256,
        teacher=info.teacher,
        calibration_pictures=len(work.calibration),
        calibration_fingerprint=calibrate.fingerprint(work.calibration) if work.calibration else "",
        libraries=library_versions(_LIBRARIES),
        commit=info.commit,
    )


def _measure(manifest: Manifest, engines: Mapping[ArtifactName, Engine], work: _Work) -> Manifest:
    """Fit temperature and thresholds, score every artifact and hold it against the torch network."""
    photos, truth = work.validation, truth_of(work.validation, manifest.labels)
    logits: dict[ArtifactName, NDArray[np.float32]] = {}
    for name, engine in engines.items():
        work.step(f"measuring {name} on {len(photos)} validation pictures")
        logits[name] = predict_photos(Classifier(engine, manifest, name), photos, work.progress).logits
    work.step("measuring the torch network")
    reference = predict_logits(work.run.network, photos, manifest.input, work.progress)
    protocol = (
        f"{len(photos)} validation pictures of {manifest.provenance.data}, "
        f"{'grouped by object' if work.dataset.grouped else 'not grouped'}, seed {manifest.provenance.split.seed}; "
        "temperature and thresholds were fitted on these same pictures, weights were not"
    )
    calibration = _calibrate(logits["tflite-int8"], truth, work.recipe, protocol)
    scores: dict[ArtifactName, ArtifactScores] = {}
    for name, answers in logits.items():
        difference = np.abs(answers - reference)
        scores[name] = ArtifactScores(
            scores=score_logits(answers, truth, manifest.labels, calibration),
            agreement=float((answers.argmax(axis=1) == reference.argmax(axis=1)).mean()),
            max_logit_difference=float(difference.max()),
            mean_logit_difference=float(difference.mean()),
        )
    metrics = Metrics(protocol=protocol, artifacts=scores)
    return msgspec.structs.replace(manifest, calibration=calibration, metrics=metrics)


def _calibrate(
    logits: NDArray[np.float32], truth: NDArray[np.int64], recipe: ExportRecipe, protocol: str
) -> Calibration:
    """Thresholds from the artifact that boards run, INT8 TFLite."""
    return Calibration(
        temperature=round(fit_temperature(logits, truth), 4),
        min_confidence=recipe.min_confidence,
        min_known_score=round(float(np.quantile(logits.max(axis=1), 1 - recipe.known_share)), 4),
        fitted_on=f"tflite-int8 on {protocol.partition(';')[0]}",
    )


def _entry(path: Path) -> FileEntry:
    return FileEntry(file=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path))
