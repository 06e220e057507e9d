"""From an item's predictions to a decision and its reason."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.errors import ConfigError
from waste_edge.site import Site

STREAMS = {"glass": "green", "paper": "blue", "metal": "blue"}
APART = {"glass": "green", "paper": "blue", "metal": "yellow"}


def site_with(**changes: object) -> Site:
    return Site(**({"name": "here", "residual": "black", "streams": STREAMS} | changes))  # type: ignore[arg-type]


@pytest.fixture
def decide(manifest, answer):
    """Decide one item from its probabilities in the order glass, paper, metal."""

    def from_probabilities(probabilities, known_score: float = 5.0, **changes) -> Decision:
        return DecisionPolicy(manifest, site_with(**changes)).decide([answer(probabilities, known_score)])

    return from_probabilities


def test_the_mean_decides_not_the_last_frame(manifest, answer):
    seen = [answer([0.9, 0.05, 0.05]), answer([0.9, 0.05, 0.05]), answer([0.2, 0.8, 0.0])]
    decision = DecisionPolicy(manifest, site_with()).decide(seen)
    assert (decision.stream, decision.label, decision.action) == ("green", "glass", "sort")
    assert decision.reason == "mean of 3 looks; next best paper 30%"
    assert decision.confidence == pytest.approx(2 / 3)
    assert decision.stream_probability == pytest.approx(2 / 3)
    assert decision.expected_cost == pytest.approx(1 / 3)


def test_an_unsure_item_goes_to_the_residual_stream_and_says_between_what(decide):
    decision = decide([0.45, 0.4, 0.15], streams=APART)
    assert (decision.stream, decision.label, decision.action) == ("black", "unknown", "residual")
    assert decision.reason == "unsure: green 45% (glass) or blue 40% (paper); at least 50% is asked for"
    assert (decision.confidence, decision.stream_probability, decision.expected_cost) == (0.45, None, 0.5)


def test_two_labels_of_one_stream_are_sure_together(decide):
    decision = decide([0.04, 0.52, 0.44])
    assert (decision.stream, decision.label, decision.action) == ("blue", "paper", "sort")
    assert decision.reason == "one look; paper 52%, metal 44%: both go to blue"
    assert decision.stream_probability == pytest.approx(0.96)


def test_a_stream_that_is_likeliest_only_in_all_says_so_and_names_its_own_label(decide):
    decision = decide([0.4, 0.35, 0.25])
    assert (decision.stream, decision.label, decision.confidence) == ("blue", "paper", 0.35)
    assert decision.reason == "one look; blue 60% in all (paper 35%, metal 25%); next best green 40%"


@pytest.mark.parametrize(("asked", "label"), [(0.95, "unknown"), (0.2, "paper"), (None, "paper")])
def test_the_sites_confidence_overrides_the_bundles(decide, asked, label):
    assert decide([0.3, 0.6, 0.1], min_confidence=asked, streams=APART).label == label


def test_exactly_the_threshold_is_enough(decide):
    assert decide([0.6, 0.3, 0.1], min_confidence=0.6).stream == "green"
    assert decide([0.59, 0.31, 0.1], min_confidence=0.6).stream == "black"


def test_what_is_like_no_label_is_unknown_however_confident(decide):
    decision = decide([0.99, 0.01, 0.0], known_score=0.25, ask=0.0)
    assert (decision.stream, decision.label, decision.action) == ("black", "unknown", "residual")
    assert "like none of the known labels (glass comes nearest)" in decision.reason
    assert decision.expected_cost is None, "nobody knows what the unknown costs"


def test_a_dear_mistake_sends_the_likeliest_stream_away_and_says_why(decide):
    decision = decide([0.61, 0.39, 0.0], costs={"blue": {"green": 5.0, "black": 0.3}, "green": {"black": 0.3}})
    assert (decision.stream, decision.label, decision.action) == ("black", "glass", "residual")
    assert decision.reason == "green 61%, but blue put into green costs 5: black is expected to cost 0.3, green 1.95"
    assert decision.expected_cost == pytest.approx(0.3)


def test_a_dear_mistake_may_choose_the_less_likely_stream(decide):
    decision = decide([0.61, 0.39, 0.0], min_confidence=0.0, costs={"blue": {"green": 3.0}})
    assert (decision.stream, decision.label, decision.action) == ("blue", "glass", "sort")
    assert decision.reason == "green 61%, but blue put into green costs 3: blue is expected to cost 0.61, green 1.17"
    assert decision.stream_probability == pytest.approx(0.39)


@pytest.mark.parametrize(
    ("probabilities", "action", "reason"),
    [
        ([0.9, 0.1, 0.0], "sort", "one look; next best paper 10%"),
        (
            [0.7, 0.3, 0.0],
            "ask",
            "asks: green 70% (glass) or blue 30% (paper); asking costs 0.2, green is expected to cost 0.3",
        ),
        (
            [0.45, 0.4, 0.15],
            "ask",
            "asks: green 45% (glass) or blue 40% (paper), at least 50% is asked for; "
            "asking costs 0.2, black is expected to cost 0.5",
        ),
    ],
)
def test_a_person_is_asked_where_that_is_cheaper(decide, probabilities, action, reason):
    decision = decide(probabilities, ask=0.2, streams=APART)
    assert (decision.action, decision.reason) == (action, reason)
    assert decision.stream == ("green" if action == "sort" else "ask")


def test_an_unsure_item_is_not_asked_about_if_the_residual_stream_is_cheaper(decide):
    assert decide([0.45, 0.4, 0.15], ask=0.6, streams=APART).action == "residual"


def test_a_residual_stream_with_labels_of_its_own_is_a_stream_like_any_other(decide):
    streams = {"glass": "green", "paper": "blue", "metal": "black"}
    likely, spared = decide([0.1, 0.1, 0.8], streams=streams), decide([0.4, 0.3, 0.3], streams=streams)
    assert (likely.stream, likely.label, likely.action) == ("black", "metal", "sort")
    assert (spared.stream, spared.label, spared.action) == ("black", "unknown", "residual")
    assert spared.stream_probability == pytest.approx(0.3)


def test_one_stream_for_everything_needs_no_second_one(decide):
    decision = decide([0.4, 0.35, 0.25], streams=dict.fromkeys(STREAMS, "blue"))
    assert (decision.stream, decision.expected_cost) == ("blue", 0.0)
    assert decision.reason == "one look; blue 100% in all (glass 40%, paper 35%, metal 25%)"


def test_a_parent_in_the_label_tree_can_name_the_stream(manifest, answer):
    manifest.tree = {"glass": "container", "metal": "container"}
    policy = DecisionPolicy(manifest, site_with(streams={"container": "yellow", "paper": "blue"}))
    assert policy.decide([answer([1.0, 0.0, 0.0])]).stream == "yellow"


def test_a_site_changes_the_taxonomy_of_a_model_by_groups(decide):
    groups = {"rots": ["paper"], "lasts": ["glass", "metal"]}
    decision = decide([0.3, 0.4, 0.3], groups=groups, streams={"rots": "brown", "lasts": "grey"})
    assert (decision.stream, decision.label) == ("grey", "glass")


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ({"glass": "green", "paper": "blue"}, "site 'here' has no stream for metal"),
        (STREAMS | {"wood": "brown"}, "site 'here' maps wood, which the model does not know"),
    ],
)
def test_a_site_that_does_not_fit_the_model_is_refused(manifest, streams, message):
    with pytest.raises(ConfigError, match=message):
        DecisionPolicy(manifest, site_with(streams=streams))


def test_without_costs_the_likeliest_stream_wins_or_the_residual_below_the_threshold(manifest, answer):
    policy = DecisionPolicy(manifest, site_with(streams=APART))
    for probabilities in np.random.default_rng(1).dirichlet([1, 1, 1], 300):
        best = int(probabilities.argmax())
        expected = list(APART.values())[best] if probabilities[best] >= 0.5 else "black"
        assert policy.decide([answer(probabilities)]).stream == expected, probabilities


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence": 1.2}, "confidence from 0 to 1"),
        ({"stream": ""}, "needs a stream"),
        ({"stream_probability": 1.5}, "probability is 0 to 1"),
        ({"expected_cost": -0.1}, "never negative"),
        ({"expected_cost": float("nan")}, "never negative"),
    ],
)
def test_impossible_decisions_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Decision(**{"stream": "green", "label": "glass", "confidence": 0.9, "reason": ""} | changes)


def test_a_manifest_is_not_changed_by_a_site(manifest: SimpleNamespace):
    assert DecisionPolicy(manifest, site_with(min_confidence=0.9)).routing.min_confidence == 0.9
    assert manifest.calibration.min_confidence == 0.5
