from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from waste_edge.dataset import Dataset, Photo, open_dataset
from waste_edge.training.data.leakage import find_leaks

LABELS = ("glass", "metal", "paper")
ITEMS = ("jar", "bottle", "bowl", "vase", "mug")


def named(name: Callable[[str, int, int], str], counts: tuple[int, ...] = (40, 50, 60), text: str = "") -> Dataset:
    """Pictures called by label, number in the label and number in all, in folders that are labels."""
    photos, total = [], 0
    for label, count in zip(LABELS, counts, strict=True):
        for number in range(count):
            key = f"{label}/{name(label, number, total)}.jpg"
            photos.append(Photo(Path(key), key, label, f"{label}/{number // 2}", text))
            total += 1
    return Dataset(Path(), LABELS, tuple(photos), grouped=True)


@pytest.mark.parametrize(
    "name",
    [
        lambda label, number, total: f"{label}{number}",
        lambda label, number, total: f"IMG_{label[:2].upper()}_{number:04}",
        lambda label, number, total: f"{total:05}",
        lambda label, number, total: f"photo {total}",
    ],
    ids=["the label", "two letters of it", "numbered through", "numbered through, unpadded"],
)
def test_a_name_that_gives_the_label_away(name: Callable[[str, int, int], str]) -> None:
    (finding,) = find_leaks(named(name))
    assert finding.source == "file_name"
    assert finding.balanced_accuracy > 0.85
    assert finding.chance == pytest.approx(1 / 3)
    assert finding.chance < finding.balanced_accuracy_low <= finding.balanced_accuracy
    assert finding.pictures == 150
    assert (
        f"The file name alone predicts the label: balanced accuracy {finding.balanced_accuracy:.1%}" in finding.sentence
    )


def test_it_says_by_what() -> None:
    (finding,) = find_leaks(named(lambda label, number, total: f"{label}{number}"))
    assert all(any(word in label for word in finding.examples[label]) for label in LABELS)
    assert f"{finding.examples['glass'][0]!r} for glass" in finding.sentence
    (finding,) = find_leaks(named(lambda label, number, total: f"photo {total}"))
    assert re.fullmatch(r"number \d+ to \d+", finding.examples["metal"][0])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "kind", ["numbered in each class", "numbered in each class, unpadded", "shuffled numbers", "hexadecimal", "dates"]
)
def test_names_that_say_nothing(kind: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    order = generator.permutation(150)
    codes = [generator.bytes(6).hex() for _ in range(150)]
    names: dict[str, Callable[[str, int, int], str]] = {
        "numbered in each class": lambda label, number, total: f"IMG_{number:04}",
        "numbered in each class, unpadded": lambda label, number, total: f"{number}",
        "shuffled numbers": lambda label, number, total: f"{order[total]:04}",
        "hexadecimal": lambda label, number, total: codes[total],
        "dates": lambda label, number, total: f"2024-03-{order[total] % 28 + 1:02} 12.{order[total] % 60:02}",
    }
    assert find_leaks(named(names[kind])) == []


def test_a_text_is_judged_alone() -> None:
    generator = np.random.default_rng(0)
    dataset = named(lambda label, number, total: "photo")
    silent = Dataset(dataset.root, LABELS, tuple(
        Photo(None, p.key, p.label, p.group, f"a {generator.choice(ITEMS)} found on {generator.integers(30)} May")
        for p in dataset.photos
    ), True)  # fmt: skip
    assert find_leaks(silent) == []
    telling = Dataset(dataset.root, LABELS, tuple(
        Photo(p.path, p.key, p.label, p.group, f"a {generator.choice(ITEMS)} of {p.label}") for p in dataset.photos
    ), True)  # fmt: skip
    (finding,) = find_leaks(telling)
    assert (finding.source, finding.balanced_accuracy) == ("column", 1.0)
    assert finding.sentence.startswith("The text alone predicts the label: balanced accuracy 100.0%")


def test_pictures_of_one_object_do_not_vouch_for_each_other() -> None:
    """Each object has a name of its own: no leak, unless copies of it lie in train and test."""
    generator = np.random.default_rng(1)
    codes = {f"{label}/{n}": generator.bytes(4).hex() for label in LABELS for n in range(30)}
    photos = [
        Photo(Path(f"{label}/{codes[f'{label}/{n // 4}']} {n}.jpg"), f"{label}/{n}", label, f"{label}/{n // 4}")
        for label in LABELS
        for n in range(40)
    ]
    assert find_leaks(Dataset(Path(), LABELS, tuple(photos), grouped=True)) == []
    alone = [Photo(p.path, p.key, p.label, p.key) for p in photos]
    assert len(find_leaks(Dataset(Path(), LABELS, tuple(alone), grouped=False))) == 1


def test_rare_labels_are_not_judged() -> None:
    leaky: Callable[[str, int, int], str] = lambda label, number, total: f"{label}{number}"  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_leaks(named(leaky, (60, 8, 2))) == [], "4 groups of metal, 1 of paper"
        (finding,) = find_leaks(named(leaky, (60, 60, 2)))
    assert finding.chance == 0.5
    assert set(finding.examples) == {"glass", "metal"}


def test_trashnets_names_are_caught(shared: Path) -> None:
    (finding,) = find_leaks(open_dataset(shared / "data" / "trashnet"))
    assert (finding.source, finding.balanced_accuracy, finding.pictures) == ("file_name", 1.0, 2022)
