"""The arithmetic of deciding: what must hold for all probabilities and costs."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from waste_edge.device.decision.routing import Routing, expected_costs, mixture, routing_of, shares_of
from waste_edge.site import ASK, Site

LABELS = ["a", "b", "c", "d"]
STREAMS = {"a": "one", "b": "two", "c": "three", "d": "two"}


def routing_with(labels: list[str] = LABELS, min_confidence: float = 0.4, **changes: Any) -> Routing:
    site = Site(**{"name": "s", "residual": "rest", "streams": STREAMS} | changes)
    return routing_of(site, labels, {}, min_confidence)


def many(size: int, count: int = 400, seed: int = 0) -> np.ndarray:
    """Probabilities from nearly certain to nearly even."""
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.dirichlet(np.full(size, alpha), count // 4) for alpha in (0.1, 0.5, 1.0, 5.0)])


def random_costs(seed: int) -> dict[str, dict[str, float]]:
    generator = np.random.default_rng(seed)
    streams = sorted(set(STREAMS.values()))
    return {own: {put: float(generator.uniform(0.1, 6)) for put in [*streams, "rest"] if put != own} for own in streams}


def test_an_example_worked_by_hand():
    costs = np.array([[0.0, 1.0, 0.3], [5.0, 0.0, 0.3]])  # rows: belongs to; columns: two streams and the residual
    np.testing.assert_allclose(expected_costs(np.array([0.61, 0.39]), costs), [1.95, 0.61, 0.3])


def test_a_streams_share_is_the_sum_over_its_labels():
    routing = routing_with()
    assert routing.streams == ("one", "three", "two")
    assert routing.choices == ("one", "three", "two", "rest")
    assert routing.shares(np.array([0.1, 0.3, 0.2, 0.4])).tolist() == [0.1, 0.2, 0.7]


def test_if_all_mistakes_cost_the_same_the_likeliest_is_chosen():
    routing = routing_with(min_confidence=0.0)
    for shares in many(3):
        assert routing.choose(shares).name == routing.streams[int(shares.argmax())]


@pytest.mark.parametrize("threshold", [0.4, 0.5, 0.8])
def test_the_residuals_usual_cost_is_the_threshold_in_other_words(threshold):
    routing = routing_with(min_confidence=threshold)
    by_cost_alone = dataclasses.replace(routing, min_confidence=0.0)
    names = [(routing.choose(shares).name, by_cost_alone.choose(shares).name) for shares in many(3)]
    assert all(one == other for one, other in names)
    assert {one for one, _ in names} == {"one", "two", "three", "rest"}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_cheaper_than_what_is_chosen(seed):
    routing = routing_with(min_confidence=0.0, costs=random_costs(seed), ask=0.4)
    for shares in many(3, seed=seed):
        choice = routing.choose(shares)
        assert choice.costs[routing.choices.index(choice.name)] <= choice.costs.min() + 1e-7


@pytest.mark.parametrize("seed", range(5))
def test_a_dearer_mistake_never_gains_a_stream_items(seed):
    costs = random_costs(seed)
    before = routing_with(min_confidence=0.0, costs=costs)
    dearer = routing_with(min_confidence=0.0, costs=costs | {"one": costs["one"] | {"two": costs["one"]["two"] + 1.5}})
    changed = 0
    for shares in many(3, seed=seed):
        was, now = before.choose(shares).name, dearer.choose(shares).name
        assert now == was or was == "two", "only items that went to two may go elsewhere"
        changed += now != was
    assert changed


@pytest.mark.parametrize("min_confidence", [0.0, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_asks_exactly_when_that_is_cheaper(seed, min_confidence):
    costs = random_costs(seed)
    routing = routing_with(min_confidence=min_confidence, costs=costs, ask=0.5)
    without = routing_with(min_confidence=min_confidence, costs=costs)
    asked = []
    for shares in many(3, seed=seed):
        choice, other = routing.choose(shares), without.choose(shares)
        cheapest = other.costs[without.choices.index(other.name)]
        assert (choice.name == ASK) == (cheapest > 0.5)
        asked.append(choice.name == ASK)
    assert 0 < sum(asked) < len(asked)


def test_the_order_of_labels_does_not_matter():
    costs = random_costs(3)
    for order in itertools.permutations(range(4)):
        labels = [LABELS[index] for index in order]
        one, other = routing_with(costs=costs, ask=0.7), routing_with(labels, costs=costs, ask=0.7)
        for probabilities in [*many(4, 40), np.full(4, 0.25), np.array([0.1, 0.2, 0.4, 0.3])]:
            mine = one.choose(one.shares(probabilities))
            assert mine.name == other.choose(other.shares(probabilities[list(order)])).name


def test_only_the_proportions_of_costs_matter():
    costs = random_costs(4)
    twice = {own: {put: 2 * cost for put, cost in row.items()} for own, row in costs.items()}
    one = routing_with(costs=costs, ask=0.3)
    other = routing_with(costs=twice, ask=0.6)
    assert all(one.choose(shares).name == other.choose(shares).name for shares in many(3))


def test_a_certain_item_goes_where_it_belongs():
    routing = routing_with(costs=random_costs(1), ask=0.05, min_confidence=0.9)
    assert [routing.choose(shares).name for shares in np.eye(3)] == list(routing.streams)


def test_the_unsure_may_only_go_to_the_residual_or_to_a_person():
    routing = routing_with(min_confidence=0.9, ask=0.3)
    choices = [routing.choose(shares) for shares in many(3)]
    assert all(choice.name in ("rest", ASK) for choice in choices if choice.unsure)
    assert any(choice.unsure for choice in choices)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_confidence", [0.0, 0.55, 0.8])
def test_a_mixtures_parts_are_what_would_be_chosen_everywhere_in_it(seed, min_confidence):
    routing = routing_with(costs=random_costs(seed), min_confidence=min_confidence, ask=0.45)
    for first, second in itertools.permutations(range(3), 2):
        parts = mixture(routing, first, second)
        assert (parts[0].low, parts[-1].high) == (0.0, 1.0)
        assert all(one.high == other.low and one.choice != other.choice for one, other in itertools.pairwise(parts))
        for share in np.linspace(0.0013, 0.9987, 211):
            (part,) = [part for part in parts if part.low <= share < part.high]
            assert routing.choose(shares_of(routing, {first: share, second: 1 - share})).name == part.choice


def test_break_even_is_where_elkan_puts_it():
    """Two streams, costs 1 and 4: the dear mistake needs 4 / (1 + 4) of the probability (his equation 2)."""
    site = Site(name="s", residual="y", streams={"a": "x", "b": "y"}, costs={"y": {"x": 4.0}}, min_confidence=0.0)
    parts = mixture(routing_of(site, ["a", "b"], {}, 0.4), 0, 1)
    assert [(part.choice, part.high) for part in parts] == [("y", pytest.approx(0.8)), ("x", 1.0)]
