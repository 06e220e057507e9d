from __future__ import annotations

import numpy as np
import pytest

from waste_edge.benchmarks.scenario import Scenario, make_pictures, rigorous
from waste_edge.errors import ConfigError
from waste_edge.imaging.preprocess import InputSpec

SPEC = InputSpec(width_px=96, height_px=64)


def test_pictures_have_a_photographs_statistics() -> None:
    pictures = make_pictures(SPEC, 8, seed=0)
    assert pictures.shape == (8, 64, 96, 3)
    assert pictures.dtype == np.uint8
    levels = pictures.astype(float)
    neighbours = np.corrcoef(levels[:, :, :-1].ravel(), levels[:, :, 1:].ravel())[0, 1]
    assert neighbours > 0.8, "neighbouring pixels are alike, unlike in white noise"
    assert levels.std() > 30
    assert (levels.reshape(8, -1).std(axis=1) > 5).all()
    assert len({picture.tobytes() for picture in pictures}) == 8


def test_the_seed_decides() -> None:
    assert np.array_equal(make_pictures(SPEC, 2, seed=1), make_pictures(SPEC, 2, seed=1))
    assert not np.array_equal(make_pictures(SPEC, 2, seed=1), make_pictures(SPEC, 2, seed=2))


@pytest.mark.parametrize("changes", [{"seconds": 0.0}, {"seconds": float("nan")}, {"threads": [0]}, {"loads": 0}])
def test_impossible_scenarios_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Scenario(**changes)


def test_a_toy_networks_pictures_are_drawn_larger() -> None:
    pictures = make_pictures(InputSpec(width_px=16, height_px=8), 2, seed=0)
    assert pictures.shape == (2, 8, 16, 3)
    assert pictures.std() > 5


def test_rigorous_is_a_promise() -> None:
    chosen = rigorous()
    assert (chosen.mode, chosen.seconds, chosen.least_samples) == ("rigorous", 60.0, 1024)
    for changes in ({"seconds": 59.0}, {"least_samples": 1000}):
        with pytest.raises(ConfigError, match="a rigorous run takes at least 60 s and 1,024 samples"):
            rigorous(**changes)


def test_cpu_time_is_that_of_one_thread() -> None:
    with pytest.raises(ConfigError, match="CPU time is that of one thread"):
        Scenario(time="cpu", threads=[1, 2])
