from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from waste_edge.dataset import open_dataset
from waste_edge.errors import ConfigError
from waste_edge.imaging.preprocess import InputSpec, blur, prepare
from waste_edge.training.distributed import ProcessGroup
from waste_edge.training.input_pipeline.augmentation import augmentation, no_augmentation
from waste_edge.training.input_pipeline.batches import make_batches, mixing
from waste_edge.training.input_pipeline.inputs import InputReader
from waste_edge.training.input_pipeline.views import TrainingViews, ViewOptions, render_views
from waste_edge.training.networks import normalize
from waste_edge.training.recipe import AugmentSpec, FitSpec, RenderedSpec

TARGET = InputSpec(width_px=32, height_px=24)
PLAIN = AugmentSpec(min_area=1.0, aspect=1.0, flip=False, colour_jitter=0.0)
WILD = AugmentSpec(rotation_deg=30.0, translation=0.2, colour_jitter=0.5, erase_probability=1.0)


def gradient(height: int, width: int) -> torch.Tensor:
    """A picture whose red tells the column and whose green tells the row."""
    red = torch.linspace(0, 255, width).expand(height, width)
    green = torch.linspace(0, 255, height)[:, None].expand(height, width)
    return torch.stack([red, green, torch.full((height, width), 90.0)]).round().to(torch.uint8)


def views_of(colour_photos: Path, spec: AugmentSpec = WILD, seed: int = 0) -> TrainingViews:
    dataset = open_dataset(colour_photos)
    return TrainingViews(
        dataset, dataset.photos, [], augmentation(spec, TARGET), InputReader(TARGET), ViewOptions(seed)
    )


@pytest.mark.parametrize("spec", [PLAIN, WILD], ids=["plain", "everything"])
@pytest.mark.parametrize("resize", ["crop", "letterbox"])
@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_augmented_views_have_the_inputs_size_and_are_eight_bit(spec: AugmentSpec, resize: str, sigma: float) -> None:
    torch.manual_seed(0)
    target = InputSpec(width_px=32, height_px=24, resize=resize, blur_sigma_px=sigma)  # type: ignore[arg-type]
    view = augmentation(spec, target)(torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8))
    assert view.shape == (3, 24, 32)
    assert view.dtype == torch.uint8


@pytest.mark.parametrize("shape", [(48, 64), (30, 64), (64, 30)])
def test_letterboxed_views_pad_as_the_device_does(shape: tuple[int, int]) -> None:
    target = InputSpec(width_px=32, height_px=24, resize="letterbox", fill=(10, 200, 30))
    picture = gradient(*shape)
    view = augmentation(PLAIN, target)(picture).numpy()
    device = prepare(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()), target).transpose(2, 0, 1)
    filled = (device == np.array([10, 200, 30])[:, None, None]).all(axis=0)
    assert filled.any() == (shape != (48, 64))
    # Between them are torch's and OpenCV's interpolation, and an edge that may fall within a pixel.
    apart = np.abs(view.astype(int) - device).max(axis=0)
    assert np.median(apart) <= 10
    assert (apart > 24).mean() < 0.2
    if filled.any():
        assert (view[:, filled] == np.array([[10], [200], [30]])).mean() > 0.85


def test_an_aspect_of_one_keeps_shapes() -> None:
    torch.manual_seed(0)
    crop = augmentation(AugmentSpec(min_area=0.25, aspect=1.0, flip=False, colour_jitter=0.0), TARGET)
    for _ in range(20):
        view = crop(gradient(120, 160)).float()
        across, down = view[0, :, -1].mean() - view[0, :, 0].mean(), view[1, -1].mean() - view[1, 0].mean()
        assert float(across / down) == pytest.approx(1.0, abs=0.12), "the crop is as wide as it is high, in shares"
    stretched = augmentation(AugmentSpec(min_area=0.25, aspect=0.5, flip=False, colour_jitter=0.0), TARGET)
    ratios = []
    for _ in range(20):
        view = stretched(gradient(120, 160)).float()
        ratios.append(float((view[0, :, -1] - view[0, :, 0]).mean() / (view[1, -1] - view[1, 0]).mean()))
    assert max(ratios) > 1.3
    assert min(ratios) < 0.8


def test_translation_shifts_no_further_than_it_says() -> None:
    torch.manual_seed(0)
    target = InputSpec(width_px=40, height_px=40, fill=(0, 0, 0))
    shift = augmentation(AugmentSpec(min_area=1.0, aspect=1.0, flip=False, colour_jitter=0.0, translation=0.25), target)
    white = torch.full((3, 40, 40), 255, dtype=torch.uint8)
    empty = [int((shift(white)[0] == 0).all(dim=0).sum()) for _ in range(40)]  # columns that the picture left
    assert max(empty) <= 10
    assert max(empty) >= 6
    assert len(set(empty)) > 3


def test_blur_is_the_devices_own() -> None:
    torch.manual_seed(0)
    noise = torch.randint(0, 256, (3, 24, 32), dtype=torch.uint8)
    sharp, soft = (augmentation(PLAIN, InputSpec(width_px=32, height_px=24, blur_sigma_px=s))(noise) for s in (0, 2))
    wanted = blur(np.ascontiguousarray(sharp.permute(1, 2, 0).numpy()), 2.0)
    np.testing.assert_array_equal(soft.permute(1, 2, 0).numpy(), wanted)
    assert soft.float().std() < 0.5 * sharp.float().std()


@pytest.mark.parametrize("resize", ["crop", "letterbox"])
def test_unaugmented_views_are_exactly_what_a_device_sees(resize: str, colour_photos: Path) -> None:
    target = InputSpec(width_px=20, height_px=28, resize=resize, blur_sigma_px=0.8)  # type: ignore[arg-type]
    dataset, reader = open_dataset(colour_photos), InputReader(target)
    views = TrainingViews(dataset, dataset.photos, [], no_augmentation(target), reader)
    seen = normalize(views.collate([views[1, number] for number in range(4)]).pixels)
    assert torch.equal(seen, reader.read(dataset.photos[:4]).pixels)


def test_a_view_is_the_same_whenever_it_is_looked_at_and_another_each_epoch(colour_photos: Path) -> None:
    views = views_of(colour_photos)
    before = torch.get_rng_state()
    first = views[1, 3].pixels
    assert torch.equal(torch.get_rng_state(), before), "a view's chances are not the network's"
    assert views[1, 7].label == views[2, 7].label
    assert torch.equal(first, views[1, 3].pixels)
    assert not torch.equal(first, views[2, 3].pixels)
    assert not torch.equal(first, views_of(colour_photos, seed=1)[1, 3].pixels)


def test_sets_of_views_come_in_turn_and_are_made_once(colour_photos: Path) -> None:
    dataset, made = open_dataset(colour_photos), []
    augment = augmentation(WILD, TARGET)

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        made.append(1)
        view: torch.Tensor = augment(pixels)
        return view

    kept = TrainingViews(dataset, dataset.photos, [], counted, InputReader(TARGET), ViewOptions(sets=2))
    shown = [kept[epoch, 3].pixels for epoch in (1, 2, 3, 4, 5)]
    assert len(made) == 2
    assert torch.equal(shown[0], shown[2])
    assert torch.equal(shown[1], shown[3])
    assert torch.equal(shown[0], shown[4])
    assert not torch.equal(shown[0], shown[1])
    always_new = views_of(colour_photos)
    assert torch.equal(shown[0], always_new[1, 3].pixels), "the first of them are those of any training"
    assert [kept.turn(epoch, 3) for epoch in (1, 2, 3)] == [(1, 3), (2, 3), (1, 3)]


def test_workers_give_the_very_same_batches(colour_photos: Path) -> None:
    batches = []
    for workers in (0, 2):
        loader, shuffle = make_batches(
            views_of(colour_photos), FitSpec(epochs=2, batch_size=8, workers=workers), ProcessGroup()
        )
        told = []
        for epoch in (1, 2):
            shuffle.set_epoch(epoch)
            told += [(batch.numbers, batch.pixels) for batch in loader]
        batches.append(told)
    for (numbers, pixels), (others, again) in zip(*batches, strict=True):
        assert numbers == others
        assert torch.equal(pixels, again)


def test_workers_are_no_more_than_the_cores(colour_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FitSpec(epochs=1, workers=64)
    monkeypatch.setattr("waste_edge.training.input_pipeline.batches.cores", lambda: 2)
    assert make_batches(views_of(colour_photos), spec, ProcessGroup())[0].num_workers == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert make_batches(views_of(colour_photos), spec, ProcessGroup())[0].num_workers == 1


def test_pictures_are_decoded_once_while_there_is_room(colour_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    from waste_edge.dataset import Photo

    pixels = Photo.pixels
    monkeypatch.setattr(Photo, "pixels", lambda self: read.append(self.key) or pixels(self))
    dataset = open_dataset(colour_photos)
    size = 24 * 24 * 3
    views = TrainingViews(
        dataset, dataset.photos, [], no_augmentation(TARGET), InputReader(TARGET), ViewOptions(cache_bytes=4 * size)
    )
    views.share_room(2)
    for epoch in (1, 2):
        _ = [views[epoch, number] for number in range(5)]
    assert len(read) == 5 + 3


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_makes_shares_of_labels(kind: str) -> None:
    torch.manual_seed(2)
    mix = mixing(AugmentSpec(**{kind: 1.0}), 3)
    assert mix is not None
    pixels = torch.stack([torch.full((3, 8, 8), float(label)) for label in (0, 1, 2, 1)])
    mixed, shares = mix(pixels, torch.tensor([0, 1, 2, 1]))
    assert shares.shape == (4, 3)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(4))
    assert bool(((shares > 0) & (shares < 1)).any())
    means, told = mixed.mean(dim=(1, 2, 3)), shares @ torch.arange(3.0)
    torch.testing.assert_close(means, told, rtol=1e-4, atol=1e-4)  # a label's share is its share of the pixels
    assert mixing(AugmentSpec(), 3) is None


def test_photographs_come_first_and_rendered_views_after(colour_photos: Path) -> None:
    dataset = open_dataset(colour_photos)
    drawn = [(np.full((40, 40, 3), 200, np.uint8), 2)]
    views = TrainingViews(dataset, dataset.photos, drawn, augmentation(PLAIN, TARGET), InputReader(TARGET))
    assert len(views) == len(dataset.photos) + 1
    first, last = views[1, 0], views[1, len(views) - 1]
    assert (tuple(first.pixels.shape), first.label) == ((3, 24, 32), dataset.label_index(dataset.photos[0]))
    assert (last.label, bool((last.pixels == 200).all())) == (2, True)
    assert views.labels() == [dataset.label_index(photo) for photo in dataset.photos] + [2]
    assert views.name(len(views) - 1) == "rendered view 0"


def test_rendered_views_are_the_same_for_the_same_seed() -> None:
    spec = RenderedSpec(views_per_label=2, seed=5)
    first, second = (render_views(spec, ["glass", "metal"], 64) for _ in range(2))
    assert [label for _, label in first] == [0, 0, 1, 1]
    for (a, _), (b, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0][0], first[1][0])


def test_a_label_that_cannot_be_drawn_is_named() -> None:
    with pytest.raises(ConfigError, match=r"rendered.views_per_label: cannot draw textile"):
        render_views(RenderedSpec(views_per_label=1), ["glass", "textile"], 64)
    assert render_views(RenderedSpec(), ["textile"], 64) == []
