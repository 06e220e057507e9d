"""Other backgrounds, bad cameras and what belongs to no label: how they come into the training views."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from waste_edge.dataset import Dataset, open_dataset
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.rendering.scene import Background, compose, paint_background
from waste_edge.training.distributed import ProcessGroup
from waste_edge.training.input_pipeline.augmentation import BadCamera, augmentation
from waste_edge.training.input_pipeline.batches import make_batches, mixed, mixing
from waste_edge.training.input_pipeline.inputs import InputReader
from waste_edge.training.input_pipeline.views import Backgrounds, TrainingViews, ViewOptions, render_outliers
from waste_edge.training.recipe import AugmentSpec, BackgroundSpec, FitSpec, OutlierSpec
from waste_edge.training.seeding import mixed_seed

TARGET = InputSpec(width_px=40, height_px=40)
PLAIN = AugmentSpec(min_area=1.0, aspect=1.0, flip=False, colour_jitter=0.0)
LABELS = ("can", "jar")


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A red or blue square on a poster board: 2 labels x 4; the last is too blank to be cut out."""
    folder = tmp_path_factory.mktemp("boards")
    sprite = np.zeros((64, 64, 4), np.uint8)
    for row, (label, colour) in enumerate(zip(LABELS, ((200, 20, 20), (20, 20, 200)), strict=True)):
        (folder / label).mkdir()
        sprite[8:56, 8:56] = (*colour, 255)
        for index in range(4):
            rng = np.random.default_rng([row, index])
            view = paint_background(Background.POSTER, rng, 72, 96)
            if (row, index) != (1, 3):
                view = compose(view, sprite, (0.5, 0.5), 0.6, 20.0 * index, rng)
            Image.fromarray(view).save(folder / label / f"{index}.png")
    return open_dataset(folder)


def views_of(
    dataset: Dataset, grounds: BackgroundSpec | None, spec: AugmentSpec = PLAIN, strangers: int = 0
) -> TrainingViews:
    painted = Backgrounds(grounds, 64) if grounds else None
    drawn = render_outliers(OutlierSpec(views=strangers), 64)
    return TrainingViews(
        dataset, dataset.photos, drawn, augmentation(spec, TARGET), InputReader(TARGET), ViewOptions(5, painted)
    )


def test_all_backgrounds_change_where_there_is_an_item_to_cut_out(boards: Dataset) -> None:
    plain, elsewhere = views_of(boards, None), views_of(boards, BackgroundSpec(share=1.0, surfaces=6))
    for number in range(len(boards.photos)):
        same = torch.equal(plain[1, number].pixels, elsewhere[1, number].pixels)
        assert same == (number == 7), "the last photograph shows an empty board"
        assert elsewhere[1, number].label == plain[1, number].label
    item = elsewhere[1, 1].pixels.float()
    red = (item[0] > 120) & (item[1] < 70) & (item[2] < 70)
    assert red.float().mean() > 0.03, "the item came along"


def test_only_their_share_of_the_views_gets_another_background(boards: Dataset) -> None:
    plain, elsewhere = views_of(boards, None), views_of(boards, BackgroundSpec(share=0.4, surfaces=6))
    same = [
        torch.equal(plain[epoch, number].pixels, elsewhere[epoch, number].pixels)
        for epoch in range(1, 21)
        for number in range(7)
    ]
    assert 1 - np.mean(same) == pytest.approx(0.4, abs=0.1)


def test_a_view_elsewhere_is_the_same_whenever_it_is_looked_at_and_another_each_epoch(boards: Dataset) -> None:
    spec = BackgroundSpec(share=1.0, surfaces=6)
    first, second = views_of(boards, spec), views_of(boards, spec)
    _ = [second[1, number] for number in reversed(range(8))]  # in another order
    for number in range(7):
        assert torch.equal(first[1, number].pixels, second[1, number].pixels)
        assert not torch.equal(first[1, number].pixels, first[2, number].pixels)
    other = views_of(boards, BackgroundSpec(share=1.0, surfaces=6, seed=1))
    assert not torch.equal(first[1, 0].pixels, other[1, 0].pixels)


def test_workers_see_the_same_elsewhere(boards: Dataset) -> None:
    told = []
    for workers in (0, 1):
        views = views_of(boards, BackgroundSpec(share=0.6, surfaces=4), AugmentSpec(bad_camera=0.5), strangers=3)
        loader, shuffle = make_batches(views, FitSpec(epochs=1, batch_size=4, workers=workers), ProcessGroup())
        shuffle.set_epoch(2)
        told.append([(batch.numbers, batch.truth, batch.pixels) for batch in loader])
    for (numbers, truth, pixels), (others, again, seen) in zip(*told, strict=True):
        assert numbers == others
        assert torch.equal(truth, again)
        assert torch.equal(pixels, seen)


def test_a_photograph_is_cut_out_once(boards: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from waste_edge.training.input_pipeline import views

    cut: list[int] = []
    cut_out = views.cut_out
    monkeypatch.setattr(views, "cut_out", lambda pixels: cut.append(pixels.size) or cut_out(pixels))
    elsewhere = views_of(boards, BackgroundSpec(share=1.0, surfaces=2))
    for epoch in (1, 2, 3):
        _ = elsewhere[epoch, 0], elsewhere[epoch, 7]
    assert len(cut) == 2


def test_views_of_recipes_without_any_of_this_are_what_they_always_were(boards: Dataset) -> None:
    """The photograph, augmented under the seed of its place, by the old steps: nothing else has a say."""
    spec = AugmentSpec(rotation_deg=10.0, erase_probability=0.3)
    augment = augmentation(spec, TARGET)
    assert [type(step) for step in augment.transforms] == [
        v2.RandomResizedCrop,
        v2.RandomHorizontalFlip,
        v2.RandomAffine,
        v2.ColorJitter,
        v2.RandomErasing,
    ]
    views = views_of(boards, None, spec)
    for epoch, number in ((1, 0), (3, 6)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(5, epoch, number, 1))
            expected = augment(torch.from_numpy(boards.photos[number].pixels()).permute(2, 0, 1))
        assert torch.equal(views[epoch, number].pixels, expected)


def test_strangers_have_no_label_and_come_last(boards: Dataset) -> None:
    views = views_of(boards, None, strangers=3)
    assert views.labels() == [0] * 4 + [1] * 4 + [-1] * 3
    assert [views[1, number].label for number in (0, 4, 8, 10)] == [0, 1, -1, -1]
    assert views[1, 9].pixels.shape == (3, 40, 40)
    assert views.collate([views[1, 7], views[1, 8]]).truth.tolist() == [1, -1]
    assert views.name(9) == "rendered view 1"


def test_strangers_are_the_same_for_the_same_seed_and_none_twice() -> None:
    first, again, other = (render_outliers(OutlierSpec(views=5, seed=seed), 48) for seed in (2, 2, 3))
    assert [label for _, label in first] == [-1] * 5
    for (a, _), (b, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    pictures = [pixels.tobytes() for pixels, _ in (*first, *other)]
    assert len(set(pictures)) == 10
    assert render_outliers(OutlierSpec(), 48) == []
    more = render_outliers(OutlierSpec(views=7, seed=2), 48)
    np.testing.assert_array_equal(more[4][0], first[4][0])


def batch(truth: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of noise, each of which can be told from the others."""
    torch.manual_seed(1)
    return torch.rand(len(truth), 3, 12, 12).contiguous(memory_format=torch.channels_last), torch.tensor(truth)


def test_what_has_no_label_is_taught_as_equal_shares() -> None:
    pixels, truth = batch([2, -1, 0, -1])
    seen, shares = mixed(pixels, truth, 4, None)
    assert torch.equal(seen, pixels)
    expected = torch.tensor([[0, 0, 1, 0], [0.25] * 4, [1, 0, 0, 0], [0.25] * 4])
    torch.testing.assert_close(shares, expected)
    torch.testing.assert_close(mixed(*batch([-1, -1]), 5, None)[1], torch.full((2, 5), 0.2))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_leaves_strangers_alone(kind: str) -> None:
    mix = mixing(AugmentSpec(**{kind: 1.0}), 4)
    pixels, truth = batch([2, -1, 0, 1, -1, 3])
    before, known = pixels.clone(), truth >= 0
    torch.manual_seed(3)
    seen, shares = mixed(pixels, truth, 4, mix)
    assert torch.equal(pixels, before), "the batch itself is changed"
    assert torch.equal(seen[~known], before[~known])
    torch.testing.assert_close(shares[~known], torch.full((2, 4), 0.25))
    assert not torch.equal(seen[known], before[known])
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))
    assert ((shares[known] > 0) & (shares[known] < 1)).any()
    torch.manual_seed(3)
    wanted, told = mix(before[known], truth[known])  # type: ignore[misc]
    assert torch.equal(seen[known], wanted)
    torch.testing.assert_close(shares[known], told)
    assert seen.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_of_strangers_alone_is_not_mixed() -> None:
    pixels, truth = batch([-1, -1, -1])
    seen, shares = mixed(pixels, truth, 3, mixing(AugmentSpec(mixup=1.0), 3))
    assert torch.equal(seen, pixels)
    torch.testing.assert_close(shares, torch.full((3, 3), 1 / 3))


def test_a_bad_camera_comes_by_its_chance_and_by_the_views_seed(boards: Dataset) -> None:
    pixels = torch.from_numpy(boards.photos[0].pixels()).permute(2, 0, 1)

    def seen(probability: float, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return BadCamera(probability)(pixels)

    assert all(torch.equal(seen(0.0, seed), pixels) for seed in range(5))
    assert not any(torch.equal(seen(1.0, seed), pixels) for seed in range(10))
    assert torch.equal(seen(1.0, 4), seen(1.0, 4))
    assert not torch.equal(seen(1.0, 4), seen(1.0, 5))
    changed = [not torch.equal(seen(0.3, seed), pixels) for seed in range(100)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.12)
    assert (seen(1.0, 0).shape, seen(1.0, 0).dtype) == (pixels.shape, torch.uint8)
    steps = augmentation(AugmentSpec(bad_camera=0.2), TARGET).transforms
    assert [type(step) for step in steps][-1] is BadCamera


def test_grounds_have_the_asked_size_and_are_turned_and_lit_anew_each_time(
    boards: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from waste_edge.training.input_pipeline import views

    used: list[Pixels] = []
    put_down = views.put_down
    monkeypatch.setattr(
        views,
        "put_down",
        lambda pixels, cutout, ground, rng: used.append(ground) or put_down(pixels, cutout, ground, rng),
    )
    elsewhere = views_of(boards, BackgroundSpec(share=1.0, surfaces=3))
    for epoch in range(12):
        _ = elsewhere[epoch, 0]
    assert all((ground.shape, ground.dtype) == ((64, 64, 3), np.uint8) for ground in used)
    assert len({ground.tobytes() for ground in used}) == 12
