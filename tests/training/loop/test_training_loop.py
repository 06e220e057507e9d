"""What the loop does with a recipe's options, and what it says when something fails."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from tests.conftest import write_photos
from tests.training.loop.test_checkpoint import TINY, changed, weights
from tests.training.loop.test_fit import Silent
from waste_edge.errors import PictureError, UserError
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.distillation.teachers import Teachers
from waste_edge.training.input_pipeline.inputs import Inputs, nothing
from waste_edge.training.loop.checks import failures_in_words
from waste_edge.training.loop.fit import fit
from waste_edge.training.loop.schedule import LearningRate, make_optimizer
from waste_edge.training.loop.training_loop import TrainingLoop
from waste_edge.training.networks import build_network
from waste_edge.training.recipe import DistillSpec, FitSpec, Recipe
from waste_edge.training.runs import open_run

STEADY = changed(TINY, {"fit.epochs": 2, "model.dropout": 0.0, "augment.enabled": False})


def rates(spec: FitSpec, steps: int, losses: list[float] | None = None) -> list[float]:
    """The learning rate before each step."""
    optimizer = make_optimizer(nn.Linear(2, 2), nn.Identity(), spec)
    rate, seen = LearningRate(optimizer, spec, steps), []
    for epoch in range(spec.epochs):
        for _ in range(steps):
            seen.append(optimizer.param_groups[0]["lr"])
            rate.step()
        rate.epoch(losses[epoch] if losses else None)
    return seen


def test_warm_up_and_falls() -> None:
    cosine, linear, constant = (
        rates(FitSpec(epochs=3, learning_rate=1.0, warmup_epochs=1.0, schedule=kind), 4)  # type: ignore[arg-type]
        for kind in ("cosine", "linear", "constant")
    )
    assert cosine[:4] == linear[:4] == constant[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert cosine[8] == linear[8] == pytest.approx(0.5), "half-way down"
    assert cosine[11] == pytest.approx(0.5 * (1 + torch.cos(torch.tensor(7 / 8 * torch.pi)).item()))
    assert linear[11] == pytest.approx(1 / 8)
    assert set(constant[4:]) == {1.0}


def test_a_plateau_is_what_torch_takes_for_one() -> None:
    losses = [3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.2, 1.1, 1.0, 0.5]
    spec = FitSpec(epochs=10, learning_rate=1.0, warmup_epochs=0.0, schedule="plateau", plateau_epochs=1)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs, wanted = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.1, threshold=0.0), []
    for loss in losses:
        wanted.append(optimizer.param_groups[0]["lr"])
        theirs.step(loss)
    assert rates(spec, 1, losses) == pytest.approx(wanted)
    assert wanted[-1] == pytest.approx(0.001)


def test_head_and_body_have_rates_of_their_own_and_biases_no_decay() -> None:
    assert TINY.model is not None
    spec = FitSpec(epochs=1, learning_rate=1e-4, head_learning_rate=1e-3, weight_decay=0.3)
    network, projection = build_network(TINY.model, 3), nn.Linear(4, 5)
    optimizer = make_optimizer(network, projection, spec)
    names = {id(one): name for name, one in network.named_parameters()}
    names |= {id(one): f"projection.{name}" for name, one in projection.named_parameters()}
    told = {
        names[id(one)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for one in group["params"]
    }
    assert told.keys() == set(names.values())
    assert told["classifier.weight"] == told["projection.weight"] == (1e-3, 0.3)
    assert told["classifier.bias"] == told["projection.bias"] == (1e-3, 0.0)
    assert told["blocks.0.conv.weight"] == (1e-4, 0.3)
    assert told["blocks.0.bn.weight"] == told["blocks.0.bn.bias"] == (1e-4, 0.0)


def test_the_average_is_of_the_weights(colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any) -> Any:
        answer = step(self, *arguments)
        seen.append(self.param_groups[-1]["params"][-1].detach().clone())
        return answer

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fit(changed(STEADY, {"fit.ema_decay": 0.8}), colour_photos, tmp_path / "run", Silent())
    average = seen[0]
    for value in seen[1:]:
        average = 0.8 * average + 0.2 * value
    kept = [one for one in open_run(tmp_path / "run").network.parameters() if one.shape == average.shape]
    assert any(torch.allclose(one, average, atol=1e-6) for one in kept)
    assert not torch.allclose(average, seen[-1], atol=1e-4)


def test_gradients_are_clipped(colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def watched(self: torch.optim.AdamW, *arguments: Any) -> Any:
        gradients = [one.grad.norm() for group in self.param_groups for one in group["params"]]
        norms.append(float(torch.stack(gradients).norm()))
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fit(changed(STEADY, {"fit.epochs": 1}), colour_photos, tmp_path / "free", Silent())
    assert max(norms) > 0.2
    norms.clear()
    fit(changed(STEADY, {"fit.epochs": 1, "fit.clip_norm": 0.1}), colour_photos, tmp_path / "clipped", Silent())
    assert max(norms) == pytest.approx(0.1, rel=1e-3)


def test_frozen_batch_norms_stay(colour_photos: Path, tmp_path: Path) -> None:
    fit(changed(STEADY, {"fit.freeze_batch_norm": True}), colour_photos, tmp_path / "run", Silent())
    frozen = open_run(tmp_path / "run").network
    fit(STEADY, colour_photos, tmp_path / "free", Silent())
    for network, stays in ((frozen, True), (open_run(tmp_path / "free").network, False)):
        norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
        assert all(bool((one.running_mean == 0).all()) == stays for one in norms)


def test_bf16_learns_much_the_same(colour_photos: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        watcher = Silent()
        recipe = changed(STEADY, {"fit.precision": precision, "fit.learning_rate": 1e-3})
        fit(recipe, colour_photos, tmp_path / precision, watcher)
        losses[precision] = watcher.epochs
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"]
    assert open_run(tmp_path / "bf16").network.classifier.weight.dtype == torch.float32  # type: ignore[union-attr]


@pytest.mark.long
def test_a_compiled_network_learns_the_same(colour_photos: Path, tmp_path: Path) -> None:
    losses = []
    for compiled in (False, True):
        watcher = Silent()
        fit(changed(STEADY, {"fit.compile": compiled}), colour_photos, tmp_path / str(compiled), watcher)
        losses.append(watcher.epochs)
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_the_best_epochs_weights_are_kept_and_patience_ends(
    colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waste_edge.training.loop import training_loop

    told = iter([0.9, 0.5, 0.7, 0.6, 0.1])
    validate = training_loop.validate
    kept: list[bytes] = []

    def scripted(*arguments: Any, **more: Any) -> Any:
        scores, _ = validate(*arguments, **more)
        return scores, next(told)

    class Keeping(Silent):
        def epoch(self, epoch: int, loss: float, scores: object) -> None:
            kept.append(weights(tmp_path / "run"))

    monkeypatch.setattr(training_loop, "validate", scripted)
    recipe = changed(TINY, {"fit.epochs": 5, "fit.keep": "best", "fit.stop_after": 2})
    info = fit(recipe, colour_photos, tmp_path / "run", Keeping())
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["val_loss"] for line in lines] == [0.9, 0.5, 0.7, 0.6]
    assert kept[0] != kept[1] == kept[2] == kept[3] == weights(tmp_path / "run")
    assert info.scores is not None
    assert info.scores.accuracy == lines[1]["val_accuracy"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "out of memory while training 'tiny': lower fit.batch_size (now 8) or input.width_px"),
        (torch.OutOfMemoryError("CUDA out of memory."), "lower fit.batch_size (now 8)"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), "lower fit.batch_size"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "lower fit.workers (now 0)"),
        (
            PictureError("Caught PictureError in DataLoader worker process 0.\nOriginal Traceback (most recent"
                         " call last):\n  File x\nwaste_edge.errors.PictureError: a.png: not a picture\n"),
            "a.png: not a picture",
        ),
    ],
)  # fmt: skip
def test_troubles_come_in_one_line_with_the_option_to_lower(error: Exception, says: str) -> None:
    with pytest.raises(UserError) as caught, failures_in_words(TINY):
        raise error
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, PictureError) == isinstance(error, PictureError)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match=r"^ours$"), failures_in_words(TINY):
        raise RuntimeError("ours")


@pytest.mark.parametrize(
    "where",
    ["waste_edge.training.loop.training_loop.TrainingLoop._loss", "waste_edge.training.loop.training_loop.validate"],
)
def test_out_of_memory_in_an_epoch_or_after_it_is_told(
    where: str, colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(where, full)
    with pytest.raises(UserError, match=r"out of memory .* lower fit.batch_size \(now 8\)"):
        fit(TINY, colour_photos, tmp_path / "run", Silent())


def test_a_loss_that_is_no_number_names_its_pictures(colour_photos: Path, tmp_path: Path) -> None:
    recipe = changed(TINY, {"fit.learning_rate": 1e30, "fit.schedule": "constant", "fit.warmup_epochs": 0.0})
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in epoch 1, batch \d \(\w+/\d.png, ") as caught:
        fit(recipe, colour_photos, tmp_path / "run", Silent())
    assert "fit.learning_rate (now 1e+30)" in str(caught.value)


def test_a_picture_that_a_worker_cannot_read_is_named(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", {"red": 8, "blue": 8})
    (photos / "red" / "0.png").write_bytes(b"\x89PNG no more")
    recipe = msgspec.structs.replace(changed(TINY, {"fit.workers": 1, "split.val_fraction": 0.0}))
    with pytest.raises(PictureError, match=r"red/0.png") as caught:
        fit(recipe, photos, tmp_path / "run", Silent())
    assert "\n" not in str(caught.value)


class Says(nn.Module):
    """A network that always says the same, and remembers what it saw."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])
        self.seen = torch.zeros(0)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen = pixels
        return self.logits.expand(len(pixels), -1), pixels.mean(dim=(2, 3))


def teacher(network: Says, side_px: int) -> Any:
    recipe = SimpleNamespace(input=InputSpec(width_px=side_px, height_px=side_px))
    return SimpleNamespace(as_trained=lambda: network, info=SimpleNamespace(recipe=recipe), tokenize=None)


def test_several_teachers_answer_with_their_mean_probability_each_at_its_own_size() -> None:
    first, second = Says([2.0, 0.0, -1.0]), Says([-3.0, 1.0, 1.0])
    teachers = Teachers([teacher(first, 16), teacher(second, 8)], torch.device("cpu"))
    pixels = torch.rand(4, 3, 16, 16)
    logits, features = teachers.answer(Inputs(pixels, nothing(4), nothing(4)))
    wanted = (first.logits.softmax(1) + second.logits.softmax(1)) / 2
    torch.testing.assert_close(logits.softmax(dim=1), wanted.expand(4, -1))
    torch.testing.assert_close(features, pixels.mean(dim=(2, 3)))
    assert torch.equal(first.seen, pixels)
    assert second.seen.shape == (4, 3, 8, 8)
    torch.testing.assert_close(second.seen.mean(), pixels.mean(), rtol=0.02, atol=0)
    alone = Teachers([teacher(first, 16)], torch.device("cpu")).answer(Inputs(pixels, nothing(4), nothing(4)))[0]
    torch.testing.assert_close(alone, first.logits.expand(4, -1))


def test_a_teacher_is_asked_once_about_a_view_that_comes_again() -> None:
    class Counts(Says):
        asked = 0

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.asked += 1
            return pixels.mean(dim=(2, 3)), pixels.mean(dim=(2, 3))

    network = Counts([0.0])
    teachers = Teachers([teacher(network, 16)], torch.device("cpu"))
    pixels = torch.rand(4, 3, 16, 16)

    def answer(rows: list[int], views: list[tuple[int, int]]) -> torch.Tensor:
        return teachers.answer(Inputs(pixels[rows], nothing(4), nothing(4)), views)[0]

    first = answer([0, 1, 2, 3], [(1, 0), (1, 1), (1, 2), (1, 3)])
    assert torch.equal(answer([3, 1], [(1, 3), (1, 1)]), first[[3, 1]])
    assert network.asked == 1
    answer([0], [(2, 0)])
    answer([1, 0], [(1, 1), (3, 0)])
    assert network.asked == 3, "of another set, and of a batch with one that is new"
    answer([0], [])
    answer([0], [])
    assert network.asked == 5, "views without a name never come again"


def test_of_strangers_a_teacher_knows_no_more_than_chance() -> None:
    sure = Teachers([teacher(Says([9.0, 0.0, 0.0]), 16)], torch.device("cpu"))
    training_loop = SimpleNamespace(_job=SimpleNamespace(teachers=sure), _known=lambda batch, epoch: [])
    truth = torch.tensor([0, -1, 2])
    inputs = Inputs(torch.rand(3, 3, 16, 16), nothing(3), nothing(3))
    said = TrainingLoop._teacher_outputs(training_loop, inputs, SimpleNamespace(truth=truth), 1)  # type: ignore[arg-type]
    assert said is not None
    assert said[0].tolist() == [[9.0, 0.0, 0.0], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0]]


def test_a_teacher_looks_once_at_views_that_come_again(
    colour_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(changed(TINY, {"fit.epochs": 1}), colour_photos, tmp_path / "teacher", Silent())
    wise, looked = open_run(tmp_path / "teacher"), []
    answer = Teachers._answer
    monkeypatch.setattr(Teachers, "_answer", lambda self, inputs: (looked.append(1), answer(self, inputs))[1])
    losses = {}
    for sets in (0, 2):
        recipe = changed(TINY, {"fit.epochs": 4, "augment.view_sets": sets})
        taught: Recipe = msgspec.structs.replace(recipe, distill=DistillSpec())
        fit(taught, colour_photos, tmp_path / f"student-{sets}", Silent(), teachers=[wise])
        lines = (tmp_path / f"student-{sets}" / "metrics.jsonl").read_text().splitlines()
        losses[sets] = ([json.loads(line)["loss"] for line in lines], len(looked))
        looked.clear()
    (each_new, always), (in_turn, at_first) = losses[0], losses[2]
    assert at_first == always // 2, "of four epochs the teacher saw two"
    assert in_turn[:2] == each_new[:2], "the first views are the same"
    assert in_turn[2:] != each_new[2:]


def test_an_ensemble_teaches_a_smaller_student(colour_photos: Path, tmp_path: Path) -> None:
    larger = changed(TINY, {"input.width_px": 24, "input.height_px": 24, "fit.epochs": 1})
    fit(larger, colour_photos, tmp_path / "a", Silent())
    fit(changed(TINY, {"fit.epochs": 1, "fit.seed": 1}), colour_photos, tmp_path / "b", Silent())
    runs = [open_run(tmp_path / name) for name in "ab"]
    recipe: Recipe = msgspec.structs.replace(TINY, distill=DistillSpec(method="dist"))
    info = fit(recipe, colour_photos, tmp_path / "student", Silent(), teachers=runs)
    assert info.teacher == ", ".join(f"tiny sha256:{run.info.weights_sha256}" for run in runs)


def test_class_weights_reach_the_loss(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", {"red": 12, "blue": 4})
    for name, weigh in (("plain", False), ("weighed", True)):
        fit(changed(STEADY, {"fit.class_weights": weigh}), photos, tmp_path / name, Silent())
    assert weights(tmp_path / "plain") != weights(tmp_path / "weighed")


def test_a_leak_is_told_before_any_accuracy(
    tmp_path: Path, colour_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waste_edge.training.loop import fit as fitting

    told: list[str] = []

    class Noting(Silent):
        def warn(self, sentence: str) -> None:
            told.append(f"leak: {sentence}")

        def epoch(self, epoch: int, loss: float, scores: object) -> None:
            told.append("accuracy")

    sources = ("file_name", "column")
    monkeypatch.setattr(
        fitting, "find_leaks", lambda _: [SimpleNamespace(sentence=f"the {one} tells", source=one) for one in sources]
    )
    info = fit(changed(TINY, {"fit.epochs": 1}), colour_photos, tmp_path / "pictures", Noting())
    assert (told, info.leaks) == (["accuracy"], [])
    reading = SimpleNamespace(text=SimpleNamespace(source="column"))
    watcher = Noting()
    assert fitting._warned_of_leaks(reading, None, watcher) == ["the column tells"]  # type: ignore[arg-type]
    assert told[1:] == ["leak: the column tells"]


def test_a_steps_time_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from waste_edge.training.loop import step_time

    monkeypatch.setattr(step_time, "read_recipe", lambda _: TINY)
    monkeypatch.setattr("sys.argv", ["step_time", "tiny", "--steps", "1"])
    step_time.main()
    assert [line.rpartition(":")[0] for line in capsys.readouterr().out.splitlines()] == ["tiny: fp32", "tiny: bf16"]
    assert step_time.step_seconds(TINY, "fp32", False, 1) > 0
