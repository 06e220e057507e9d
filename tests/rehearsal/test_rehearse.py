"""Whole rehearsals with a station that names colours: what it gets right, and what is counted against it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.rehearsal.conftest import COLOURS, coloured
from waste_edge.errors import DataError
from waste_edge.files.strict import to_json
from waste_edge.rehearsal.items import ItemCandidate, choose
from waste_edge.rehearsal.page import page_of
from waste_edge.rehearsal.rehearse import FilmPlan, RehearsedStation, rehearse_composed


def test_every_item_is_decided_once_and_named_by_its_colour(station: RehearsedStation, plan: FilmPlan) -> None:
    report = rehearse_composed(station, plan).report
    assert (report.missed, report.doubled, report.extra) == (0, 0, 0)
    assert report.known is not None
    assert report.unknown is not None
    assert (report.known.items, report.unknown.items) == (6, 2)
    assert report.known.label_right.value == 1.0
    assert report.known.sorted_wrong.value == 0.0
    assert report.known.mean_cost == 0.0
    assert report.unknown.kept_out.value == 1.0
    assert report.median_box_overlap is not None
    assert report.median_box_overlap > 0.85
    assert report.material.films == 2
    assert report.material.untrusted_frames == 0


def test_a_seed_repeats_it_to_the_bit_and_another_does_not(station: RehearsedStation, plan: FilmPlan) -> None:
    first, second = (rehearse_composed(station, plan) for _ in range(2))
    assert to_json(first.report) == to_json(second.report)
    assert first.thumbnails == second.thumbnails
    other = rehearse_composed(station, replace(plan, seed=4))
    assert other.thumbnails != first.thumbnails


def test_wrong_ones_are_counted_and_come_first(station: RehearsedStation, plan: FilmPlan) -> None:
    disguised = coloured("red", COLOURS["green"], 2)  # red by its label, green to look at
    report = rehearse_composed(station, replace(plan, known=[*disguised, *coloured("blue", COLOURS["blue"], 4)])).report
    assert report.known is not None
    assert report.known.sorted_wrong.value == pytest.approx(1 / 3, abs=1e-3)
    assert report.known.label_right.value == pytest.approx(2 / 3, abs=1e-3)
    assert report.known.mean_cost == pytest.approx(1 / 3, abs=1e-3)
    assert [outcome.sorted_wrong for outcome in report.outcomes[:3]] == [True, True, False]
    red = next(tally for tally in report.labels if tally.label == "red")
    assert red.called == {"green": 2}
    assert red.groups == 1


def test_the_page_shows_every_item_and_needs_nothing_else(station: RehearsedStation, plan: FilmPlan) -> None:
    page = page_of(rehearse_composed(station, plan))
    assert page.count('class="item ') == 8
    assert page.count("data:image/jpeg;base64,") == 8
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_names_from_outside_are_escaped_on_the_page(station: RehearsedStation, plan: FilmPlan) -> None:
    sprite = plan.known[0].draw
    evil = ItemCandidate("blue", "g", '<img src="x">', sprite)
    page = page_of(rehearse_composed(station, replace(plan, known=[evil], items=1, unknown_items=0)))
    assert "<img src=" not in page
    assert "&lt;img src=&quot;x&quot;&gt;" in page


def test_pictures_that_cannot_be_cut_out_are_counted_and_all_of_them_refused(plan: FilmPlan) -> None:
    import numpy as np

    broken = [ItemCandidate("red", "g", f"{n}", lambda: None) for n in range(5)]
    things, refused = choose([*broken, *plan.known], 12, np.random.default_rng(0))
    assert len(things) == 12
    assert refused <= 5
    with pytest.raises(DataError, match="none of 5 pictures"):
        choose(broken, 1, np.random.default_rng(0))
