"""Export must find the very pictures that training held out."""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

from tests.conftest import write_photos
from tests.training.loop.test_fit import RECIPE, Silent
from waste_edge.export.work import open_work
from waste_edge.training.evaluation.evaluate import evaluate_run
from waste_edge.training.loop.fit import fit
from waste_edge.training.runs import open_run


def test_near_duplicates_stay_together_from_training_to_export(tmp_path: Path) -> None:
    data = write_photos(tmp_path / "photos", {"blue": 8, "red": 8})
    for label in ("blue", "red"):
        for index in range(8):
            with Image.open(data / label / f"{index}.png") as picture:
                picture.save(data / label / f"again {index}.png", compress_level=0)  # another file, the same pixels
    run = tmp_path / "run"
    info = fit(RECIPE, data, run, Silent())
    with (run / "split.csv").open(newline="") as stream:
        val = [row["file"] for row in csv.DictReader(stream) if row["part"] == "val"]
    assert len(val) == 4
    assert not info.grouped
    assert {key.replace("again ", "") for key in val} == {key for key in val if "again" not in key}
    scores, protocol = evaluate_run(run, data, "auto", lambda done, total: None)
    assert scores == info.scores
    assert "split by picture, near-duplicates together, and label" in protocol
    work = open_work(open_run(run), data, lambda words: None, lambda done, total: None)
    assert [photo.key for photo in work.validation] == val
