"""How many looks an item gets."""

from __future__ import annotations

import inspect

import pytest

from waste_edge.cli import rehearse
from waste_edge.device.vision.inspection import BUDGET_MS, USUAL_LOOKS, looks_that_fit
from waste_edge.imaging.preprocess import View
from waste_edge.item import LOOKS, count_looks


@pytest.mark.parametrize(("look_ms", "looks"), [(0.0, 8), (10.0, 8), (40.0, 7), (149.0, 2), (2000.0, 1)])
def test_as_many_as_fit_into_the_budget(look_ms: float, looks: int) -> None:
    assert looks_that_fit(look_ms) == looks
    assert looks == 1 or looks * look_ms <= BUDGET_MS


def test_no_more_than_differ_from_one_another() -> None:
    kept = count_looks(View(kind="item", surround="keep"))
    assert (looks_that_fit(1.0, "auto", kept), looks_that_fit(1.0, "auto", count_looks(View()))) == (4, 2)


def test_a_number_that_was_asked_for_is_taken() -> None:
    assert looks_that_fit(500.0, 12, 4) == 12


def test_the_usual_ones_are_all_that_differ_and_what_a_rehearsal_takes() -> None:
    assert USUAL_LOOKS == len(LOOKS) == count_looks(View(kind="item", surround="plain"))
    assert inspect.signature(rehearse.command).parameters["looks"].default == USUAL_LOOKS
