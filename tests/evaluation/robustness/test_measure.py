"""Shares, differences and intervals, from models whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.robustness.shots import LABELS, Said, other, right, write_shots
from waste_edge.dataset import Dataset, Photo
from waste_edge.errors import DataError
from waste_edge.evaluation.robustness import measure
from waste_edge.evaluation.robustness.conditions import CONDITIONS, Original, shown
from waste_edge.evaluation.robustness.measure import measure_robustness
from waste_edge.evaluation.robustness.report import Cell, RobustnessReport
from waste_edge.imaging.corruptions import CORRUPTIONS
from waste_edge.imaging.frames import Pixels
from waste_edge.metrics.classification import paired_interval, wilson_interval
from waste_edge.metrics.significance import group_bootstrap, group_bootstrap_difference


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_shots(tmp_path_factory.mktemp("shots"))


def run(shots: Dataset, *models: Said) -> RobustnessReport:
    return measure_robustness(models, shots, shots.photos, "eight pictures")


def cell(report: RobustnessReport, condition: str, strength: int = 0, model: int = 0) -> Cell:
    return next(one for one in report.models[model].cells if (one.condition, one.strength) == (condition, strength))


def only_clean(shots: Dataset) -> Said:
    """Right about pictures as they are, wrong about any other."""
    clean = {photo.key: photo.pixels() for photo in shots.photos}

    def answer(photo: Photo, pixels: Pixels) -> str:
        return photo.label if np.array_equal(pixels, clean[photo.key]) else other(photo.label)

    return Said(answer, "only clean")


def test_a_model_that_nothing_disturbs_and_one_that_everything_does(shots: Dataset) -> None:
    report = run(shots, Said(right, "firm"), only_clean(shots))
    assert (report.pictures, report.groups, report.grouped) == (8, 4, True)
    assert [len(model.cells) for model in report.models] == [len(CONDITIONS)] * 2
    for at, condition in enumerate(CONDITIONS):
        firm, weak = report.models[0].cells[at], report.models[1].cells[at]
        changed = condition.name != "clean"
        assert (firm.condition, firm.strength) == (condition.name, condition.strength)
        assert firm.pictures == weak.pictures == (6 if condition.name in ("cut out", "background") else 8)
        assert firm.accuracy is not None
        assert weak.accuracy is not None
        assert (firm.accuracy.value, weak.accuracy.value) == (1.0, 0.0 if changed else 1.0)
        assert (firm.change_points is None) == (weak.change_points is None) == (not changed)
        if firm.change_points and weak.change_points:
            assert (firm.change_points.value, weak.change_points.value) == (0.0, -100.0)
            assert firm.change_points.low < 0 < firm.change_points.high, "never sure after eight pictures"
        points = report.pairs[0].cells[at].points
        assert points is not None
        assert points.value == (100.0 if changed else 0.0)
    assert [one.condition for one in report.models[0].means] == [*CORRUPTIONS, "all corruptions"]
    assert [one.accuracy.value for one in report.models[1].means if one.accuracy] == [0.0] * 9
    assert (report.pairs[0].first, report.pairs[0].second) == ("firm", "only clean")


def test_every_model_sees_the_same_pictures_at_their_own_size(shots: Dataset) -> None:
    first, second = Said(right, "a"), Said(right, "b")
    run(shots, first, second)
    assert len(first.seen) == len(second.seen) == 25 * 8 + 2 * 6
    for (key, pixels), (again, same) in zip(first.seen, second.seen, strict=True):
        assert key == again
        assert np.array_equal(pixels, same)
    sizes = {photo.key: photo.pixels().shape for photo in shots.photos}
    assert all(pixels.shape == sizes[key] for key, pixels in first.seen)


def by_strength(photo: Photo, pixels: Pixels) -> str:
    """Wrong about pictures much darker than they were, on a whim about others."""
    return photo.label if pixels.mean() > 95 or photo.key.endswith("2.png") else other(photo.label)


def test_numbers_are_the_projects_own_statistics(shots: Dataset) -> None:
    report = run(shots, Said(by_strength, "whim"), Said(right, "firm"))
    groups = [photo.group for photo in shots.photos]
    truth = np.array([LABELS.index(photo.label) for photo in shots.photos])

    def answers(name: str, strength: int) -> np.ndarray:
        condition = next(one for one in CONDITIONS if one[:2] == (name, strength))
        pictures = [shown(Original(photo), condition) for photo in shots.photos]
        return np.array([by_strength(one, one.pixels()) == one.label for one in pictures if one is not None])

    clean, dark = answers("clean", 0), answers("dark", 2)
    assert 0 < dark.sum() < clean.sum() < 8, "these data would show nothing"
    predicted = np.where(dark, truth, 1 - truth)
    found = cell(report, "dark", 2)
    assert found.accuracy == group_bootstrap(truth, predicted, groups, 2).accuracy
    change, wanted = found.change_points, group_bootstrap_difference(dark, clean, groups)
    assert change is not None
    assert (change.value, change.low, change.high) == pytest.approx(
        (100 * wanted.value, 100 * wanted.low, 100 * wanted.high)
    )
    pair = next(one for one in report.pairs[0].cells if (one.condition, one.strength) == ("dark", 2))
    assert pair.points is not None
    assert pair.points.value == pytest.approx(100 * (dark.mean() - 1))
    mean = next(one for one in report.models[0].means if one.condition == "dark")
    each = [answers("dark", strength).mean() for strength in (1, 2, 3)]
    assert mean.accuracy is not None
    assert mean.accuracy.value == pytest.approx(np.mean(each))
    assert mean.change_points is not None
    assert mean.change_points.value == pytest.approx(100 * (np.mean(each) - clean.mean()))
    everything = [answers(name, n).mean() for name in CORRUPTIONS for n in (1, 2, 3)]
    last = report.models[0].means[-1].accuracy
    assert last is not None
    assert last.value == pytest.approx(np.mean(everything))
    assert last.low <= last.value <= last.high


def test_pictures_that_stand_alone_get_wilsons_and_newcombes_intervals(shots: Dataset) -> None:
    photos = tuple(replace(photo, group=photo.key) for photo in shots.photos)
    alone = replace(shots, photos=photos, grouped=False)
    report = run(alone, Said(by_strength, "whim"))
    assert not report.grouped
    found, clean = cell(report, "dark", 3), cell(report, "clean")
    assert found.accuracy is not None
    assert clean.accuracy is not None
    hits = round(8 * found.accuracy.value)
    assert (found.accuracy.low, found.accuracy.high) == wilson_interval(hits, 8)
    condition = next(one for one in CONDITIONS if one[:2] == ("dark", 3))
    pictures = [shown(Original(photo), condition) for photo in photos]
    dark = np.array([by_strength(one, one.pixels()) == one.label for one in pictures if one])
    plain = np.array([by_strength(photo, photo.pixels()) == photo.label for photo in photos])
    low, high = paired_interval(dark, plain)
    assert found.change_points is not None
    assert (found.change_points.low, found.change_points.high) == pytest.approx((100 * low, 100 * high))


def test_labels_in_another_order_mean_the_same(shots: Dataset) -> None:
    turned = Said(by_strength, "turned", labels=LABELS[::-1])
    report = run(shots, Said(by_strength, "whim"), turned)
    assert [one.accuracy for one in report.models[0].cells] == [one.accuracy for one in report.models[1].cells]


@pytest.mark.parametrize("limit", ["_MOST_PICTURES", "_MOST_BYTES"])
def test_few_photographs_are_held_at_once_and_numbers_do_not_depend_on_it(
    shots: Dataset, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    whole = run(shots, Said(by_strength))
    monkeypatch.setattr(measure, limit, 3 if limit == "_MOST_PICTURES" else 90_000)
    few = Said(by_strength)
    report = run(shots, few)
    assert max(few.asked) == (3 if limit == "_MOST_PICTURES" else 1)
    assert report.models[0] == whole.models[0]


def test_progress_reaches_its_end(shots: Dataset) -> None:
    told: list[tuple[int, int]] = []
    measure_robustness([Said(right)], shots, shots.photos, "", lambda done, total: told.append((done, total)))
    assert told[-1] == (8 * len(CONDITIONS), 8 * len(CONDITIONS))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_where_nothing_can_be_cut_out_no_number_is_made_up(shots: Dataset) -> None:
    near = [photo for photo in shots.photos if photo.key == "jar/0.png"]
    report = measure_robustness([Said(right, "a"), Said(right, "b")], shots, near, "one picture")
    for name in ("cut out", "background"):
        found = cell(report, name)
        assert (found.pictures, found.accuracy, found.change_points) == (0, None, None)
    assert report.pairs[0].cells[-1].points is None
    assert report.models[0].means[-1].pictures == 1


def test_a_label_that_no_model_knows_is_named(shots: Dataset) -> None:
    strange = [replace(shots.photos[0], label="box")]
    with pytest.raises(DataError, match=r"can/0\.png: label box is unknown to the model"):
        measure_robustness([Said(right)], shots, strange, "")


def test_the_same_measurement_gives_the_same_report(shots: Dataset) -> None:
    first, again = (run(shots, Said(by_strength)) for _ in range(2))
    assert first.models == again.models
