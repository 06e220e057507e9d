"""Every shipped recipe that looks at pictures trains end to end, its classes unchanged, on pictures of a few pixels."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.training.loop.test_fit import Silent
from waste_edge.files.resources import shipped
from waste_edge.training.networks import build_network, count_macs, count_parameters, feature_count
from waste_edge.training.recipe import read_recipe, shipped_recipes
from waste_edge.training.runs import open_run
from waste_edge.training.train import train
from waste_edge.training.train_request import TrainRequest

# What makes a recipe small enough for a test, and nothing else about it other.
QUICK = ["fit.epochs=1", "fit.batch_size=4", "fit.precision=fp32", "model.pretrained=none"]
BINARY = {"zoo_plain_cnn": 32, "zoo_vgg16": 32, "zoo_efficientnet_b0": 32, "zoo_inception_v3": 75}
SIX_LABELS = {
    "mobilenet_v3_large": 32,
    "probe_lite0": 32,
    "settled_lite0": 32,
    "student_accurate": 32,
    "student_lite0": 32,
    "student_cnn4": 32,
    "student_mobilenet_v1_025": 32,
    "student_mobilenet_v1_035": 32,
    "student_small": 32,
    "student_small_item": 32,
    "taught_small": 32,
    "teacher_edgetpu": 32,
    "teacher_inception_resnet_v2": 75,
    "teacher_lite2": 32,
    "teacher_mobilenet_v2": 32,
    "teacher_mobilenet_v2_away": 32,
    "tuned_lite0": 32,
    "tuned_small": 32,
    "two_stage_first": 32,
    "two_stage_second": 32,
    "two_stage_tree": 32,
}
ELSEWHERE = {  # recipes whose training is tested by the file named
    "clip_probe": "composites/test_probe.py",
    "two_stage_cascade": "composites/test_cascade.py",
    "qat_lite0": "quantization_aware/test_quantization_aware.py",
    "qat_accurate": "quantization_aware/test_quantization_aware.py",
    "qat_small": "quantization_aware/test_quantization_aware.py",
    "qat_small_item": "quantization_aware/test_quantization_aware.py",
    "qat_student_mobilenet_v1_025": "quantization_aware/test_quantization_aware.py",
}
LABELS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TrashNet's six labels, four pictures each, each label in a grey of its own."""
    folder = tmp_path_factory.mktemp("materials")
    generator = np.random.default_rng(6)
    for index, label in enumerate(LABELS):
        (folder / label).mkdir()
        for number in range(4):
            pixels = np.clip(30 + 38 * index + generator.integers(-9, 10, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def request(name: str, size_px: int, data: Path, out: Path) -> TrainRequest:
    changes = [*QUICK, f"input.width_px={size_px}", f"input.height_px={size_px}"]
    raw = shipped(f"training/{name}.toml").read_text(encoding="utf-8")
    if name in ("zoo_vgg16", "zoo_inception_v3"):  # torchvision's own initialization of these takes most of a minute
        changes.append("model.options.init_weights=false")
    if "[rendered]" in raw:
        changes.append("rendered.views_per_label=0")
    if "test_fraction" in raw:  # a tenth of four pictures is none
        changes += ["split.val_fraction=0.25", "split.test_fraction=0.25"]
    if "[stock]" in raw:
        changes += ["stock.side_px=40", "stock.station=1", "stock.drawn=2", "stock.surfaces=2", "stock.per_epoch=8"]
    if "linear_probe_views" in raw:
        changes.append("fit.linear_probe_views=8")
    if "[strangers]" in raw:
        changes += ["strangers.views=3", "backgrounds.surfaces=2"]
    recipe = read_recipe(name, [one for one in changes if "pretrained" not in one or 'pretrained = "' in raw])
    return TrainRequest(recipe, data, out, watch=lambda _: nullcontext(Silent()))


@pytest.mark.parametrize(("name", "size_px"), BINARY.items())
def test_the_zoo_learns_biodegradable_or_not(materials: Path, tmp_path: Path, name: str, size_px: int) -> None:
    info = train(request(name, size_px, materials, tmp_path / "run"))
    assert info.labels == ["biodegradable", "non_biodegradable"]
    assert info.scores is not None
    assert sum(row.support for row in info.scores.labels) == info.pictures["val"] > 0
    assert open_run(tmp_path / "run").info == info


@pytest.mark.parametrize(("name", "size_px"), SIX_LABELS.items())
def test_a_shipped_recipe_trains(materials: Path, tmp_path: Path, name: str, size_px: int) -> None:
    info = train(request(name, size_px, materials, tmp_path / "run"))
    assert tuple(info.labels) == LABELS
    assert info.scores is not None
    assert open_run(tmp_path / "run").info == info


def test_no_shipped_recipe_of_pictures_is_left_out() -> None:
    pictures = {path.stem for path in shipped_recipes() if read_recipe(path.stem).kind != "weighted_fusion"}
    pictures -= {name for name in pictures if read_recipe(name).text}
    assert pictures == {*BINARY, *SIX_LABELS, *ELSEWHERE}
    for file in ELSEWHERE.values():
        assert (Path(__file__).parent / file).is_file()


def test_the_published_head_has_the_published_parameters() -> None:
    recipe = read_recipe("mobilenet_v3_large")
    assert recipe.model is not None
    network = build_network(recipe.model, 4)
    assert feature_count(network) == 960
    head = network.get_submodule("classifier")
    shapes = [tuple(layer.weight.shape) for layer in head if isinstance(layer, nn.Linear)]  # type: ignore[union-attr]
    assert shapes == [(512, 960), (256, 512), (4, 256)]
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.3, 0.2]  # type: ignore[union-attr]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in head) == 2  # type: ignore[union-attr]
    assert count_parameters(head) == 625_924


def test_the_published_cnn_has_the_published_size() -> None:
    for name in ("student_cnn4", "zoo_plain_cnn"):
        recipe = read_recipe(name)
        assert recipe.model is not None
        network = build_network(recipe.model, 4)
        convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        assert [layer.out_channels for layer in convolutions] == [32, 64, 128, 256]
        assert 0.385e6 < count_parameters(network) < 0.395e6
        assert count_parameters(network) * 4 / 2**20 == pytest.approx(1.5, abs=0.05), "MB in float32"
        assert count_macs(network, recipe.sees.height_px, recipe.sees.width_px) == pytest.approx(737e6, rel=0.001)
        assert recipe.model.dropout == 0.5


def test_the_published_teacher_is_timms_inception_resnet_v2() -> None:
    from timm.models.inception_resnet_v2 import InceptionResnetV2

    recipe = read_recipe("teacher_inception_resnet_v2")
    assert recipe.model is not None
    with torch.device("meta"):  # its shapes alone
        network = build_network(recipe.model, 4)
    assert isinstance(network.get_submodule("body"), InceptionResnetV2)
    assert feature_count(network) == 1536
    assert (recipe.sees.width_px, recipe.model.normalization) == (299, "half")
    assert count_parameters(network) == pytest.approx(54.3e6, rel=0.005)
