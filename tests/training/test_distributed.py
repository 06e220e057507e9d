"""Several processes that train together are one with a batch as large as theirs together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from tests.training import processes
from tests.training.loop.test_checkpoint import TINY, changed
from tests.training.loop.test_fit import Silent
from waste_edge.dataset import SplitSpec
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import DistillSpec, Recipe
from waste_edge.training.runs import open_run

# Of one and of two processes: sums in another order. AdamW divides by the gradient's size, so that where a gradient
# is no more than rounding, a weight may move the other way: by the learning rate 1e-3 at most, a step.
GRADIENT_TOLERANCE, WEIGHT_TOLERANCE = 1e-6, 1e-4
EVEN = changed(
    TINY,
    {
        "fit.batch_size": 4,
        "fit.epochs": 2,
        "fit.learning_rate": 1e-3,
        "fit.freeze_batch_norm": True,
        "model.dropout": 0.0,
        "augment.enabled": False,
    },
)


def alone_and_together(recipe: Recipe, data: Path, folder: Path, teacher: Path | None = None) -> None:
    """Train with batches of 8 in one process, and of 4 in each of two."""
    for name, size, batch in (("alone", 1, 8), ("together", 2, 4)):
        (folder / name).mkdir()
        raw = msgspec.json.encode(changed(recipe, {"fit.batch_size": batch}))
        arguments = (folder / name, raw, data, folder / name / "run", teacher, "")
        assert processes.together(size, processes.learn, *arguments) == [0] * size


def check_same(folder: Path) -> None:
    for kind, tolerance in (("first", GRADIENT_TOLERANCE), ("last", WEIGHT_TOLERANCE)):
        alone = load_file(folder / "alone" / f"{kind}-0.safetensors")
        for rank in (0, 1):
            together = load_file(folder / "together" / f"{kind}-{rank}.safetensors")
            assert alone.keys() == together.keys()
            for name, value in alone.items():
                torch.testing.assert_close(together[name], value, rtol=1e-4, atol=tolerance)
    assert any(value.abs().max() > 1e-3 for value in load_file(folder / "alone" / "first-0.safetensors").values())


def test_two_processes_are_one_with_the_doubled_batch(colour_photos: Path, tmp_path: Path) -> None:
    alone_and_together(EVEN, colour_photos, tmp_path)
    check_same(tmp_path)
    first, second = (open_run(tmp_path / name / "run").info for name in ("alone", "together"))
    assert first.scores is not None
    assert second.scores is not None
    assert first.scores.confusion == second.scores.confusion


def test_with_augmentation_and_a_teacher_they_still_are(colour_photos: Path, tmp_path: Path) -> None:
    fit(TINY, colour_photos, tmp_path / "teacher", Silent())
    recipe = msgspec.structs.replace(EVEN, distill=DistillSpec(method="features", temperature=2.0))
    recipe = changed(recipe, {"augment.enabled": True})
    alone_and_together(recipe, colour_photos, tmp_path, tmp_path / "teacher")
    check_same(tmp_path)


def test_they_stop_early_together(colour_photos: Path, tmp_path: Path) -> None:
    recipe = changed(EVEN, {"fit.epochs": 9, "fit.learning_rate": 5.0, "fit.schedule": "plateau", "fit.stop_after": 1})
    arguments = (tmp_path, msgspec.json.encode(recipe), colour_photos, tmp_path / "run", None, "")
    assert processes.together(2, processes.learn, *arguments) == [0, 0]
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) < 9


@pytest.mark.parametrize(
    ("trouble", "codes", "says"),
    [
        ("nan", [{1, 2}, {2}], "1: training stopped: the loss is nan in epoch 1, batch 2"),
        ("memory", [{1}, {2}], "1: out of memory while training 'tiny': lower fit.batch_size"),
        ("killed", [{1}, {-9}], "0: another process of this training ended (was it killed?)"),
    ],
)
def test_when_one_fails_both_end_and_one_says_why(
    trouble: str, codes: list[set[int]], says: str, colour_photos: Path, tmp_path: Path
) -> None:
    arguments = (tmp_path, msgspec.json.encode(EVEN), colour_photos, tmp_path / "run", None, trouble)
    ended = processes.together(2, processes.learn, *arguments)
    told = (tmp_path / "errors.txt").read_text().splitlines()
    assert len(told) == 1
    assert told[0].startswith(says)
    assert all(code in allowed for code, allowed in zip(ended, codes, strict=True))


def test_a_mistake_that_all_of_them_see_is_told_once(colour_photos: Path, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(changed(EVEN, {"fit.keep": "best"}), split=SplitSpec(val_fraction=0.0))
    arguments = (tmp_path, msgspec.json.encode(recipe), colour_photos, tmp_path / "run", None, "")
    assert processes.together(2, processes.learn, *arguments) == [2, 2]
    told = (tmp_path / "errors.txt").read_text().splitlines()
    assert len(told) == 1
    assert "the validation part is empty" in told[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_torchrun_trains_and_only_the_leader_speaks(colour_photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "quick.toml"
    recipe.write_text(
        'name = "quick"\n[model]\narchitecture = "cnn4"\nwidth = 0.1\n[input]\nwidth_px = 16\nheight_px = 16\n'
        "[fit]\nepochs = 2\nbatch_size = 4\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "waste_edge", "train",
               str(recipe), "--data", str(colour_photos), "--out", str(tmp_path / "run")]  # fmt: skip
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("epoch 1/2") == ended.stderr.count("epoch 2/2") == 1
    assert len(ended.stdout.splitlines()) == 1
    again = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert again.returncode != 0
    assert again.stderr.count("waste-edge: ") == 1
    assert "holds a finished run" in again.stderr
