import math
from collections import defaultdict

import numpy as np
import pytest

from waste_edge.errors import DataError
from waste_edge.export.quantization.ranges import _relative_entropy, choose_range, find_ranges
from waste_edge.export.recipe import ExportRecipe, RangeMethod

MINMAX = ExportRecipe(name="static_wi8_ai8")
PERCENTILE = ExportRecipe(name="static_wi8_ai8_percentile", ranges="percentile", percentile=99.0)
MSE = ExportRecipe(name="static_wi8_ai8_mse", ranges="mse")
ENTROPY = ExportRecipe(name="static_wi8_ai8_entropy", ranges="entropy")


def pictures() -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(0)
    normal = [generator.normal(0, 1, 5000).astype(np.float32) for _ in range(4)]
    normal[2][7] = 40.0  # one value far out, in the third of four pictures
    return [{"signed": values, "rectified": np.abs(values), "dead": np.zeros(3, np.float32)} for values in normal]


def test_minmax_keeps_every_value_whatever_the_order() -> None:
    given = pictures()
    found = find_ranges(lambda: given, MINMAX)
    assert found["signed"] == (min(float(one["signed"].min()) for one in given), 40.0)
    assert found["rectified"] == (0.0, 40.0), "zero is always representable"
    assert found["dead"] == (0.0, 0.0)
    assert find_ranges(lambda: reversed(given), MINMAX) == found, "a moving average would differ"


def test_percentile_cuts_its_share_at_each_end() -> None:
    given = pictures()
    low, high = find_ranges(lambda: given, PERCENTILE)["signed"]
    values = np.concatenate([one["signed"] for one in given])
    assert low == pytest.approx(np.quantile(values, 0.01), abs=0.05)
    assert high == pytest.approx(np.quantile(values, 0.99), abs=0.05)
    assert find_ranges(lambda: given, PERCENTILE)["dead"] == (0.0, 0.0)


def test_mse_has_less_error_than_minmax_and_than_its_neighbours() -> None:
    given = [{"x": np.abs(np.random.default_rng(1).standard_t(4, 60_000)).astype(np.float32)}]
    values = given[0]["x"].astype(np.float64)

    def error(high: float) -> float:
        step = high / 255
        return float(((np.clip(np.round(values / step), 0, 255) * step - values) ** 2).mean())

    low, high = find_ranges(lambda: given, MSE)["x"]
    assert low == 0.0
    assert high < values.max()
    assert error(high) < error(float(values.max()))
    assert error(high) <= min(error(high * 1.1), error(high * 0.9))


def test_entropy_gives_up_a_value_far_out_and_a_dead_tensor_stays_dead() -> None:
    found = find_ranges(pictures, ENTROPY)
    low, high = found["signed"]
    assert -4.1 < low < -2.0
    assert 11.9 < high < 13.0, "nearly as far as the search goes"
    assert found["dead"] == (0.0, 0.0)


def test_entropy_does_not_count_zeros_which_every_range_represents_exactly() -> None:
    values = np.abs(np.random.default_rng(2).standard_t(3, 50_000)) + 0.1
    counts = np.histogram(values, 2048, (0.0, float(values.max())))[0].astype(np.int64)
    rectified = counts.copy()
    rectified[0] += 10_000_000
    extremes = (0.0, float(values.max()))
    assert choose_range(rectified, extremes, "entropy", 99.9) == choose_range(counts, extremes, "entropy", 99.9)
    assert choose_range(counts, extremes, "entropy", 99.9)[1] < extremes[1]


@pytest.mark.parametrize("candidate", [(-4.0, 8.0), (-2.0, 5.0), (-3.9, 3.0)])
def test_relative_entropy_is_that_of_the_definition(candidate: tuple[float, float]) -> None:
    bins, counts = 1200, np.random.default_rng(3).integers(1, 50, 1200)
    centres = -4.0 + (np.arange(bins) + 0.5) * 12 / bins
    step = (candidate[1] - candidate[0]) / 255
    inside = [i for i in range(bins) if candidate[0] <= centres[i] <= candidate[1]]
    p = {i: float(counts[i]) if i not in (399, 400) else 0.0 for i in inside}  # the bins either side of zero
    members = defaultdict(list)
    for i in (i for i in inside if p[i]):
        members[min(255, max(0, round(centres[i] / step) + round(-candidate[0] / step)))].append(i)
    q = {i: sum(p[j] for j in level) / len(level) for level in members.values() for i in level}
    p[inside[0]] += sum(counts[: inside[0]])
    p[inside[-1]] += sum(counts[inside[-1] + 1 :])
    total, spread = sum(p.values()), sum(q.values())
    expected = sum(p[i] / total * math.log(p[i] / total * spread / q[i]) for i in q)
    assert _relative_entropy(centres, counts, candidate) == pytest.approx(expected)


@pytest.mark.parametrize("method", ["mse", "entropy"])
def test_what_fits_exactly_is_not_cut(method: RangeMethod) -> None:
    counts = np.zeros(2048, np.int64)
    counts[[0, -1]] = 1000, 1000  # ReLU6: much at zero and much at the cap
    assert choose_range(counts, (0.0, 6.0), method, 99.9) == (0.0, 6.0)
    assert choose_range(counts + 1, (0.0, 6.0), method, 99.9) == (0.0, 6.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_refused_by_name(bad: float) -> None:
    with pytest.raises(DataError, match="calibration: conv becomes NaN or infinite"):
        find_ranges(lambda: [{"conv": np.array([0.0, bad, 1.0], np.float32)}], MINMAX)
