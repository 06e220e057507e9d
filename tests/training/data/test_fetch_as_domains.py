from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from waste_edge.dataset import open_domains
from waste_edge.errors import DataError
from waste_edge.training.data.fetch import write_domains

SOURCE = {
    "card": "realwaste",
    "title": "RealWaste",
    "citation": "Somebody",
    "homepage": "https://example.org",
    "licence": "CC BY 4.0",
    "sha256": "0" * 64,
    "checked": False,
    "files": 4,
    "labels": ["Glass", "Paper"],
    "fetched": "2026-01-01T00:00:00+00:00",
}


def fill(folder: Path, labels: tuple[str, ...], seed: int) -> Path:
    generator = np.random.default_rng(seed)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(2):
            noise = generator.integers(0, 256, (6, 6, 3), np.uint8)
            Image.fromarray(noise).resize((60, 60)).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    fetched, own = fill(tmp_path / "data" / "fetched", ("Glass", "Paper"), 1), fill(tmp_path / "bin", ("wood",), 2)
    (fetched / "SOURCE.json").write_text(json.dumps(SOURCE))
    return [fetched, own]


def test_each_folder_is_a_source_and_only_a_licensed_one_may_teach(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "elsewhere.csv"
    domains = write_domains(folders, out, None)
    assert domains == open_domains(out)
    assert domains.pictures_by_source() == {"bin": 2, "realwaste": 4}
    assert domains.teaching().pictures_by_source() == {"realwaste": 4}
    assert {row.photo.label for row in domains.rows} == {"Glass", "Paper", "wood"}
    assert domains.rows[0].photo.key == "data/fetched/Glass/0.png"
    assert domains.rows[0].original_dataset == "RealWaste (https://example.org)"
    assert len({row.photo.group for row in domains.rows}) == 6


def test_labels_are_called_as_the_cards_map_does(folders: list[Path], tmp_path: Path) -> None:
    domains = write_domains(folders, tmp_path / "elsewhere.csv", "four_bins")
    assert {row.photo.label for row in domains.rows} == {"blue", "wood"}


def test_near_copies_share_a_group(folders: list[Path], tmp_path: Path) -> None:
    with Image.open(folders[1] / "wood" / "0.png") as picture:
        picture.save(folders[1] / "wood" / "2.jpg", quality=80)
    domains = write_domains(folders[1:], tmp_path / "elsewhere.csv", None)
    groups = {row.photo.key: row.photo.group for row in domains.rows}
    assert groups["bin/wood/0.png"] == groups["bin/wood/2.jpg"] != groups["bin/wood/1.png"]


def test_a_source_stands_once(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its source bin was given already"):
        write_domains([folders[1], folders[1]], tmp_path / "elsewhere.csv", None)


def test_a_folder_of_the_same_name_keeps_its_groups_apart(folders: list[Path], tmp_path: Path) -> None:
    (folders[0] / "SOURCE.json").unlink()
    domains = write_domains(folders, tmp_path / "sub.csv", None)
    assert len({row.photo.group for row in domains.rows}) == len(domains.rows)
    assert domains.teaching().rows == ()
