"""Quantizes a network by every recipe that is tried, and measures each on the validation pictures; FP32 files too.

How ranges are found and weights equalized is in `quantization/`, how each format becomes INT8 and is
written in `formats/` (`onnx.py`, `tflite.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from waste_edge.bundle.manifest import Artifact, ArtifactName, FileEntry, Reference
from waste_edge.dataset import Photo
from waste_edge.engines.engine import Output, open_engine
from waste_edge.errors import ConfigError
from waste_edge.evaluation.evaluate import Outputs
from waste_edge.export.formats import onnx, tflite
from waste_edge.export.formats.graphs import Graphs
from waste_edge.export.quantization import calibrate, gate
from waste_edge.export.quantization import trained_ranges as trained
from waste_edge.export.quantization.calibrate import layers_of_network
from waste_edge.export.quantization.equalize import equalize
from waste_edge.export.recipe import ExportRecipe
from waste_edge.export.work import Work, refuse_foreign_graph
from waste_edge.files.atomic import sha256_of
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import prepare
from waste_edge.metrics.classification import Comparison
from waste_edge.training.evaluation.evaluate import predict_logits
from waste_edge.training.networks import count_macs

Answers = dict[ArtifactName, Outputs]  # to the N validation pictures


@dataclass(frozen=True, eq=False)
class Floating:
    """The FP32 artifacts and what torch and they answered.

    Attributes:
        answers: of the artifacts.
        references: (N, C) of the torch network, in float, and rounded too if it was trained so.
    """

    artifacts: dict[ArtifactName, Artifact]
    answers: Answers
    references: dict[Reference, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Attempt:
    """Result of one export recipe.

    Attributes:
        folder: holds the files of `artifacts`.
        answers: of the INT8 artifacts.
        comparisons: each of them against FP32.
        complaint: what the accuracy gate objects to; empty if it opens.
        graphs: what was quantized and what came of it, for `debug`.
    """

    recipe: ExportRecipe
    calibration: list[Photo]
    folder: Path
    artifacts: dict[ArtifactName, Artifact]
    answers: Answers
    comparisons: dict[ArtifactName, Comparison]
    complaint: str
    graphs: dict[ArtifactName, Graphs]


def write_floating(folder: Path, work: Work) -> Floating:
    """Write and measure the FP32 files."""
    size = work.spec.height_px, work.spec.width_px
    work.step("exporting onnx-fp32")
    onnx.export_fp32(work.network, *size, folder / "model-fp32.onnx")
    work.step("exporting tflite-fp32")
    tflite.export_fp32(work.network, *size, folder / "model-fp32.tflite")
    artifacts: dict[ArtifactName, Artifact] = {
        "onnx-fp32": _artifact(folder / "model-fp32.onnx", "float32", work),
        "tflite-fp32": _artifact(folder / "model-fp32.tflite", "float32", work),
    }
    _refuse_foreign_graphs(folder, artifacts)
    answers = _measure(folder, artifacts, work)
    networks: dict[Reference, nn.Module] = {"float": work.run.network}
    if work.run.info.ranges:
        networks["rounded"] = work.run.as_trained()
    references: dict[Reference, NDArray[np.float32]] = {}
    for kind, network in networks.items():
        work.step(f"measuring the torch network ({kind})")
        references[kind] = predict_logits(network, work.validation, work.spec, work.progress)
    return Floating(artifacts, answers, references)


def quantize(folder: Path, work: Work, floating: Floating, recipe: ExportRecipe) -> Attempt:
    """Carry out a recipe in a folder of its own; the accuracy gate's verdict is in the result.

    Raises:
        ConfigError: the recipe keeps layers in FP32 that the network does not have.
        DataError: calibration pictures are too few, blank, or not for training.
    """
    if strange := sorted(set(recipe.keep_fp32) - set(names := layers_of_network(work.network))):
        raise ConfigError(f"{recipe.name}: keep_fp32 names {strange[0]}, the network has {', '.join(names)}")
    photos = _calibration_photos(work, recipe)
    pictures = work.prepared(photos)
    network = equalize(work.network, pictures) if recipe.equalize else work.network
    size, (onnx_ranges, tflite_ranges) = (
        (work.spec.height_px, work.spec.width_px),
        _range_finders(work, recipe, pictures),
    )
    folder.mkdir()
    work.step(f"quantizing onnx-int8 ({recipe.name})")
    graphs: dict[ArtifactName, Graphs] = {}
    graphs["onnx-int8"] = onnx.export_int8(network, size, onnx_ranges, recipe, folder / "model-int8.onnx")
    work.step(f"quantizing tflite-int8 ({recipe.name})")
    graphs["tflite-int8"] = tflite.export_int8(network, size, tflite_ranges, recipe, folder / "model-int8.tflite")
    _refuse_foreign_graphs(folder, graphs, bool(recipe.keep_fp32))
    details = _details(recipe, trained_ranges=bool(work.run.info.ranges))
    artifacts: dict[ArtifactName, Artifact] = {
        "onnx-int8": _artifact(folder / "model-int8.onnx", f"{onnx.scheme(recipe)}{details}", work),
        "tflite-int8": _artifact(folder / "model-int8.tflite", f"{tflite.SCHEME}{details}", work),
    }
    answers = _measure(folder, artifacts, work)
    logits = {name: one.logits for name, one in {**floating.answers, **answers}.items()}
    comparisons = gate.compare_quantized(logits, work.validation, work.run.info.labels)
    complaint = gate.complaint(comparisons, recipe)
    return Attempt(recipe, photos, folder, artifacts, answers, comparisons, complaint, graphs)


def best_of(attempts: Sequence[Attempt]) -> tuple[Attempt | None, str]:
    """The attempt to keep, and why in a sentence; None if the gate opens for none.

    Accuracy decides, then agreement with FP32, each the mean of both INT8 artifacts; then the order they came in.
    """
    passed = [attempt for attempt in attempts if not attempt.complaint]
    if not passed:
        return None, "; ".join(attempt.complaint for attempt in attempts)
    chosen = max(passed, key=lambda attempt: gate.preference(attempt.comparisons))
    accuracy, agreement = gate.preference(chosen.comparisons)
    return chosen, (
        f"{chosen.recipe.name}: accuracy {accuracy:.1%}, same label as FP32 in {agreement:.1%} (means of both INT8 "
        f"files); {len(passed)} of {len(attempts)} recipes passed the gate, ties go to the plainer one"
    )


def move_into(folder: Path, attempt: Attempt) -> None:
    """Move an attempt's files into the bundle."""
    for artifact in attempt.artifacts.values():
        shutil.move(attempt.folder / artifact.file, folder / artifact.file)


def file_entry(path: Path) -> FileEntry:
    """A file as the manifest lists it."""
    return FileEntry(file=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path))


def _calibration_photos(work: Work, recipe: ExportRecipe) -> list[Photo]:
    """The recipe's calibration pictures; none where training fixed the ranges already."""
    if not work.run.info.ranges:
        photos = work.calibration(recipe)
        calibrate.check_not_blank(work.prepared(photos), photos)
        return photos
    if recipe.equalize or recipe.ranges != "minmax":
        raise ConfigError(
            f"{recipe.name}: chooses ranges, but those of {work.run.folder} were trained ([quantize_aware]); "
            "export it with static_wi8_ai8"
        )
    return []


def _range_finders(
    work: Work, recipe: ExportRecipe, pictures: Sequence[Pixels]
) -> tuple[onnx.RangesOf, tflite.RangesOf]:
    """Choose each exporter's source of activation ranges: those of the training, else from the pictures."""
    if fixed := work.run.info.ranges:
        return (
            lambda model: trained.onnx_ranges(model, work.network, fixed),
            lambda content: trained.tflite_ranges(content, work.network, fixed),
        )
    return onnx.ranges_from(pictures, recipe), tflite.ranges_from(pictures, recipe)


def _refuse_foreign_graphs(folder: Path, names: Iterable[ArtifactName], float_layers: bool = False) -> None:
    for name in names:
        form, precision = name.split("-")
        refuse_foreign_graph(folder / f"model-{precision}.{form}", name, float_layers)


def _details(recipe: ExportRecipe, trained_ranges: bool) -> str:
    ranges = {
        "minmax": "MinMax",
        "percentile": f"{recipe.percentile:g}th percentile",
        "mse": "least squared error",
        "entropy": "least relative entropy",
    }
    words = [", ranges trained (quantization-aware)" if trained_ranges else f", ranges by {ranges[recipe.ranges]}"]
    if recipe.equalize:
        words.append(", channels equalized")
    if recipe.keep_fp32:
        words.append(f", FP32: {' '.join(recipe.keep_fp32)}")
    return "".join(words)


def _artifact(path: Path, scheme: str, work: Work) -> Artifact:
    entry = file_entry(path)
    macs = count_macs(work.network, work.spec.height_px, work.spec.width_px)
    return Artifact(file=entry.file, size_bytes=entry.size_bytes, sha256=entry.sha256, macs=macs, scheme=scheme)


def _measure(folder: Path, artifacts: dict[ArtifactName, Artifact], work: Work) -> Answers:
    """Predict the validation pictures with each artifact, read and prepared as on a device."""
    engines = {name: open_engine(folder / artifact.file, name) for name, artifact in artifacts.items()}
    answers: dict[ArtifactName, list[Output]] = {name: [] for name in engines}
    work.step(f"measuring {' and '.join(engines)} on {len(work.validation)} validation pictures")
    for index, photo in enumerate(work.validation):
        pixels = prepare(photo.pixels(), work.spec)
        for name, engine in engines.items():
            answers[name].append(engine.infer(pixels))
        work.progress(index + 1, len(work.validation))
    return {name: Outputs.stacked(rows) for name, rows in answers.items()}
