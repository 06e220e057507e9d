"""Quantization-aware fine-tuning through the training loop: what it needs, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from tests.conftest import write_photos
from tests.training.loop.test_fit import RECIPE, Silent
from waste_edge.dataset import SplitSpec
from waste_edge.errors import ConfigError, RunError
from waste_edge.training.evaluation.evaluate import evaluate_run
from waste_edge.training.loop.fit import fit
from waste_edge.training.quantization_aware.fake_quantization import FakeQuantized
from waste_edge.training.recipe import ModelSpec, QuantizeAwareSpec, Recipe, read_recipe
from waste_edge.training.runs import Run, open_run

QUANTIZE_AWARE = msgspec.structs.replace(
    RECIPE,
    name="mini-qat",
    quantize_aware=QuantizeAwareSpec(observe_batches=2, freeze_batch_norm_after=0.3, freeze_ranges_after=0.6),
)


@pytest.fixture
def started(colour_photos: Path, tmp_path: Path) -> Run:
    fit(RECIPE, colour_photos, tmp_path / "float", Silent())
    return open_run(tmp_path / "float")


def test_the_run_keeps_ranges_and_scores_of_the_rounded_network(
    started: Run, colour_photos: Path, tmp_path: Path
) -> None:
    info = fit(QUANTIZE_AWARE, colour_photos, tmp_path / "qat", Silent(), start=started)
    run = open_run(tmp_path / "qat")
    assert run.info == info
    assert [one.layer for one in info.ranges][:2] == ["conv_stem", "blocks.0.0.conv_dw"]
    assert len(info.ranges) == 29
    assert (info.initial_weights, info.initial_weights_sha256) == (
        "run mini, itself from random",
        started.info.weights_sha256,
    )
    assert info.weights_sha256 != started.info.weights_sha256
    assert evaluate_run(run.folder, colour_photos, "auto", lambda done, total: None)[0] == info.scores
    rounded, x = run.as_trained(), torch.rand(2, 3, 32, 32)
    assert isinstance(rounded, FakeQuantized)
    with torch.no_grad():
        assert not torch.equal(rounded(x)[0], run.network(x)[0])
    assert not started.info.ranges
    assert started.as_trained() is started.network


def test_it_needs_a_finished_run_and_nothing_beside(started: Run, colour_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--from"):
        fit(QUANTIZE_AWARE, colour_photos, tmp_path / "a", Silent())
    weights = started.folder / "model.safetensors"
    with pytest.raises(ConfigError, match="give one of them"):
        fit(QUANTIZE_AWARE, colour_photos, tmp_path / "a", Silent(), weights=weights, start=started)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (
            msgspec.structs.replace(QUANTIZE_AWARE, model=ModelSpec(architecture="mobilenet_v2")),
            "its network is mobilenet_v1 of width 0.25, the recipe's is mobilenet_v2 of width 1.0;",
        ),
        (
            msgspec.structs.replace(
                QUANTIZE_AWARE, model=msgspec.structs.replace(RECIPE.model, blocks=[1, 2, 2, 6, 1])
            ),
            r"the recipe's is mobilenet_v1 of width 0.25, blocks \[1, 2, 2, 6, 1\]; give a run of the same network",
        ),
        (msgspec.structs.replace(QUANTIZE_AWARE, split=SplitSpec(seed=5)), r"another \[split\]"),
    ],
)
def test_a_run_that_does_not_fit_the_recipe_is_refused(
    started: Run, colour_photos: Path, tmp_path: Path, recipe: Recipe, says: str
) -> None:
    with pytest.raises(RunError, match=says):
        fit(recipe, colour_photos, tmp_path / "a", Silent(), start=started)
    assert not (tmp_path / "a").exists()


def test_a_run_with_other_labels_is_refused(started: Run, tmp_path: Path) -> None:
    fewer = write_photos(tmp_path / "two", {"red": 4, "blue": 4})
    with pytest.raises(RunError, match="same labels to --from"):
        fit(QUANTIZE_AWARE, fewer, tmp_path / "a", Silent(), start=started)


def test_a_plain_recipe_goes_on_from_a_run(started: Run, colour_photos: Path, tmp_path: Path) -> None:
    gentle = msgspec.structs.replace(RECIPE, fit=msgspec.structs.replace(RECIPE.fit, learning_rate=1e-9))
    info = fit(gentle, colour_photos, tmp_path / "more", Silent(), start=started)
    assert not info.ranges
    after = open_run(tmp_path / "more").network.get_parameter("classifier.weight")
    torch.testing.assert_close(after, started.network.get_parameter("classifier.weight"), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("student", "fine_tuning"),
    [
        ("student_mobilenet_v1_025", "qat_student_mobilenet_v1_025"),
        ("student_small", "qat_small"),
        ("student_small_item", "qat_small_item"),
        ("student_accurate", "qat_accurate"),
        ("student_lite0", "qat_lite0"),
    ],
)
def test_a_shipped_fine_tuning_goes_on_from_its_student(student: str, fine_tuning: str) -> None:
    before, after = read_recipe(student), read_recipe(fine_tuning)
    assert after.quantize_aware is not None
    assert before.quantize_aware is None
    assert (after.model, after.input, after.split) == (before.model, before.input, before.split)
    assert (after.rendered, after.backgrounds, after.strangers) == (
        before.rendered,
        before.backgrounds,
        before.strangers,
    )
    assert (after.stock is None) == (before.stock is None)
    if after.stock and before.stock:  # one stock serves both
        assert msgspec.structs.replace(after.stock, per_epoch=before.stock.per_epoch) == before.stock
    assert after.trained.learning_rate < 0.1 * before.trained.learning_rate
