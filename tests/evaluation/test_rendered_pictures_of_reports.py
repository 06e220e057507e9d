"""`--unknown rendered` and `--elsewhere`, from the command line to the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLOURS
from waste_edge.errors import DataError
from waste_edge.evaluation import rendered_pictures
from waste_edge.evaluation.evaluate import Evaluation, without_progress
from waste_edge.evaluation.rendered_pictures import open_unknown, shift_backgrounds
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.files.strict import read_json

WasteEdge = Callable[..., Any]


@pytest.fixture(scope="module")
def board_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coloured discs on a light board, one picture of each label without a board."""
    folder = tmp_path_factory.mktemp("boards")
    rows, columns = np.mgrid[0:96, 0:128]
    for label, colour in COLOURS.items():
        (folder / label).mkdir()
        for index in range(4):
            pixels = np.full((96, 128, 3), 210, np.uint8)
            pixels[np.hypot(rows - 48, columns - 60 - 3 * index) < 30 + 2 * index] = colour
            if index == 3:
                pixels[:] = colour
            Image.fromarray(pixels).save(folder / label / f"{index}.png")
    return folder


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_pictures, "OUTLIERS", 9)


def test_the_stand_ins_are_named_as_such() -> None:
    found = open_unknown("rendered")
    assert len(found.photos) == found.said.pictures == rendered_pictures.OUTLIERS
    assert "rendered stand-ins for the unknown (no photographs)" in found.said.in_words


def test_a_folder_of_that_name_is_given_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rendered").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "rendered" / "a.png")
    monkeypatch.chdir(tmp_path)
    found = open_unknown("./rendered")
    assert (found.said.pictures, found.said.rendered) == (1, False)
    assert found.said.in_words == "1 pictures of rendered, given as unknown"


def test_items_that_cannot_be_cut_out_are_an_error(colour_photos: Path) -> None:
    from waste_edge.dataset import open_dataset

    with pytest.raises(DataError, match="none of 30 items can be cut out of its background"):
        shift_backgrounds(open_dataset(colour_photos).photos, without_progress)


@pytest.mark.usefixtures("few")
def test_evaluate_says_what_is_unknown_and_how_it_does_elsewhere(
    waste_edge: WasteEdge, tiny_bundle: Path, board_photos: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", tiny_bundle, "--data", board_photos, "--unknown", "rendered", "--elsewhere", "--json")
    outcome = waste_edge(*arguments)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert waste_edge(*arguments).stdout == outcome.stdout, "the same pictures each time"
    (tmp_path / "a.json").write_text(outcome.stdout, encoding="utf-8")
    result = read_json(tmp_path / "a.json", Evaluation)
    assert "9 rendered stand-ins for the unknown (no photographs)" in result.unknown
    assert result.place.startswith("9 of the 12 items, cut out and put down on rendered surfaces")
    assert result.elsewhere is not None
    assert result.elsewhere.pictures == 9
    assert result.called_unknown is not None
    shipped, *others = result.rejection
    assert (shipped.score, shipped.keep, shipped.threshold) == ("max_logit", None, 1.0)
    assert [one.score for one in others] == ["max_probability", "max_logit", "energy"]
    assert all(one.auroc is not None and one.auroc_elsewhere is not None for one in result.rejection)
    assert shipped.rejected is not None
    assert result.called_unknown >= shipped.rejected, "unsure ones are called unknown too"
    assert result.elsewhere.rejected >= 1 - (shipped.kept_elsewhere or 0) - 1e-9


@pytest.mark.usefixtures("few")
def test_people_are_told_that_these_are_no_photographs(
    waste_edge: WasteEdge, tiny_bundle: Path, board_photos: Path
) -> None:
    arguments = ("evaluate", tiny_bundle, "--data", board_photos)
    shown = waste_edge(*arguments, "--unknown", "rendered", "--elsewhere").stdout
    for words in (
        "unknown: 9 rendered stand-ins for the unknown (no photographs)",
        "both thresholds call",
        "elsewhere: 9 of the 12 items",
        "accuracy there",
        "largest logit, as shipped",
        "AUROC, unknown",
    ):
        assert words in shown
    alone = waste_edge(*arguments, "--elsewhere").stdout
    assert "accuracy there" in alone
    assert "AUROC, unknown" not in alone, "without unknown pictures nothing can be told from them"


@pytest.mark.usefixtures("few")
def test_the_page_and_the_comparison_have_it_too(
    waste_edge: WasteEdge, tiny_bundle: Path, board_photos: Path, tmp_path: Path
) -> None:
    page, tables = tmp_path / "report.html", tmp_path / "report.md"
    outcome = waste_edge(
        *("compare", f"{tiny_bundle}:all", "--data", board_photos, "--unknown", "rendered", "--elsewhere"),
        *("--out", page, "--markdown", tables, "--json"),
    )
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    report = read_json(page.with_suffix(".json"), ComparisonReport)
    assert report.elsewhere is not None
    assert (report.elsewhere.pictures, report.elsewhere.of) == (9, 12)
    assert [model.elsewhere.pictures for model in report.models if model.elsewhere] == [9, 9]
    text, markdown = page.read_text(encoding="utf-8"), tables.read_text(encoding="utf-8")
    for words in ("no photographs", "stand-ins for photographs from elsewhere", "known items elsewhere"):
        assert words in text
    assert 'id="elsewhere"' in text
    assert "## Elsewhere\n" in markdown
    assert json.loads(outcome.stdout)["unknown"]["rendered"] is True
    shown = waste_edge("compare", f"{tiny_bundle}:all", "--data", board_photos, "--elsewhere").stdout
    assert "Elsewhere" in shown
