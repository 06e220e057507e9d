"""The making of the shipped bundles in miniature: a stock, other sources, teacher, student, rounding, export."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.conftest import write_photos
from tests.export.conftest import command_line
from tests.training.loop.test_fit import RECIPE, Silent
from tests.training.sources import write_sources
from waste_edge.bundle.bundle import open_bundle
from waste_edge.imaging.preprocess import InputSpec, View
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import DistillSpec, FitSpec, QuantizeAwareSpec, Recipe, StockSpec
from waste_edge.training.runs import Run, open_run
from waste_edge.training.train_options import TrainOptions

SEES = InputSpec(width_px=48, height_px=48, view=View("item", 0.15, "keep"))
STOCK = StockSpec(side_px=64, whole=1, station=1, strange=1, drawn=8, surfaces=4, per_epoch=480, strange_share=0.1)
FIT = FitSpec(epochs=1, batch_size=8, learning_rate=3e-3, warmup_epochs=0.1, label_smoothing=0.0)


def _recipe(name: str, **parts: object) -> Recipe:
    return msgspec.structs.replace(RECIPE, name=name, input=SEES, stock=STOCK, fit=FIT, **parts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, Run]:
    """The data, the student and the student under rounding."""
    folder = tmp_path_factory.mktemp("shipped")
    labels = {"red": 60, "green": 60, "blue": 60}
    data = write_photos(folder / "photos", labels)
    extra = TrainOptions(domains=write_sources(folder / "sources", tuple(labels), each=1), stock=folder / "stock")
    by_features = DistillSpec(method="features", temperature=2.0, alpha=0.5, feature_weight=2.0)
    gentle = msgspec.structs.replace(FIT, learning_rate=3e-4)
    rounding = QuantizeAwareSpec(observe_batches=4, freeze_batch_norm_after=0.0, freeze_ranges_after=0.5)
    fit(_recipe("teacher"), data, folder / "teacher", Silent(), extra=extra)
    teacher = [open_run(folder / "teacher")]
    student = _recipe("student", distill=by_features)
    fit(student, data, folder / "student", Silent(), teachers=teacher, extra=extra)
    qat = msgspec.structs.replace(student, name="qat", fit=gentle, quantize_aware=rounding)
    started = open_run(folder / "student")
    fit(qat, data, folder / "qat", Silent(), teachers=teacher, start=started, extra=extra)
    return data, open_run(folder / "student"), open_run(folder / "qat")


def test_every_step_learns_and_names_its_sources(made: tuple[Path, Run, Run]) -> None:
    for run in made[1:]:
        assert run.info.scores is not None
        assert run.info.scores.accuracy_low > 1 / 3, run.info.recipe.name
        assert run.info.domains == {"bottles": 3, "litter": 4, "shop": 1}
        assert run.info.rendered_pictures == STOCK.drawn
        assert run.info.teacher.startswith("teacher sha256:")
    assert len(made[2].info.ranges) == 29


def test_the_bundle_knows_its_view_and_verifies(made: tuple[Path, Run, Run], tmp_path: Path) -> None:
    data, _, qat = made
    quantize = tmp_path / "quantize.toml"
    quantize.write_text('name = "static_wi8_ai8"\nmax_drop_points = 12.0\n')
    done = command_line("export", qat.folder, "--data", data, "--out", tmp_path / "bundle", "--recipe", quantize)
    assert done.returncode == 0, done.stderr
    assert open_bundle(tmp_path / "bundle").manifest.input == SEES
    done = command_line("verify", tmp_path / "bundle", "--json")
    assert done.returncode == 0, done.stderr
    assert all(one["status"] == "ok" for one in json.loads(done.stdout)["artifacts"])
    assert command_line("inspect", tmp_path / "bundle", "--graph").returncode == 0
