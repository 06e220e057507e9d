"""A domains file for tests: licensed and measuring pictures of known and strange things."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

LICENSED, MEASURED = "CC BY 4.0", "NO LICENCE in repo"


def write_sources(folder: Path, labels: tuple[str, ...], each: int = 4) -> Path:
    """`domains.csv` with `each` pictures a label of two licensed sources and one for measuring, and strange things."""
    generator = np.random.default_rng(3)
    kinds = [("licensed", "bottles", label, LICENSED) for label in labels]
    kinds += [("licensed", "litter", label, LICENSED) for label in labels]
    kinds += [("measuring", "web", label, MEASURED) for label in labels]
    kinds += [("licensed", "litter", "ground", LICENSED), ("licensed", "shop", "food", "MIT")]
    kinds += [("measuring", "web", "wood", MEASURED)]
    rows = []
    for place, source, label, licence in kinds:
        for number in range(each):
            file = f"{place}/{source}/{label}/{number}.jpg"
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
            rows.append([file, label, source, "", licence, f"{source}{label}{number}"])
    with (folder / "domains.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "source", "original_dataset", "licence", "group"])
        writer.writerows(rows)
    return folder / "domains.csv"
