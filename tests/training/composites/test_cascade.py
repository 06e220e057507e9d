"""Two stages: as a label tree in one network, as a cascade, and side by side."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.conftest import Outcome
from tests.training.loop.test_fit import Silent
from waste_edge.dataset import LabelMap, SplitSpec, group_near_duplicates, open_dataset, split
from waste_edge.errors import ConfigError, DataError, RunError
from waste_edge.evaluation.evaluate import truth_of
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.evaluation.report.tables import stages_tables
from waste_edge.export.work import open_work
from waste_edge.files.strict import read_json
from waste_edge.training.distillation.losses import Objective, parent_logits, tree_matrix
from waste_edge.training.evaluation.evaluate import evaluate_run, predict
from waste_edge.training.evaluation.two_stages import compare_stages
from waste_edge.training.networks import feature_count
from waste_edge.training.networks.cascade import Cascade
from waste_edge.training.recipe import DistillSpec, Recipe, TreeSpec, read_recipe
from waste_edge.training.runs import Run, open_run
from waste_edge.training.train import train
from waste_edge.training.train_request import TrainRequest

COLOURS = {
    "navy": (20, 20, 140),
    "sky": (110, 160, 255),
    "brick": (130, 20, 20),
    "rose": (255, 130, 150),
    "lawn": (30, 220, 30),
}
STAGE = """
name = "{name}"
[model]
architecture = "cnn4"
width = 0.25
dropout = 0.0
[input]
width_px = 32
height_px = 32
[fit]
epochs = 5
batch_size = 8
learning_rate = 1e-2
warmup_epochs = 0.1
[augment]
enabled = false
"""
TREE = """
[split]
seed = 1
val_fraction = 0.2
test_fraction = 0.2
[labels.merge]
grass = ["lawn"]
[tree.parents]
blue = ["navy", "sky"]
red = ["brick", "rose"]
grass = ["grass"]
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five colours, fifteen pictures each in groups of three that lie across labels of one parent too."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(4)
    lines = ["file,group"]
    for label, colour in COLOURS.items():
        (folder / "images" / label).mkdir(parents=True)
        for index in range(15):
            pixels = np.clip(np.array(colour) + generator.integers(-20, 21, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / label / f"{index}.png")
            # One object photographed under two labels: whole groups must stay on one side at both stages.
            lines.append(f"{label}/{index}.png,{'shared' if index == 0 else label}-{index // 3}")
    (folder / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    for name in ("stage_one", "stage_two"):
        (folder / f"{name}.toml").write_text(STAGE.format(name=name), encoding="utf-8")
    (folder / "tree.toml").write_text(STAGE.format(name="tree") + TREE, encoding="utf-8")
    cascade = 'name = "cascade"\n[cascade]\nfirst = "stage_one"\nsecond = "stage_two"\n' + TREE
    (folder / "cascade.toml").write_text(cascade, encoding="utf-8")
    return folder


def request(recipes: Path, name: str, data: Path, out: Path, *changes: str) -> TrainRequest:
    recipe = read_recipe(str(recipes / f"{name}.toml"), changes)
    return TrainRequest(recipe, data, out, watch=lambda _: nullcontext(Silent()), beside=recipes)


@pytest.fixture(scope="module")
def runs(recipes: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("tree", "cascade"):
        train(request(recipes, name, photos, folder / name))
    return {name: open_run(folder / name) for name in ("tree", "cascade")}


def parts_of(run: Path) -> dict[str, tuple[str, str]]:
    """Picture to its label and part, by the run's own split.csv."""
    with (run / "split.csv").open(newline="") as stream:
        return {"/".join(Path(row["file"]).parts[-2:]): (row["label"], row["part"]) for row in csv.DictReader(stream)}


def test_all_stages_are_trained_on_one_split(runs: dict[str, Run], photos: Path) -> None:
    folder = runs["cascade"].folder
    whole = parts_of(folder)
    assert {part for _, part in whole.values()} == {"train", "val", "test"}
    stages = [parts_of(folder / name) for name in ("first", "second-blue", "second-red")]
    for stage in stages:
        assert stage
        for picture, (_, part) in stage.items():
            assert part == whole[picture][1], f"{picture} changes sides between the stages"
    assert len(stages[0]) == len(whole) == 75
    assert [len(stage) for stage in stages[1:]] == [30, 30]
    assert {label for label, _ in stages[0].values()} == {"blue", "red", "grass"}
    assert {label for label, _ in stages[1].values()} == {"navy", "sky"}
    spec = runs["cascade"].info.recipe.split
    own = split(group_near_duplicates(open_dataset(photos, label_map=runs["cascade"].info.recipe.labels)), spec)
    assert {photo.key for photo in own["val"]} == {key for key, (_, part) in whole.items() if part == "val"}
    merged = {photo.key for photo in split(open_dataset(photos, label_map=parents()), spec)["val"]}
    assert merged != {photo.key for photo in own["val"]}, "this data would not show a second split"


def parents() -> LabelMap:
    return LabelMap(merge={"blue": ["navy", "sky"], "red": ["brick", "rose"], "grass": ["lawn"]})


def test_a_cascade_is_a_run_like_any_other(runs: dict[str, Run], photos: Path) -> None:
    run = runs["cascade"]
    info = run.info
    assert info.labels == ["brick", "grass", "navy", "rose", "sky"]
    assert list(info.members) == ["first", "second-blue", "second-red"]
    assert info.scores is not None
    assert info.test_scores is not None
    assert info.scores.accuracy > 0.5, "chance is a fifth"
    scores, protocol = evaluate_run(run.folder, photos, "auto", lambda done, total: None)
    assert scores == info.scores
    assert "validation part" in protocol
    assert feature_count(run.network) == 64


def test_logits_are_the_stages_probabilities_multiplied(runs: dict[str, Run], photos: Path) -> None:
    run = runs["cascade"]
    some = open_dataset(photos, label_map=run.info.recipe.labels).photos[::9]
    logits = predict(run.network, run.reader(), some)[0]
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1.0, rtol=1e-5)
    said = {
        name: torch.softmax(torch.from_numpy(predict(one.network, one.reader(), some)[0]), 1).numpy()
        for name, one in run.members.items()
    }
    first = run.members["first"].info.labels
    labels = run.info.labels
    for parent, leaves in {"blue": ["navy", "sky"], "red": ["brick", "rose"]}.items():
        for leaf in leaves:
            second = said[f"second-{parent}"][:, run.members[f"second-{parent}"].info.labels.index(leaf)]
            got = np.exp(logits[:, labels.index(leaf)])
            np.testing.assert_allclose(got, said["first"][:, first.index(parent)] * second, rtol=1e-4)
    np.testing.assert_allclose(
        np.exp(logits[:, labels.index("grass")]), said["first"][:, first.index("grass")], rtol=1e-4
    )


def test_resume_keeps_what_is_finished_and_goes_on(
    runs: dict[str, Run], recipes: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(runs["cascade"].folder, out)
    (out / "run.json").unlink()
    shutil.rmtree(out / "second-red")
    (out / "second-red").mkdir()
    (out / "second-red" / "split.csv").write_text("half")  # killed in its first epoch
    (out / "data.csv").unlink()
    watched: list[str] = []

    def watch(recipe: Recipe) -> nullcontext[Silent]:
        watched.append(recipe.name)
        return nullcontext(Silent())

    task = replace(request(recipes, "cascade", photos, out), resume=True, watch=watch)
    with pytest.raises(RunError, match=r"nothing to resume \(no data.csv\)"):
        train(task)
    shutil.copy(runs["cascade"].folder / "data.csv", out)
    with pytest.raises(RunError, match="--resume goes on"):
        train(replace(task, resume=False))
    with pytest.raises(RunError, match="another split"):
        train(replace(task, recipe=msgspec.structs.replace(task.recipe, split=SplitSpec(seed=9))))
    assert not (out / ".data.csv").exists()
    changed = tmp_path / "changed"
    shutil.copytree(recipes, changed)
    text = (changed / "stage_one.toml").read_text()
    (changed / "stage_one.toml").write_text(text.replace("learning_rate = 1e-2", "learning_rate = 2e-2"))
    with pytest.raises(RunError, match="first: was trained by another recipe"):
        train(replace(task, beside=changed))
    assert watched == []
    info = train(task)
    assert watched == ["cascade/second-red"], "the others were finished"
    assert info.members == runs["cascade"].info.members, "not the weights of an uninterrupted training"
    with pytest.raises(RunError, match="holds a finished run"):
        train(task)


@pytest.mark.parametrize("damage", ["missing", "another", "undeclared"])
def test_a_cascade_with_a_foreign_stage_is_refused(runs: dict[str, Run], tmp_path: Path, damage: str) -> None:
    out = tmp_path / "run"
    shutil.copytree(runs["cascade"].folder, out)
    if damage == "undeclared":
        text = (out / "run.json").read_text()
        (out / "run.json").write_text(text.replace('"second-blue"', '"second-green"'))
    else:
        shutil.rmtree(out / "second-red")
        if damage == "another":
            shutil.copytree(out / "second-blue", out / "second-red")
    with pytest.raises(RunError):
        open_run(out)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("fit.epochs=3", r"\[fit\]"),
        ("strangers.views=3", r"\[strangers\] means nothing to a cascade"),
        ("backgrounds.surfaces=9", r"\[backgrounds\] means nothing to a cascade"),
        ("tree.weight=0.7", "tree.weight"),
        ("input.width_px=64", r"the same \[input\]"),
        ("cascade.second=tree", r"\[split\], \[labels\] and \[tree\] of a stage"),
        ("cascade.first=nowhere", "nowhere"),
        ("tree.parents.grass=['grass', 'hay']", "hay"),
    ],
)
def test_what_a_cascade_cannot_do_is_one_line(
    recipes: Path, photos: Path, tmp_path: Path, change: str, names: str
) -> None:
    more = ["input.height_px=64"] if change.startswith("input") else []
    with pytest.raises(ConfigError, match=names) as caught:
        train(request(recipes, "cascade", photos, tmp_path / "run", change, *more))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_cascade_takes_weights_but_no_teacher(
    runs: dict[str, Run], recipes: Path, photos: Path, tmp_path: Path
) -> None:
    task = request(recipes, "cascade", photos, tmp_path / "run")
    with pytest.raises(ConfigError, match="no --teacher"):
        train(replace(task, teachers=[runs["tree"]]))
    with pytest.raises(ConfigError, match="--member first"):
        train(replace(task, members={"first": runs["tree"].folder}))
    with pytest.raises(ConfigError, match=r"absent\.safetensors"):  # handed on to every stage
        train(replace(task, weights=tmp_path / "absent.safetensors"))


def test_a_tree_must_name_each_label_once_and_no_parent_like_another_label() -> None:
    with pytest.raises(ValueError, match="more than one parent"):
        TreeSpec(parents={"a": ["x", "y"], "b": ["x"]})
    with pytest.raises(ValueError, match="a parent and a label too"):
        TreeSpec(parents={"a": ["x", "y"], "x": ["z"]})
    tree = TreeSpec(parents={"a": ["x", "y"], "z": ["z"]})
    assert tree.parent_of() == {"x": "a", "y": "a"}


def test_the_trees_part_of_the_loss_is_the_parents_cross_entropy() -> None:
    tree = TreeSpec(parents={"a": ["x", "z"], "b": ["y"]}, weight=0.25)
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]], requires_grad=True)
    matrix = tree_matrix(tree, ["x", "y", "z"])
    p = torch.softmax(logits, 1)
    torch.testing.assert_close(parent_logits(logits, matrix).exp(), torch.stack([p[:, 0] + p[:, 2], p[:, 1]], 1))
    truth = torch.tensor([0, 1])
    loss = Objective(tree=matrix, tree_weight=0.25)((logits, logits), truth, None)
    leaf = -(p[0, 0].log() + p[1, 1].log()) / 2
    parent = -((p[0, 0] + p[0, 2]).log() + p[1, 1].log()) / 2
    torch.testing.assert_close(loss, 0.75 * leaf + 0.25 * parent)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


class _Fixed(nn.Module):
    """Always the same logits."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])
        self.asked = 0

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked += 1
        return self.logits.expand(len(x), -1), x.flatten(1)


def test_only_the_chosen_second_network_is_asked() -> None:
    first, blue, red = _Fixed(0.0, 1.0, 3.0), _Fixed(0.0, 2.0), _Fixed(5.0, 0.0)
    network = Cascade(first, {0: blue, 2: red}, [[4, 0], [2], [1, 3]])
    assert network.decide(torch.zeros(1, 3, 2, 2)) == 1
    assert (blue.asked, red.asked) == (0, 1)
    first.logits = torch.tensor([[0.0, 9.0, 0.0]])
    assert network.decide(torch.zeros(1, 3, 2, 2)) == 2
    assert (blue.asked, red.asked) == (0, 1)


def test_both_are_compared_on_the_same_pictures(runs: dict[str, Run], photos: Path, tmp_path: Path) -> None:
    dataset = open_dataset(photos, label_map=runs["tree"].info.recipe.labels)
    told: list[tuple[int, int]] = []
    result = compare_stages(
        runs["tree"], runs["cascade"], dataset.photos, "all", rounds=5, progress=lambda *done: told.append(done)
    )
    assert (told[0][1], told[-1]) == (150, (150, 150))
    truth = truth_of(dataset.photos, dataset.labels)
    parent_of = np.array([{"brick": 1, "grass": 2, "navy": 0, "rose": 1, "sky": 0}[name] for name in dataset.labels])
    for run, one in ((runs["tree"], result.one), (runs["cascade"], result.cascade)):
        given = predict(run.network, run.reader(), dataset.photos)[0].argmax(axis=1)
        assert one.leaf.value == pytest.approx((given == truth).mean())
        assert one.parent.value == pytest.approx((parent_of[given] == parent_of[truth]).mean())
        assert one.wrong_parent + one.wrong_leaf == (given != truth).sum()
        assert np.sum(one.parents) == 75
        assert np.trace(one.parents) == 75 - one.wrong_parent
        assert one.latency_ms > 0
    asked = [runs["cascade"].network.decide(runs["cascade"].reader().read([photo]).pixels) for photo in dataset.photos]
    assert result.greedy.value == pytest.approx((np.array(asked) == truth).mean())
    gain = 100 * (result.cascade.leaf.value - result.one.leaf.value)
    assert result.cascade_gain_points == pytest.approx(gain)
    assert result.cascade_gain_low_points <= gain <= result.cascade_gain_high_points
    assert result.cascade.parameters > 2 * result.one.parameters
    both, *parents = stages_tables(result)
    assert [row[0] for row in both.rows] == ["tree", "cascade"]
    assert both.rows[1][1].startswith(f"{result.cascade.leaf.value:.1%} (")
    assert [[len(row) for row in table.rows] for table in parents] == [[5, 5, 5]] * 2


def test_compare_shows_the_two_stages(
    waste_edge: Callable[..., Outcome], runs: dict[str, Run], photos: Path, tmp_path: Path
) -> None:
    page, markdown = tmp_path / "page.html", tmp_path / "page.md"
    both = [runs[name].folder for name in ("cascade", "tree")]
    done = waste_edge("compare", *both, "--data", photos, "--out", page, "--markdown", markdown)
    assert done.exit_code == 0, done.stderr
    assert "lost at" in done.stdout
    (stages,) = read_json(page.with_suffix(".json"), ComparisonReport).stages
    assert (stages.one.name, stages.cascade.name) == ("tree", "cascade")
    for text in (page.read_text(), markdown.read_text()):
        assert "lost at the second" in text
        assert f"{stages.greedy.value:.1%}" in text


def test_only_such_a_pair_is_compared(runs: dict[str, Run], photos: Path) -> None:
    some = open_dataset(photos, label_map=runs["tree"].info.recipe.labels).photos[:2]
    with pytest.raises(RunError, match="not one network with a label tree and a cascade"):
        compare_stages(runs["tree"], runs["tree"], some, "two")
    with pytest.raises(RunError, match="not one network with a label tree"):
        compare_stages(runs["cascade"], runs["cascade"], some, "two")
    other = msgspec.structs.replace(
        runs["tree"].info.recipe, tree=TreeSpec(parents={"a": ["navy"], "b": ["sky", "brick", "rose", "grass"]})
    )
    odd = replace(runs["tree"], info=msgspec.structs.replace(runs["tree"].info, recipe=other))
    with pytest.raises(RunError, match="label tree and a cascade of the same"):
        compare_stages(odd, runs["cascade"], some, "two")


def test_shipped_recipes_differ_in_nothing_but_the_stages() -> None:
    tree, cascade = read_recipe("two_stage_tree"), read_recipe("two_stage_cascade")
    assert (tree.split, tree.labels) == (cascade.split, cascade.labels)
    assert tree.tree is not None
    assert cascade.tree is not None
    assert tree.tree.parents == cascade.tree.parents
    assert cascade.cascade is not None
    for name in (cascade.cascade.first, cascade.cascade.second):
        stage = read_recipe(name)
        assert (stage.model, stage.input, stage.fit, stage.augment) == (tree.model, tree.input, tree.fit, tree.augment)


def test_texts_without_pictures_are_refused(recipes: Path, tmp_path: Path) -> None:
    rows = "".join(f"{label} thing {n},{label}\n" for label in COLOURS for n in range(4))
    (tmp_path / "texts.csv").write_text("text,label\n" + rows)
    with pytest.raises(DataError, match="texts without pictures"):
        train(request(recipes, "cascade", tmp_path / "texts.csv", tmp_path / "run"))


def test_a_cascade_is_not_exported_but_may_teach(runs: dict[str, Run], photos: Path, tmp_path: Path) -> None:
    run = runs["cascade"]
    with pytest.raises(RunError, match=r"is a cascade.*teach a student"):
        open_work(run, photos, lambda text: None, lambda done, total: None)
    tree = runs["tree"].info.recipe
    assert tree.fit is not None
    student = msgspec.structs.replace(tree, distill=DistillSpec(), fit=msgspec.structs.replace(tree.fit, epochs=1))
    task = TrainRequest(student, photos, tmp_path / "run", watch=lambda _: nullcontext(Silent()), teachers=[run])
    assert train(task).teacher == f"cascade sha256:{run.info.weights_sha256}"
