"""Items as a station shows them: what a known score learns from, and what its threshold is set by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.evaluation.test_station_view import on_board, photo
from waste_edge.dataset import Photo
from waste_edge.engines.engine import Engine, Output
from waste_edge.evaluation.evaluate import Outputs, without_progress
from waste_edge.export.confidence import known_score, scoring
from waste_edge.export.confidence.station_items import (
    GROUNDS,
    STRANGE,
    TAUGHT,
    ask_looks,
    grounds_that_teach,
    item_crops,
    item_features,
)
from waste_edge.export.domains import Origin
from waste_edge.export.material import Material
from waste_edge.export.recipe import ExportRecipe
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import InputSpec, View
from waste_edge.item import LOOKS
from waste_edge.item.crop import PLAIN
from waste_edge.rejection import Scorer

RED, BLUE = (200, 40, 40), (40, 60, 200)


class MeanColour:
    """An engine whose features are a picture's mean colour."""

    def infer(self, pixels: Pixels) -> Output:
        mean = pixels.reshape(-1, 3).mean(axis=0).astype(np.float32)
        return Output(logits=mean - 128, features=mean)


ENGINE: Engine = MeanColour()  # type: ignore[assignment]


def material(validation: Sequence[Photo] = (), kind: str = "item", strange: Sequence[Photo] = ()) -> Material:
    view = View(kind=kind, margin=0.1, surround="plain")  # type: ignore[arg-type]
    rows = [SimpleNamespace(photo=one) for one in strange]
    teaching = SimpleNamespace(strange=lambda *_: SimpleNamespace(rows=rows))
    domains: Any = SimpleNamespace(teaching=teaching) if strange else None
    split: Any = SimpleNamespace(seed=0)
    dataset: Any = SimpleNamespace(name="boards", grouped=True)
    return Material(
        source=Path("bundle"),
        origin=Origin(["red", "green", "blue"], {}, split, "", "boards"),
        spec=InputSpec(32, 32, view=view),
        dataset=dataset,
        parts={"train": [], "val": list(validation), "test": []},
        step=lambda _: None,
        progress=without_progress,
        domains=domains,
    )


def bare(key: str) -> Photo:
    return photo(key, np.asarray(np.random.default_rng(1).normal(205, 2, (256, 192, 3)).clip(0, 255), np.uint8))


def test_an_item_is_cropped_as_a_station_does_the_same_each_time() -> None:
    photos = [photo("a", on_board(RED)), bare("b"), photo("c", on_board(BLUE))]
    first, second = item_crops(material(), photos, TAUGHT)
    assert first.shape[0] == first.shape[1]
    assert (first == PLAIN).all(axis=2).any(), "its surroundings are painted"
    assert (first[..., 0].astype(int) - first[..., 2] > 60).mean() > 0.2
    assert (second[..., 2].astype(int) - second[..., 0] > 60).mean() > 0.2
    again = list(item_crops(material(), photos, TAUGHT))
    assert all((one == other).all() for one, other in zip((first, second), again, strict=True))
    other = list(item_crops(material(), [photos[0]], STRANGE))
    assert other[0].shape != first.shape or (other[0] != first).any(), "another run of scenes"


def test_of_a_strange_thing_that_cannot_be_cut_out_an_outline_is_shown() -> None:
    assert list(item_crops(material(), [bare("a")], TAUGHT)) == []
    assert len(list(item_crops(material(), [bare("a")], STRANGE))) == 1


def test_grounds_are_photographs_of_surfaces_where_a_source_has_such(tmp_path: Path) -> None:
    surface, shirt = Photo(tmp_path / "a.png", "a", GROUNDS, "a"), Photo(tmp_path / "b.png", "b", "clothes", "b")
    assert grounds_that_teach(material(strange=[surface, shirt])).paths == (tmp_path / "a.png",)
    drawn = grounds_that_teach(material(strange=[shirt]))
    assert drawn.folder is None
    name, pixels = drawn.ground(np.random.default_rng(0), 64, 48)
    assert (name, pixels.shape) == ("rendered", (48, 64, 3))


def test_features_are_of_known_and_unknown_items() -> None:
    known = [photo(str(i), on_board(RED)) for i in range(3)]
    found = item_features(material(), ENGINE, known, [photo("x", on_board(BLUE))])
    assert found is not None
    assert (found.known.shape, found.unknown.shape) == ((6, 3), (2, 3)), "two looks each"
    assert found.in_words == "3 training items and 1 strange ones as a station shows them"
    assert item_features(material(), ENGINE, [bare("a")], known) is None


def test_every_look_is_asked_about_in_order() -> None:
    crops = list(item_crops(material(), [photo("a", on_board(RED)), photo("b", on_board(BLUE))], TAUGHT))
    answers = ask_looks(material(), ENGINE, crops, range(len(LOOKS)))
    assert answers is not None
    red = answers.features[:, 0] - answers.features[:, 2]
    assert (red[: len(LOOKS)] > 0).all()
    assert (red[len(LOOKS) :] < 0).all()
    assert ask_looks(material(), ENGINE, [], range(2)) is None


@pytest.mark.parametrize("share", [0.5, 0.75, 1.0])
def test_the_threshold_keeps_the_wanted_share_of_items(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_LEAST_ITEMS", 4)
    photos = [photo(str(red), on_board((red, 40, 40))) for red in (120, 150, 180, 210)]
    place, scorer = material(photos), Scorer("max_logit")
    recipe = ExportRecipe("static_wi8_ai8", known_share=share)
    pictures = Outputs(np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32)), None
    threshold, words = scoring._known_threshold(place, ENGINE, scorer, recipe, pictures)
    looks = ask_looks(place, ENGINE, item_crops(place, photos, scoring.VALIDATED), range(len(LOOKS)))
    assert looks is not None
    means = scorer(*looks).reshape(20, len(LOOKS)).mean(axis=1)
    assert (means >= threshold).mean() >= share
    assert (means > threshold + 1e-3).mean() <= share, "and no lower than that"
    assert "20 scenes of these pictures' items" in words


def test_a_few_items_set_no_threshold() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(4, 3)
    told: list[str] = []
    place = replace(material([photo("a", on_board(RED)), bare("b")]), step=told.append)
    recipe = ExportRecipe("static_wi8_ai8", known_share=0.5)
    found = scoring._known_threshold(place, ENGINE, Scorer("max_logit"), recipe, (Outputs(logits, logits), None))
    assert found == (6.5, "")
    assert "only 1 of 2 items could be cut out, 30 are needed" in told[-1]


def test_where_whole_views_are_shown_pictures_set_the_threshold() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(4, 3)
    recipe = ExportRecipe("static_wi8_ai8", known_share=0.5)
    found = scoring._known_threshold(
        material(kind="picture"), ENGINE, Scorer("max_logit"), recipe, (Outputs(logits, logits), None)
    )
    assert found == (6.5, "")


@pytest.mark.parametrize(("wanted", "kind", "asked"), [(True, "item", 1), (False, "item", 0), (True, "picture", 0)])
def test_a_score_learns_from_items_where_they_are_shown_and_wanted(
    wanted: bool, kind: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(known_score, "item_features", lambda *_: calls.append(1))
    monkeypatch.setattr(known_score, "stratified", lambda *_, **__: [])
    predictor = known_score._Predictor(material(kind=kind), ENGINE, None, wanted)
    assert predictor.items() is None
    assert predictor.items() is None
    assert len(calls) == asked, "asked once, also where there are none"
