"""Views that are made once: which they are, and what an epoch shows of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from tests.training.loop.test_fit import RECIPE, Silent
from tests.training.sources import write_sources
from tests.training.test_train_options import LABELS, STOCK, with_stock
from waste_edge.dataset import Dataset, open_dataset
from waste_edge.errors import RunError
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.distributed import ProcessGroup
from waste_edge.training.loop.fit import fit
from waste_edge.training.recipe import AugmentSpec, StockSpec
from waste_edge.training.runs import open_run
from waste_edge.training.train_options import OtherSources, TrainOptions, read_other_sources
from waste_edge.training.view_cache.augmentation import BatchAugmentation
from waste_edge.training.view_cache.batches import Sampling, ViewCacheBatches, gather_views
from waste_edge.training.view_cache.store import ViewCache, open_stock
from waste_edge.training.view_cache.view_maker import ViewMaker, subjects_of


@pytest.fixture
def dataset(colour_photos: Path) -> Dataset:
    return open_dataset(colour_photos)


@pytest.fixture
def teaching(dataset: Dataset, tmp_path: Path) -> OtherSources:
    domains = write_sources(tmp_path / "sources", LABELS)
    return read_other_sources(TrainOptions(domains=domains), with_stock(), dataset, dataset.photos)


def made(dataset: Dataset, teaching: OtherSources, folder: Path, spec: StockSpec = STOCK) -> ViewCache:
    return gather_views(spec, dataset, dataset.photos, teaching, folder, ProcessGroup())


def test_of_two_trainings_that_begin_together_one_makes_the_stock(
    dataset: Dataset, teaching: OtherSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects: list[int] = []
    views = ViewMaker.views
    monkeypatch.setattr(
        ViewMaker, "views", lambda maker, subject: subjects.append(subject.number) or views(maker, subject)
    )
    monkeypatch.setattr("waste_edge.training.view_cache.batches.cores", lambda: 1)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: made(dataset, teaching, tmp_path / "stock"), range(2))
    assert sorted(subjects) == list(range(len(one.index.labels))), "each once"
    assert np.array_equal(one.views, other.views)


def batches(stock: ViewCache, spec: StockSpec = STOCK, shard: tuple[int, int] = (0, 1)) -> ViewCacheBatches:
    return ViewCacheBatches(stock, spec, AugmentSpec(), InputSpec(32, 24), Sampling(4, 0, shard), torch.device("cpu"))


def test_a_stock_is_made_once(dataset: Dataset, teaching: OtherSources, tmp_path: Path) -> None:
    stock = made(dataset, teaching, tmp_path / "stock")
    subjects = len(dataset.photos) + len(teaching.known) + len(teaching.strange) + STOCK.drawn
    assert len(stock.index.labels) == subjects
    strange = [label < 0 for label in stock.index.labels]
    assert sum(strange) == len(teaching.strange) + STOCK.drawn
    views = np.diff(stock.index.first)
    assert set(views[: len(dataset.photos)]) == {STOCK.whole + STOCK.station}
    written = (tmp_path / "stock" / "views.npy").stat().st_mtime_ns
    other = msgspec.structs.replace(STOCK, per_epoch=8, balance=1.0)
    again = made(dataset, teaching, tmp_path / "stock", other)
    assert (tmp_path / "stock" / "views.npy").stat().st_mtime_ns == written, "an epoch's shares make no other views"
    np.testing.assert_array_equal(again.views, stock.views)
    made(dataset, teaching, tmp_path / "stock", msgspec.structs.replace(STOCK, seed=1))
    assert (tmp_path / "stock" / "views.npy").stat().st_mtime_ns > written


def test_several_processes_make_the_views_of_one(dataset: Dataset, tmp_path: Path) -> None:
    subjects = subjects_of([(photo, 0) for photo in dataset.photos[:6]], [], 2)
    maker = ViewMaker(STOCK, ())
    alone = open_stock(tmp_path / "a", maker, subjects, 1, lambda done, total: None)
    together = open_stock(tmp_path / "b", maker, subjects, 2, lambda done, total: None)
    np.testing.assert_array_equal(alone.views, together.views)


def test_a_damaged_stock_is_told(dataset: Dataset, teaching: OtherSources, tmp_path: Path) -> None:
    made(dataset, teaching, tmp_path / "stock")
    np.save(tmp_path / "stock" / "views.npy", np.zeros((2, 2), np.uint8))
    with pytest.raises(RunError, match=r"views.npy: damaged"):
        made(dataset, teaching, tmp_path / "stock")


def test_an_epoch_has_the_shares_that_it_is_to_have(dataset: Dataset, teaching: OtherSources, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(STOCK, per_epoch=200, strange_share=0.3, balance=1.0)
    shown = batches(made(dataset, teaching, tmp_path / "stock"), spec)
    shown.set_epoch(1)
    truth = torch.cat([batch.truth for batch in shown])
    assert len(truth) == 200
    assert int((truth < 0).sum()) == 60
    counts = torch.bincount(truth[truth >= 0])
    assert counts.max() - counts.min() <= 3


def test_epochs_differ_and_come_again(dataset: Dataset, teaching: OtherSources, tmp_path: Path) -> None:
    shown = batches(made(dataset, teaching, tmp_path / "stock"))

    def epoch(number: int) -> torch.Tensor:
        shown.set_epoch(number)
        return torch.cat([batch.pixels for batch in shown])

    assert epoch(1).shape == (16, 3, 24, 32)
    assert torch.equal(epoch(1), epoch(1))
    assert not torch.equal(epoch(1), epoch(2))


def test_views_come_in_turn_and_another_order(dataset: Dataset, teaching: OtherSources, tmp_path: Path) -> None:
    stock = made(dataset, teaching, tmp_path / "stock")
    shown = ViewCacheBatches(
        stock, STOCK, AugmentSpec(view_sets=2), InputSpec(32, 24), Sampling(2, 0), torch.device("cpu")
    )

    def epoch(number: int) -> dict[tuple[int, int], tuple[str, int, torch.Tensor]]:
        shown.set_epoch(number)
        return {
            shown.turn(number, place): (shown.name(place), int(truth), pixels)
            for batch in shown
            for place, truth, pixels in zip(batch.numbers, batch.truth, batch.pixels, strict=True)
        }

    first, second, again = epoch(1), epoch(2), epoch(3)
    assert not first.keys() & second.keys()
    assert list(first) != list(again), "the same views in another order"
    for view, (name, truth, pixels) in first.items():
        assert again[view][:2] == (name, truth)
        assert torch.equal(again[view][2], pixels)


def test_processes_divide_an_epoch(dataset: Dataset, teaching: OtherSources, tmp_path: Path) -> None:
    stock = made(dataset, teaching, tmp_path / "stock")
    numbers = []
    for shard in ((0, 1), (0, 2), (1, 2)):
        shown = batches(stock, shard=shard)
        shown.set_epoch(3)
        numbers.append([shown.name(number) for batch in shown for number in batch.numbers])
    assert numbers[0][0::2] == numbers[1]
    assert numbers[0][1::2] == numbers[2]


def test_changes_keep_what_they_are_not_to_change() -> None:
    views = torch.full((3, 20, 20, 3), 77, dtype=torch.uint8)
    views[:, :, 10:] = 200
    still = AugmentSpec(min_area=1.0, aspect=1.0, flip=False, colour_jitter=0.0)
    seen = BatchAugmentation(still, 20, 20, torch.Generator().manual_seed(0))(views)
    torch.testing.assert_close(seen, views.permute(0, 3, 1, 2).float(), atol=1e-3, rtol=0)
    mirrored = BatchAugmentation(msgspec.structs.replace(still, flip=True), 20, 20, torch.Generator().manual_seed(0))(
        views.repeat(20, 1, 1, 1)
    )
    left = mirrored[:, 0, 0, 0]
    assert {77, 200} == {round(float(level)) for level in left}
    wild = AugmentSpec(min_area=0.3, rotation_deg=30, bad_camera=1.0, erase_probability=1.0)
    seen = BatchAugmentation(wild, 16, 24, torch.Generator().manual_seed(0))(views)
    assert seen.shape == (3, 3, 16, 24)
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 255
    assert (seen == 128).any(), "something is erased"


def test_a_training_on_a_stock_goes_on_where_it_was_stopped(colour_photos: Path, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(
        with_stock(),
        fit=msgspec.structs.replace(
            RECIPE.trained, epochs=2, linear_probe_views=8, l2_sp=0.1, wise_ft=0.5, ema_decay=0.5, layer_decay=0.7
        ),
    )
    whole = fit(recipe, colour_photos, tmp_path / "whole", Silent())

    class Stopping(Silent):
        def epoch(self, epoch: int, loss: float, scores: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, colour_photos, tmp_path / "stopped", Stopping())
    resumed = fit(recipe, colour_photos, tmp_path / "stopped", Silent(), resume=True)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert open_run(tmp_path / "stopped").info.recipe.stock == STOCK
