"""The comparison of `train` with a bare loop, in miniature: what it measures, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.loop.test_checkpoint import TINY
from waste_edge.errors import UserError
from waste_edge.training.loop.step_time import Throughput, compare_with_bare, in_words
from waste_edge.training.recipe import read_recipe


@pytest.fixture(scope="module")
def found(colour_photos: Path) -> Throughput:
    return compare_with_bare(TINY, colour_photos, 2, 16, "a command")


def test_both_loops_are_timed_on_the_same_views(found: Throughput) -> None:
    assert found.recipe == TINY.name
    assert found.rounds == 2
    assert 0 < found.pictures <= 16 + 60 * 3
    for rate in (found.train, found.bare, found.decode, found.views, found.step):
        assert rate.per_s > 0
        assert rate.per_cpu_s > 0
    assert 0.05 < found.ratio < 20


def test_it_is_told_in_lines(found: Throughput) -> None:
    lines = list(in_words(found))
    assert lines[0].startswith(f"{TINY.name}, batches of {TINY.trained.batch_size}, ")
    assert [line.split()[0] for line in lines[1:6]] == ["train", "bare", "decode", "views", "step"]
    assert lines[-1].startswith(f"train to bare: {found.ratio:.3f} by wall time")


def test_a_recipe_with_a_stock_is_refused(colour_photos: Path) -> None:
    with pytest.raises(UserError, match="without a stock"):
        compare_with_bare(read_recipe("student_small_item"), colour_photos, 1, 8, "")
