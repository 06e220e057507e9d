"""Quantization-aware training through the command line, and the files it leaves: what was trained is what runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from tests.export.conftest import MODEL, Chain, command_line
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import ArtifactName
from waste_edge.dataset import open_dataset, split
from waste_edge.engines.engine import open_engine
from waste_edge.errors import WasteEdgeError
from waste_edge.export.formats import onnx as onnx_export
from waste_edge.export.formats import tflite as tflite_export
from waste_edge.export.formats.graphs import FromNormalized, fold_batch_norms
from waste_edge.export.quantization import trained_ranges
from waste_edge.export.quantization.calibrate import prepared
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.metrics.classification import Scores
from waste_edge.training.loop.fit import fit
from waste_edge.training.networks import MobileNetV1, build_network, normalize
from waste_edge.training.quantization_aware.fake_quantization import FakeQuantized, TrainedRange
from waste_edge.training.recipe import FitSpec, ModelSpec, QuantizeAwareSpec
from waste_edge.training.runs import Run, open_run, save_info, save_weights

QUANTIZE_AWARE = """
[quantize_aware]
observe_batches = 4
freeze_batch_norm_after = 0.3
freeze_ranges_after = 0.6
"""
INT8: tuple[ArtifactName, ...] = ("onnx-int8", "tflite-int8")


class Silent:
    def step(self, epoch: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None: ...

    def warn(self, sentence: str) -> None: ...


@pytest.fixture(scope="module")
def tuned(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The chain's student, fine-tuned under rounding and exported; the export could not calibrate if it wanted to."""
    folder = tmp_path_factory.mktemp("tuned")
    recipe, export_recipe = folder / "tuned.toml", folder / "quantize.toml"
    text = MODEL.format(name="tuned", architecture="mobilenet_v1", width=0.25).replace("3e-3", "5e-4")
    recipe.write_text(text + "[distill]\ntemperature = 2.0\nalpha = 0.5\n" + QUANTIZE_AWARE)
    export_recipe.write_text('name = "static_wi8_ai8"\ncalibration_pictures = 9999\n')
    made = Chain(chain.data, chain.teacher, folder / "run", folder / "bundle", export_recipe)
    for arguments in (
        (
            "distill",
            recipe,
            "--from",
            chain.student,
            "--teacher",
            chain.teacher,
            "--data",
            chain.data,
            "--out",
            made.student,
        ),
        ("export", made.student, "--data", chain.data, "--out", made.bundle, "--recipe", export_recipe),
    ):
        done = command_line(*arguments)
        assert done.returncode == 0, f"{arguments[0]}: {done.stdout}{done.stderr}"
    return made


def validation(data: Path, run: Run) -> tuple[list[Pixels], NDArray[np.int64]]:
    dataset = open_dataset(data)
    photos = split(dataset, run.info.recipe.split)["val"]
    return prepared(photos, run.info.recipe.input), np.array([dataset.label_index(photo) for photo in photos])


def torch_logits(network: nn.Module, pixels: list[Pixels]) -> NDArray[np.float32]:
    with torch.no_grad():
        answers: NDArray[np.float32] = network(normalize(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)))[
            0
        ].numpy()
    return answers


def file_logits(path: Path, name: ArtifactName, pixels: list[Pixels]) -> NDArray[np.float32]:
    engine = open_engine(path, name)
    return np.stack([engine.infer(picture).logits for picture in pixels])


def export_trained(network: nn.Module, ranges: Sequence[TrainedRange], size_px: int, folder: Path) -> None:
    """Both INT8 files with trained ranges: a.onnx and a.tflite."""
    size, recipe = (size_px, size_px), ExportRecipe(name="static_wi8_ai8")
    onnx_export.export_int8(
        network, size, lambda model: trained_ranges.onnx_ranges(model, network, ranges), recipe, folder / "a.onnx"
    )
    tflite_export.export_int8(
        network,
        size,
        lambda content: trained_ranges.tflite_ranges(content, network, ranges),
        recipe,
        folder / "a.tflite",
    )


def test_the_int8_files_compute_what_was_trained(tuned: Chain) -> None:
    """The bound: the same label on 98 % of pictures, logits two INT8 steps off in the mean at most."""
    run, manifest = open_run(tuned.student), open_bundle(tuned.bundle).manifest
    pixels, _ = validation(tuned.data, run)
    expected, step = torch_logits(run.as_trained(), pixels), run.info.ranges[-1].scale
    for name in INT8:
        answers = file_logits(tuned.bundle / manifest.artifacts[name].file, name, pixels)
        assert (answers.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.98, name
        assert float((np.abs(answers - expected) / step).mean()) < 2.0, name


def test_the_files_hold_exactly_the_trained_ranges(tuned: Chain) -> None:
    ranges = open_run(tuned.student).info.ranges
    graph = onnx.load(tuned.bundle / "model-int8.onnx").graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    flattened = {node.output[0] for node in graph.node if node.op_type in ("Reshape", "Flatten")}  # computes nothing
    written = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in flattened]
    got = [(float(values[n.input[1]]), int(values[n.input[2]]) - 128) for n in written]
    assert [zero for _, zero in got] == [one.zero_point for one in ranges]
    np.testing.assert_allclose([scale for scale, _ in got], [one.scale for one in ranges], rtol=1e-6)
    engine = open_engine(tuned.bundle / "model-int8.tflite", "tflite-int8")._interpreter  # type: ignore[attr-defined]
    details = {int(d["index"]): d["quantization"] for d in engine.get_tensor_details()}
    ops = [op for op in engine._get_ops_details() if op["op_name"] != "DELEGATE"]
    in_file = [details[int(op["outputs"][0])] for op in ops]
    assert [zero for _, zero in in_file] == [one.zero_point for one in ranges]
    np.testing.assert_allclose([scale for scale, _ in in_file], [one.scale for one in ranges], rtol=1e-6)


def test_the_graphs_are_as_clean_as_calibrated_ones(tuned: Chain, chain: Chain) -> None:
    def operators(bundle: Path) -> Counter[str]:
        engine = open_engine(bundle / "model-int8.tflite", "tflite-int8")
        details = engine._interpreter._get_ops_details()  # type: ignore[attr-defined]
        return Counter(detail["op_name"] for detail in details if detail["op_name"] != "DELEGATE")

    assert operators(tuned.bundle) == operators(chain.bundle)
    graph = onnx.load(tuned.bundle / "model-int8.onnx").graph
    kinds = Counter(node.op_type for node in graph.node)
    assert (graph.node[0].op_type, kinds["Transpose"], kinds["QuantizeLinear"]) == ("Transpose", 1, 30)
    producer = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert all(producer[name].op_type == "DequantizeLinear" for name in node.input), node.name


def test_the_bundle_says_so_and_counts_no_calibration_pictures(tuned: Chain) -> None:
    manifest = open_bundle(tuned.bundle).manifest
    assert all("trained" in manifest.artifacts[name].scheme for name in INT8)
    assert (manifest.provenance.calibration_pictures, manifest.provenance.calibration_fingerprint) == (0, "")
    assert manifest.provenance.initial_weights == "run student, itself from random"
    assert "under INT8 rounding" in (tuned.bundle / "MODEL_CARD.md").read_text()


def test_int8_files_are_held_against_the_network_under_rounding_and_fp32_ones_against_floats(tuned: Chain) -> None:
    run, manifest = open_run(tuned.student), open_bundle(tuned.bundle).manifest
    pixels, _ = validation(tuned.data, run)
    networks = {"float": torch_logits(run.network, pixels), "rounded": torch_logits(run.as_trained(), pixels)}
    for name, measured in manifest.metrics.artifacts.items():
        assert measured.reference == ("rounded" if name in INT8 else "float"), name
        answers = file_logits(tuned.bundle / manifest.artifacts[name].file, name, pixels)
        difference = np.abs(answers - networks[measured.reference])
        assert measured.mean_logit_difference == pytest.approx(float(difference.mean()), rel=1e-3, abs=1e-6), name
        assert measured.agreement >= (0.98 if name in INT8 else 1.0), name
    words = "For onnx-int8 and tflite-int8 the torch network is the one that was trained, under INT8 rounding"
    report = tuned.bundle.with_name("bundle.export.md").read_text()
    for text in (report, (tuned.bundle / "MODEL_CARD.md").read_text()):
        assert words in text
        assert text.count("% (rounded) |") == 2


def test_ranges_of_a_network_that_is_not_the_files_are_never_handed_over(tuned: Chain, tmp_path: Path) -> None:
    run = open_run(tuned.student)
    other = fold_batch_norms(build_network(run.info.recipe.model, 3))
    example = torch.zeros(1, 3, 32, 32)
    model = onnx_export._traced(FromNormalized(other, channels_first=True), example)
    with pytest.raises(WasteEdgeError, match="29 activations are not the 29"):
        trained_ranges.onnx_ranges(model, fold_batch_norms(run.network), run.info.ranges)


def test_a_residual_network_is_exported_with_its_additions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(ModelSpec(architecture="mobilenet_v2", width=0.35), 3).eval()
    levels = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    rounded = FakeQuantized(network)
    rounded.observe([normalize(torch.from_numpy(levels).permute(0, 3, 1, 2))])
    ranges, pixels = rounded.trained_ranges(), list(levels)
    expected = torch_logits(rounded.eval(), pixels)
    export_trained(fold_batch_norms(network), ranges, 64, tmp_path)
    for name, file in zip(INT8, ("a.onnx", "a.tflite"), strict=True):
        difference = np.abs(file_logits(tmp_path / file, name, pixels) - expected) / ranges[-1].scale
        assert float(difference.mean()) < 3.0, name
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node)
    # One QuantizeLinear a range, and one for the pool's flattening, which computes nothing.
    assert (kinds["Add"], kinds["QuantizeLinear"]) == (10, len(ranges) + 1)


@pytest.mark.long
def test_training_mends_what_calibration_cannot(chain: Chain, tmp_path: Path) -> None:
    """A feature that is always 6 leaves INT8 nothing for the others, which are 400 times smaller; FP32 loses nothing.

    Both INT8 files are made by the same code; one has the ranges of calibration alone, one those of training.
    """
    start = lopsided(open_run(chain.student), tmp_path / "lopsided")
    pixels, truth = validation(chain.data, start)

    def accuracy(logits: NDArray[np.float32]) -> float:
        return float((logits.argmax(axis=1) == truth).mean())

    def deployed(network: nn.Module, rounded: FakeQuantized, name: str) -> float:
        (tmp_path / name).mkdir()
        export_trained(fold_batch_norms(network), rounded.trained_ranges(), pixels[0].shape[0], tmp_path / name)
        return accuracy(file_logits(tmp_path / name / "a.tflite", "tflite-int8", pixels))

    calibrated = FakeQuantized(start.network)
    calibrated.observe([normalize(torch.from_numpy(np.stack(pixels[:64])).permute(0, 3, 1, 2))])
    recipe = msgspec.structs.replace(
        start.info.recipe,
        fit=FitSpec(epochs=2, batch_size=8, learning_rate=2e-3, warmup_epochs=0.1, label_smoothing=0.0),
        distill=None,
        quantize_aware=QuantizeAwareSpec(
            observe_batches=4, range_momentum=0.1, freeze_batch_norm_after=1.0, freeze_ranges_after=1.5
        ),
    )
    fit(recipe, chain.data, tmp_path / "run", Silent(), start=start)
    run = open_run(tmp_path / "run")
    rounded = run.as_trained()
    assert isinstance(rounded, FakeQuantized)
    floating = accuracy(torch_logits(start.network, pixels))
    post_training, aware = deployed(start.network, calibrated, "ptq"), deployed(run.network, rounded, "qat")
    assert floating > 0.6
    assert post_training < floating - 0.2
    assert aware > floating - 0.05


def lopsided(run: Run, folder: Path) -> Run:
    """The same answers in FP32, but one feature is always 6 and means nothing, and all others are 400 times smaller."""
    network = run.network
    assert isinstance(network, MobileNetV1)
    last = network.blocks[-1][-1].bn2  # type: ignore[index, union-attr]
    with torch.no_grad():
        for factors in (last.weight, last.bias):  # type: ignore[union-attr]
            factors /= 400  # type: ignore[operator]
        network.classifier.weight *= 400
        last.weight[0], last.bias[0], network.classifier.weight[:, 0] = 0.0, 6.0, 0.0  # type: ignore[index, operator]
    folder.mkdir()
    save_info(folder, msgspec.structs.replace(run.info, weights_sha256=save_weights(folder, network)))
    return open_run(folder)
