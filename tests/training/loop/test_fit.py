import json
from pathlib import Path

import msgspec
import pytest
import torch

from tests.conftest import write_photos
from waste_edge.errors import ConfigError, DataError, RunError, UserError
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.metrics.classification import Scores
from waste_edge.training.evaluation.evaluate import evaluate_run
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import AugmentSpec, DistillSpec, FitSpec, ModelSpec, Recipe
from waste_edge.training.runs import open_run

RECIPE = Recipe(
    name="mini",
    model=ModelSpec(architecture="mobilenet_v1", width=0.25, dropout=0.0),
    input=InputSpec(width_px=32, height_px=32),
    fit=FitSpec(epochs=1, batch_size=4, learning_rate=5e-3, warmup_epochs=0.1),
    augment=AugmentSpec(min_area=0.8, colour_jitter=0.1),
)


class Silent:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.steps = 0
        self.epochs: list[float] = []
        self.warnings: list[str] = []

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self.steps += 1

    def epoch(self, epoch: int, loss: float, scores: Scores | None) -> None:
        self.epochs.append(loss)


def test_a_run_folder_holds_what_it_says(colour_photos: Path, tmp_path: Path) -> None:
    watcher = Silent()
    recipe = msgspec.structs.replace(RECIPE, fit=msgspec.structs.replace(RECIPE.fit, epochs=2))
    info = fit(recipe, colour_photos, tmp_path / "run", watcher)
    run = open_run(tmp_path / "run")
    assert run.info == info
    assert info.labels == ["blue", "green", "red"]
    assert (info.pictures, info.grouped) == ({"train": 24, "val": 6, "test": 0}, True)
    assert (watcher.steps, len(watcher.epochs)) == (12, 2)
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[-1]["val_accuracy"] == info.scores.accuracy if info.scores else False
    assert (run.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = (run.folder / "split.csv").read_text().splitlines()
    assert rows[0] == "file,label,group,part"
    assert sum(row.endswith(",val") for row in rows) == 6
    scores, protocol = evaluate_run(run.folder, colour_photos, "auto", lambda done, total: None)
    assert scores == info.scores, "the run on disk is not the network that was scored"
    assert "validation" in protocol


def test_the_same_seed_gives_the_same_weights(colour_photos: Path, tmp_path: Path) -> None:
    first = fit(RECIPE, colour_photos, tmp_path / "a", Silent())
    second = fit(RECIPE, colour_photos, tmp_path / "b", Silent())
    other = msgspec.structs.replace(RECIPE, fit=msgspec.structs.replace(RECIPE.fit, seed=1))
    third = fit(other, colour_photos, tmp_path / "c", Silent())
    assert first.weights_sha256 == second.weights_sha256 != third.weights_sha256


def test_distilling_moves_the_student_towards_its_teacher(colour_photos: Path, tmp_path: Path) -> None:
    fit(RECIPE, colour_photos, tmp_path / "teacher", Silent())
    teacher = open_run(tmp_path / "teacher")
    student = msgspec.structs.replace(RECIPE, distill=DistillSpec(temperature=2.0, alpha=1.0))
    info = fit(student, colour_photos, tmp_path / "student", Silent(), teachers=[teacher])
    assert info.teacher == f"mini sha256:{teacher.info.weights_sha256}"
    plain = fit(RECIPE, colour_photos, tmp_path / "plain", Silent())
    assert info.weights_sha256 != plain.weights_sha256


def test_a_teacher_needs_a_distill_part_and_the_same_labels(colour_photos: Path, tmp_path: Path) -> None:
    fit(RECIPE, colour_photos, tmp_path / "teacher", Silent())
    teacher = open_run(tmp_path / "teacher")
    with pytest.raises(ConfigError, match=r"\[distill\]"):
        fit(RECIPE, colour_photos, tmp_path / "a", Silent(), teachers=[teacher])
    fewer = write_photos(tmp_path / "two", {"red": 4, "blue": 4})
    student = msgspec.structs.replace(RECIPE, distill=DistillSpec())
    with pytest.raises(RunError, match="the teacher's labels"):
        fit(student, fewer, tmp_path / "b", Silent(), teachers=[teacher])
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_a_run_is_never_written_over(colour_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        fit(RECIPE, colour_photos, tmp_path / "run", Silent())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["precious.txt"]


def test_a_loss_that_is_no_number_stops_with_the_batch_named(
    colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nan = torch.tensor(float("nan"), requires_grad=True)
    monkeypatch.setattr("waste_edge.training.loop.training_loop.TrainingLoop._loss", lambda *_: nan)
    with pytest.raises(UserError, match="epoch 1, batch 1"):
        fit(RECIPE, colour_photos, tmp_path / "run", Silent())
    with pytest.raises(RunError, match="no run"):
        open_run(tmp_path / "run")


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    few = write_photos(tmp_path / "few", {"red": 1, "blue": 0})
    with pytest.raises(DataError, match="class folder without pictures"):
        fit(RECIPE, few, tmp_path / "run", Silent())


@pytest.mark.parametrize("damage", ["truncate", "remove", "another version"])
def test_a_damaged_run_is_refused(colour_photos: Path, tmp_path: Path, damage: str) -> None:
    fit(RECIPE, colour_photos, tmp_path / "run", Silent())
    weights, facts = tmp_path / "run" / "model.safetensors", tmp_path / "run" / "run.json"
    if damage == "truncate":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif damage == "remove":
        weights.unlink()
    else:
        facts.write_text(facts.read_text().replace('"schema": 1', '"schema": 7'))
    with pytest.raises(RunError, match="another version" if damage == "another version" else "model.safetensors"):
        open_run(tmp_path / "run")
