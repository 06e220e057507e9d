"""The picture is made from the report alone, and shows every corruption and every model."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.evaluation.robustness.shots import Said, other, right, write_shots
from waste_edge.dataset import Photo
from waste_edge.evaluation.robustness.measure import measure_robustness
from waste_edge.evaluation.robustness.report import RobustnessReport
from waste_edge.imaging.corruptions import CORRUPTIONS
from waste_edge.imaging.frames import Pixels
from waste_edge.plots import robustness, style
from waste_edge.plots.robustness import draw_robustness


def dim(photo: Photo, pixels: Pixels) -> str:
    return photo.label if pixels.mean() > 90 else other(photo.label)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RobustnessReport:
    shots = write_shots(tmp_path_factory.mktemp("shots"))
    return measure_robustness([Said(right, "firm"), Said(dim, "afraid of the dark")], shots, shots.photos, "eight")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    found: list[Figure] = []
    monkeypatch.setattr(robustness, "save", lambda figure, path: found.append(figure) or style.save(figure, path))
    return found


def test_every_corruption_has_a_panel_and_every_model_a_line(
    report: RobustnessReport, tmp_path: Path, drawn: list[Figure]
) -> None:
    path = draw_robustness(report, tmp_path / "robustness.png")
    picture = np.asarray(Image.open(path).convert("L"))
    assert picture.shape[1] > 900
    assert picture.std() > 5
    (figure,) = drawn
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == [*CORRUPTIONS, "another ground (6 of 8 pictures)"]
    texts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
    assert {"firm", "afraid of the dark"} <= set(texts)
    assert any("scored on eight" in text for text in texts)
    dark = [container[0] for container in panels["dark"].containers]
    for number, line in enumerate(dark):
        wanted = [one for one in report.models[number].cells if one.condition in ("clean", "dark")]
        assert list(line.get_ydata()) == [100 * one.accuracy.value for one in wanted if one.accuracy]
        np.testing.assert_allclose(np.asarray(line.get_xdata(), float), [0, 1, 2, 3], atol=0.1)
    assert dark[0].get_color() != dark[1].get_color()
    assert not np.array_equal(dark[0].get_xdata(), dark[1].get_xdata()), "no interval hides another"
    assert all(axes.get_ylim() == (0, 100) for axes in figure.axes)


def test_many_models_and_nothing_cut_out_are_drawn_too(report: RobustnessReport, tmp_path: Path) -> None:
    first = report.models[0]
    blind = [
        msgspec.structs.replace(one, pictures=0, accuracy=None, change_points=None)
        if one.condition in ("cut out", "background")
        else one
        for one in first.cells
    ]
    many = [msgspec.structs.replace(first, name=f"model {number}", cells=blind) for number in range(8)]
    path = draw_robustness(msgspec.structs.replace(report, models=many), tmp_path / "many.png")
    assert path.stat().st_size > 20_000
