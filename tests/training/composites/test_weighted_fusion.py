"""Models that look and read: concatenated, weighed, and as teachers of a student that only looks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import AutoModel, DistilBertConfig

from tests.reading import train_miniature
from waste_edge.dataset import open_dataset, split
from waste_edge.errors import ConfigError, RunError
from waste_edge.export.work import open_work
from waste_edge.training.composites.weighted_fusion import Sweep, SweepPoint, best_point, fused_logits, sweep_point
from waste_edge.training.distillation.teachers import Teachers
from waste_edge.training.evaluation.evaluate import evaluate_run, predict
from waste_edge.training.loop.schedule import make_optimizer
from waste_edge.training.networks import build_network, feature_count
from waste_edge.training.networks.fusion import ConcatenatedNetwork, WeightedLogits
from waste_edge.training.recipe import read_recipe
from waste_edge.training.runs import Run, RunInfo, open_run


def test_the_published_shapes() -> None:
    recipe = read_recipe("image_text_concat")
    assert recipe.model is not None
    assert recipe.fusion is not None
    with torch.device("meta"):
        encoder = AutoModel.from_config(DistilBertConfig())
        image = build_network(msgspec.structs.replace(recipe.model, pretrained="none"), 4)
        network = ConcatenatedNetwork(image, encoder, 4, recipe.fusion, (0.0, 0.0))
    linear = {
        name: (one.in_features, one.out_features) for name, one in network.named_modules() if type(one) is nn.Linear
    }
    ours = {name: shape for name, shape in linear.items() if not name.startswith("encoder.")}
    assert ours == {
        "projection.image.1": (1280, 750),
        "projection.text.1": (768, 750),
        "classifier.0": (1500, 1000),
        "classifier.3": (1000, 4),
    }
    assert [type(one).__name__ for one in network.projection["text"]] == ["Dropout", "Linear", "BatchNorm1d", "ReLU"]
    assert feature_count(network) == 1500
    fit = recipe.trained
    assert (fit.learning_rate, fit.batch_size, fit.epochs) == (2e-5, 64, 10)


def test_what_starts_at_random_has_the_heads_rate(tiny_encoder: Path) -> None:
    recipe = read_recipe("image_text_concat")
    assert recipe.fusion is not None
    config = DistilBertConfig.from_pretrained(tiny_encoder)
    image = build_network(read_recipe("student_mobilenet_v1_025").model, 3)  # type: ignore[arg-type]
    network = ConcatenatedNetwork(image, AutoModel.from_config(config), 3, recipe.fusion, (0.0, 0.0))
    fit = msgspec.structs.replace(recipe.trained, head_learning_rate=1e-3)
    fast = {id(one) for group in make_optimizer(network, nn.Module(), fit).param_groups if group["lr"] == 1e-3
            for one in group["params"]}  # fmt: skip
    named = {name.split(".")[0] for name, one in network.named_parameters() if id(one) in fast}
    assert named == {"projection", "classifier"}


@pytest.fixture(scope="module")
def concatenated(
    tmp_path_factory: pytest.TempPathFactory, reading_recipes: Path, talking_photos: Path
) -> tuple[Path, RunInfo]:
    out = tmp_path_factory.mktemp("concatenated") / "run"
    return out, train_miniature(reading_recipes / "both.toml", talking_photos, out)


def test_the_concatenated_network_learns_and_is_opened_again(
    concatenated: tuple[Path, RunInfo], talking_photos: Path
) -> None:
    out, info = concatenated
    assert info.scores is not None
    assert info.scores.accuracy_low > 1 / 3
    scores, _ = evaluate_run(out, talking_photos, "auto", lambda done, total: None)
    assert scores == info.scores


def test_both_the_picture_and_the_text_are_looked_at(concatenated: tuple[Path, RunInfo]) -> None:
    run = open_run(concatenated[0])
    red, blue = (np.full((32, 32, 3), colour, np.uint8) for colour in ((220, 30, 30), (30, 30, 220)))
    reader = run.reader()
    answers = []
    with torch.no_grad():
        for picture, text in ((red, "crimson can"), (blue, "crimson can"), (red, "navy can")):
            answers.append(run.network(*reader.inputs([picture], [text]))[0])
    assert not torch.allclose(answers[0], answers[1])
    assert not torch.allclose(answers[0], answers[2])


@pytest.mark.parametrize("teacher", ["concatenated", "weighted"])
def test_a_fused_teacher_teaches_a_student_that_has_no_text(
    teacher: str, concatenated: tuple[Path, RunInfo], fused_run: Path, reading_recipes: Path,
    talking_photos: Path, colour_photos: Path, tmp_path: Path,
) -> None:  # fmt: skip
    run = open_run(fused_run if teacher == "weighted" else concatenated[0])
    changes = ["distill.temperature=2.0", "distill.method=features", "fit.epochs=2"]
    changes += ["split.test_fraction=0.2"] if teacher == "weighted" else []
    out = tmp_path / "student"
    info = train_miniature(reading_recipes / "looks.toml", talking_photos, out, *changes, teachers=[run])
    assert info.teacher.startswith(run.info.recipe.name)
    assert not (out / "encoder").exists()
    student = open_run(out)
    assert student.tokenize is None
    scores, _ = evaluate_run(out, colour_photos, "all", lambda done, total: None)  # a folder without any text
    assert scores.pictures == 30


def test_a_teacher_that_reads_needs_texts(
    fused_run: Path, reading_recipes: Path, colour_photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="reads the data's texts"):
        train_miniature(
            reading_recipes / "looks.toml", colour_photos, tmp_path / "s", "distill.alpha=0.5",
            teachers=[open_run(fused_run)],
        )  # fmt: skip


def test_each_member_teaches_at_its_own_size(fused_run: Path) -> None:
    run = open_run(fused_run)
    reader = run.reader()
    inputs = reader.inputs([np.zeros((90, 90, 3), np.uint8)], ["the can"])
    larger = inputs._replace(pixels=torch.zeros(1, 3, 64, 64))
    logits, features = Teachers([run], torch.device("cpu")).answer(larger)
    assert logits.shape == (1, 3)
    assert features.shape == (1, feature_count(run.network))


def test_a_weighted_fusion_holds_its_members_and_its_sweep(fused_run: Path, talking_photos: Path) -> None:
    run = open_run(fused_run)
    assert list(run.members) == ["image", "text"]
    sweep = msgspec.json.decode((fused_run / "sweep.json").read_bytes(), type=Sweep)
    assert [point.alpha for point in sweep.points] == pytest.approx([step / 10 for step in range(11)])
    assert run.info.alpha == sweep.alpha == best_point(sweep.points).alpha
    assert sweep.pictures == run.info.pictures
    assert run.info.scores is not None
    assert run.info.test_scores is not None
    assert run.info.scores.accuracy_low > 1 / 3
    chosen = next(point for point in sweep.points if point.alpha == sweep.alpha)
    assert chosen.accuracy == run.info.scores.accuracy
    assert sweep.test["fused"].accuracy == run.info.test_scores.accuracy
    for name, end in (("image", 0), ("text", -1)):
        member = run.members[name]
        assert member.info.test_scores is not None
        assert member.info.scores is not None
        assert sweep.test[name].accuracy == member.info.test_scores.accuracy
        assert sweep.points[end].accuracy == member.info.scores.accuracy
    for picture, shape in (("sweep.png", 1.2), ("confusion.png", 2.2)):
        with Image.open(fused_run / picture) as opened:
            assert opened.width / opened.height > shape
    scores, protocol = evaluate_run(fused_run, talking_photos, "test", lambda done, total: None)
    assert scores == run.info.test_scores
    assert "test part" in protocol


def test_the_logits_are_weighed(fused_run: Path, talking_photos: Path) -> None:
    run = open_run(fused_run)
    photos = split(open_dataset(talking_photos), run.info.recipe.split)["test"]
    of = {name: predict(member.network, member.reader(), photos)[0] for name, member in run.members.items()}
    network = WeightedLogits(run.members["image"].network, run.members["text"].network, 0.3).eval()
    fused, features = predict(network, run.reader(), photos)
    np.testing.assert_allclose(fused, 0.3 * of["text"] + 0.7 * of["image"], rtol=1e-4, atol=1e-5)
    assert features.shape[1] == feature_count(network)
    assert isinstance(run.network, WeightedLogits)
    assert run.network.alpha == run.info.alpha


def test_alpha_0_is_the_image_and_1_the_text() -> None:
    truth = np.array([0, 0, 0, 1])
    of = {"image": 2 * np.eye(2, dtype=np.float32)[[0, 0, 0, 0]], "text": np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]}
    np.testing.assert_array_equal(fused_logits(0.25, of)[1], [0.75 * 2, 0.25])
    assert [sweep_point(alpha, of, truth).accuracy for alpha in (0.0, 0.25, 0.75, 1.0)] == [0.75, 0.75, 0.5, 0.5]
    assert sweep_point(0.0, of, truth).weighted_f1 == pytest.approx(0.75 * 6 / 7), "support 3 and 1, F1 6/7 and 0"
    assert sweep_point(1.0, of, truth).weighted_f1 == pytest.approx(0.75 * 1 / 2 + 0.25 * 1 / 2)


def test_the_best_alpha_is_the_most_accurate_and_among_equals_the_most_even() -> None:
    def points(*accuracies: float) -> list[SweepPoint]:
        last = len(accuracies) - 1
        return [SweepPoint(alpha=i / last, accuracy=one, weighted_f1=0.0) for i, one in enumerate(accuracies)]

    assert best_point(points(0.5, 0.6, 0.7, 0.9, 0.8)).alpha == 0.75
    assert best_point(points(0.9, 0.9, 0.9, 0.9, 0.9)).alpha == 0.5
    assert best_point(points(0.1, 0.9, 0.2, 0.9, 0.1)).alpha == 0.25
    assert best_point(points(0.9, 0.1, 0.1, 0.1, 0.9)).alpha == 0.0


def test_finished_runs_are_taken_as_members(
    fused_run: Path, reading_recipes: Path, talking_photos: Path, tmp_path: Path
) -> None:
    members = {"image": fused_run / "image", "text": fused_run / "text"}
    recipe = reading_recipes / "fused.toml"
    info = train_miniature(recipe, talking_photos, tmp_path / "taken", members=members)
    first = open_run(fused_run).info
    assert (info.weights_sha256, info.alpha, info.test_scores) == (first.weights_sha256, first.alpha, first.test_scores)
    with pytest.raises(RunError, match=r"another \[split\]"):
        train_miniature(recipe, talking_photos, tmp_path / "a", "split.seed=1", members=members)
    with pytest.raises(ConfigError, match="not a model of text alone"):
        train_miniature(recipe, talking_photos, tmp_path / "b", members=members | {"text": fused_run / "image"})
    with pytest.raises(ConfigError, match="--member texts: unknown"):
        train_miniature(recipe, talking_photos, tmp_path / "c", members={"texts": fused_run / "text"})
    fewer = talking_photos.parent / "fewer.csv"
    fewer.write_text("".join(talking_photos.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(RunError, match="other data"):
        train_miniature(recipe, fewer, tmp_path / "d", members=members)


def test_a_fusion_that_was_stopped_goes_on(
    fused_run: Path, reading_recipes: Path, talking_photos: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(fused_run, tmp_path / "run"))
    (out / "run.json").unlink()
    for name in ("run.json", "model.safetensors", "metrics.jsonl", "curves.png"):  # killed in the first epoch of text
        (out / "text" / name).unlink()
    before = (out / "image" / "run.json").read_bytes()
    recipe = reading_recipes / "fused.toml"
    with pytest.raises(RunError, match="--resume"):
        train_miniature(recipe, talking_photos, out)
    info = train_miniature(recipe, talking_photos, out, resume=True)
    assert (out / "image" / "run.json").read_bytes() == before, "a finished member is not trained again"
    assert info.weights_sha256 == open_run(fused_run).info.weights_sha256
    with pytest.raises(RunError, match="holds a finished run"):
        train_miniature(recipe, talking_photos, out, resume=True)
    with pytest.raises(RunError, match="nothing to resume"):
        train_miniature(recipe, talking_photos, tmp_path / "none", resume=True)


@pytest.mark.parametrize("change", ["split.test_fraction=0.0", "split.val_fraction=0.0"])
def test_a_fusion_needs_both_parts(reading_recipes: Path, talking_photos: Path, tmp_path: Path, change: str) -> None:
    with pytest.raises(ConfigError, match=change.partition("=")[0]):
        train_miniature(reading_recipes / "fused.toml", talking_photos, tmp_path / "run", change)
    assert not (tmp_path / "run").exists()


def test_what_a_fusion_would_ignore_is_refused(
    reading_recipes: Path, talking_photos: Path, fused_run: Path, tmp_path: Path
) -> None:
    recipe, both = reading_recipes / "fused.toml", reading_recipes / "both.toml"
    hidden, members = ("model.hidden=[8]", "model.hidden_dropout=[0.0]"), {"image": fused_run / "image"}
    with pytest.raises(ConfigError, match=r"\[fit\] means nothing"):
        train_miniature(recipe, talking_photos, tmp_path / "a", "fit.epochs=3")
    with pytest.raises(ConfigError, match=r"\[strangers\] means nothing"):
        train_miniature(recipe, talking_photos, tmp_path / "a", "strangers.views=3")
    with pytest.raises(ConfigError, match="--weights"):
        train_miniature(recipe, talking_photos, tmp_path / "b", weights=tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match="not a model of pictures alone"):
        train_miniature(recipe, talking_photos, tmp_path / "c", "weighted_fusion.image=both")
    with pytest.raises(ConfigError, match=r"model\.hidden"):
        train_miniature(both, talking_photos, tmp_path / "d", *hidden)
    with pytest.raises(ConfigError, match="--member"):
        train_miniature(both, talking_photos, tmp_path / "e", members=members)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["weights", "another member", "sums"])
def test_a_damaged_member_is_found(fused_run: Path, tmp_path: Path, damage: str) -> None:
    out = Path(shutil.copytree(fused_run, tmp_path / "run"))
    facts = out / "text" / "run.json"
    if damage == "weights":
        path = out / "text" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-8])
    elif damage == "another member":
        shutil.rmtree(out / "text")
        shutil.copytree(out / "image", out / "text")
    else:
        facts = out / "run.json"
        document = json.loads(facts.read_text())
        document["members"]["text"] = "0" * 64
        facts.write_text(json.dumps(document))
    with pytest.raises(RunError, match="train again"):
        open_run(out)


def test_what_reads_is_not_exported(fused_run: Path, talking_photos: Path) -> None:
    run: Run = open_run(fused_run)
    with pytest.raises(RunError, match="reads text"):
        open_work(run, talking_photos, lambda words: None, lambda done, total: None)


def test_the_shipped_fusion_names_recipes_that_go_together() -> None:
    fused = read_recipe("weighted_fusion")
    assert fused.weighted_fusion is not None
    image, text = read_recipe(fused.weighted_fusion.image), read_recipe(fused.weighted_fusion.text)
    assert (image.name, text.name) == ("mobilenet_v3_large", "distilbert_text")
    assert image.split == text.split
    assert fused.weighted_fusion.steps == 10
    assert fused.split.test_fraction > 0
