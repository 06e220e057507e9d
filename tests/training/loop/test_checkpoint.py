"""A training that was stopped, at any moment, and goes on is the very training that was not stopped."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from tests.training import processes
from tests.training.loop.test_fit import Silent
from waste_edge.errors import RunError
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.loop.checkpoint import CHECKPOINT_NAME
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import AugmentSpec, DistillSpec, FitSpec, ModelSpec, QuantizeAwareSpec, Recipe
from waste_edge.training.runs import Run, RunInfo, open_run

TINY = Recipe(
    name="tiny",
    model=ModelSpec(architecture="cnn4", width=0.1, dropout=0.3),
    input=InputSpec(width_px=16, height_px=16),
    fit=FitSpec(epochs=3, batch_size=8, learning_rate=1e-2, warmup_epochs=0.5),
    augment=AugmentSpec(rotation_deg=10.0, erase_probability=0.5),
)
CHANGES = {
    "plain": {},
    "average": {"fit.ema_decay": 0.9, "fit.keep": "best"},
    "plateau": {"fit.schedule": "plateau", "fit.plateau_epochs": 1, "fit.learning_rate": 0.3, "fit.warmup_epochs": 0.0},
    "patience": {"fit.stop_after": 1, "fit.learning_rate": 0.3, "fit.keep": "best"},
    "mixing": {"augment.mixup": 0.4, "augment.cutmix": 1.0, "fit.clip_norm": 0.5, "fit.class_weights": True},
    "bf16": {"fit.precision": "bf16"},
    "workers": {"fit.workers": 2},
    "elsewhere": {"backgrounds.share": 0.7, "backgrounds.surfaces": 5, "strangers.views": 7, "augment.bad_camera": 0.5},
    "strangers, mixed": {"strangers.views": 9, "augment.mixup": 0.4, "backgrounds.share": 0.5, "fit.workers": 1},
}


class StoppedError(Exception):
    """What a watcher raises to stop a training."""


class Stopping(Silent):
    """Stops at an epoch's step, or after an epoch (step 0)."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__()
        self._where = epoch, step

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        super().step(epoch, step, steps, loss)
        if (epoch, step) == self._where:
            raise StoppedError

    def epoch(self, epoch: int, loss: float, scores: object) -> None:
        if (epoch, 0) == self._where:
            raise StoppedError


def changed(recipe: Recipe, changes: dict[str, object]) -> Recipe:
    raw = msgspec.to_builtins(recipe)
    for key, value in changes.items():
        part, name = key.split(".")
        raw[part][name] = value
    return msgspec.convert(raw, Recipe)


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def same(first: RunInfo, second: RunInfo) -> None:
    timeless = [msgspec.structs.replace(info, created="", seconds=0.0) for info in (first, second)]
    assert timeless[0] == timeless[1]


def stop(recipe: Recipe, data: Path, out: Path, epoch: int, step: int, **more: object) -> None:
    with pytest.raises(StoppedError):
        fit(recipe, data, out, Stopping(epoch, step), **more)  # type: ignore[arg-type]


def curve(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("name", CHANGES)
def test_stopped_twice_and_resumed_it_is_the_uninterrupted_one(name: str, colour_photos: Path, tmp_path: Path) -> None:
    recipe = changed(TINY, CHANGES[name])
    whole = fit(recipe, colour_photos, tmp_path / "whole", Silent())
    stop(recipe, colour_photos, tmp_path / "run", 1, 2)
    stop(recipe, colour_photos, tmp_path / "run", 2, 2, resume=True)
    watcher = Silent()
    resumed = fit(recipe, colour_photos, tmp_path / "run", watcher, resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    same(resumed, whole)
    assert curve(tmp_path / "run") == curve(tmp_path / "whole")
    assert len(watcher.epochs) == len(curve(tmp_path / "whole")) - 1, "an epoch that was finished was trained again"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "curves.png", "metrics.jsonl", "model.safetensors", "run.json", "split.csv",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def teacher(colour_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("teacher") / "run"
    fit(changed(TINY, {"model.width": 0.2}), colour_photos, out, Silent())
    return open_run(out)


def test_a_distillation_of_features_resumes_with_its_projection(
    teacher: Run, colour_photos: Path, tmp_path: Path
) -> None:
    recipe = msgspec.structs.replace(TINY, distill=DistillSpec(method="features", temperature=2.0, feature_weight=3.0))
    whole = fit(recipe, colour_photos, tmp_path / "whole", Silent(), teachers=[teacher])
    stop(recipe, colour_photos, tmp_path / "run", 2, 0, teachers=[teacher])
    resumed = fit(recipe, colour_photos, tmp_path / "run", Silent(), teachers=[teacher], resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    same(resumed, whole)


@pytest.mark.parametrize("at", [(1, 0), (2, 2), (3, 1)])
def test_views_in_turn_and_what_a_teacher_said_of_them_are_the_same_after_a_stop(
    at: tuple[int, int], teacher: Run, colour_photos: Path, tmp_path: Path
) -> None:
    strange = changed(TINY, {"fit.epochs": 5, "augment.view_sets": 2, "strangers.views": 3, "fit.workers": 1})
    recipe = msgspec.structs.replace(strange, distill=DistillSpec(temperature=2.0, alpha=0.8))
    whole = fit(recipe, colour_photos, tmp_path / "whole", Silent(), teachers=[teacher])
    stop(recipe, colour_photos, tmp_path / "run", *at, teachers=[teacher])
    resumed = fit(recipe, colour_photos, tmp_path / "run", Silent(), teachers=[teacher], resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    same(resumed, whole)


@pytest.mark.parametrize("at", [(1, 0), (2, 1)])
def test_a_quantization_aware_training_resumes_with_its_ranges(
    at: tuple[int, int], colour_photos: Path, tmp_path: Path
) -> None:
    small = changed(TINY, {"model.architecture": "mobilenet_v1", "model.width": 0.1, "fit.epochs": 1})
    fit(small, colour_photos, tmp_path / "float", Silent())
    began = open_run(tmp_path / "float")
    aware = QuantizeAwareSpec(observe_batches=1, freeze_batch_norm_after=0.5, freeze_ranges_after=1.5)
    recipe = msgspec.structs.replace(changed(small, {"fit.epochs": 2, "fit.keep": "best"}), quantize_aware=aware)
    whole = fit(recipe, colour_photos, tmp_path / "whole", Silent(), start=began)
    stop(recipe, colour_photos, tmp_path / "run", *at, start=began)
    resumed = fit(recipe, colour_photos, tmp_path / "run", Silent(), start=began, resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    same(resumed, whole)


def test_another_training_is_not_resumed_into_this_one(colour_photos: Path, tmp_path: Path) -> None:
    stop(TINY, colour_photos, tmp_path / "run", 1, 0)
    before = (tmp_path / "run" / CHECKPOINT_NAME).read_bytes()
    for changes in ({"fit.epochs": 4}, {"fit.seed": 1}, {"augment.flip": False}):
        with pytest.raises(RunError, match="belongs to another training"):
            fit(changed(TINY, changes), colour_photos, tmp_path / "run", Silent(), resume=True)
    assert (tmp_path / "run" / CHECKPOINT_NAME).read_bytes() == before
    fit(changed(TINY, {"fit.workers": 1}), colour_photos, tmp_path / "run", Silent(), resume=True)


@pytest.mark.parametrize("damage", ["cut", "flip", "header", "empty"])
def test_a_damaged_checkpoint_is_refused_in_one_line(damage: str, colour_photos: Path, tmp_path: Path) -> None:
    stop(TINY, colour_photos, tmp_path / "run", 1, 0)
    path = tmp_path / "run" / CHECKPOINT_NAME
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-5] ^= 0x10
    path.write_bytes({"cut": content[:-9], "header": content.replace(b"lines", b"lines"[::-1])}.get(damage, content))
    if damage == "empty":
        path.write_bytes(b"")
    with pytest.raises(RunError, match=rf"{CHECKPOINT_NAME}: damaged .*; remove .* and train again") as caught:
        fit(TINY, colour_photos, tmp_path / "run", Silent(), resume=True)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_resumed_is_told(colour_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to resume"):
        fit(TINY, colour_photos, tmp_path / "nowhere", Silent(), resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="nothing to resume"):
        fit(TINY, colour_photos, tmp_path / "other", Silent(), resume=True)
    stop(TINY, colour_photos, tmp_path / "run", 1, 1)
    with pytest.raises(RunError, match="--resume goes on"):
        fit(TINY, colour_photos, tmp_path / "run", Silent())
    fit(TINY, colour_photos, tmp_path / "run", Silent(), resume=True)
    with pytest.raises(RunError, match="holds a finished run"):
        fit(TINY, colour_photos, tmp_path / "run", Silent(), resume=True)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the children have: sums are taken in another order by two threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.long
@pytest.mark.usefixtures("one_thread")
def test_killed_again_and_again_it_is_still_the_uninterrupted_one(colour_photos: Path, tmp_path: Path) -> None:
    recipe = changed(TINY, {"fit.ema_decay": 0.9, "augment.mixup": 0.2, "fit.epochs": 4})
    raw, out = msgspec.json.encode(recipe), tmp_path / "run"
    chance, kills = random.Random(5), 0
    while not (out / "run.json").exists():
        assert kills < 40, "it never ends"
        child = processes.start(processes.train, raw, colour_photos, out, out.exists(), 0.02)
        seen = (out / CHECKPOINT_NAME).stat().st_ino if (out / CHECKPOINT_NAME).exists() else 0
        while child.is_alive() and not _moved(out, seen):
            time.sleep(0.005)
        child.join(chance.uniform(0.0, 0.25))  # somewhere in the next epoch, or in a file's writing
        if child.is_alive():
            child.kill()
            kills += 1
        child.join()
        assert child.exitcode in (0, -9), "a resumed training failed"
    assert kills >= 3
    whole = fit(recipe, colour_photos, tmp_path / "whole", Silent())
    assert weights(out) == weights(tmp_path / "whole")
    same(open_run(out).info, whole)
    assert not [path for path in out.iterdir() if path.name.startswith(".")], "half-written files were left"


def _moved(out: Path, inode: int) -> bool:
    """Whether a training has finished an epoch since; the first ends before it has begun one."""
    path = out / CHECKPOINT_NAME
    return path.exists() and path.stat().st_ino != inode
