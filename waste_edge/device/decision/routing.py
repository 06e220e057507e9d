"""The arithmetic of deciding (`policy.py`): from probabilities of labels to the choice of least expected cost.

Bayes' decision rule with a cost matrix: choose what has the least expected cost under the probabilities
(Charles Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001, section 1). It asks for calibrated
probabilities, which a bundle's temperature gives, and needs no retraining when costs or streams change.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waste_edge.site import ASK, Site

Values = NDArray[np.float64]

_DIGITS = 9  # probabilities are rounded to these, so that the order in which labels are summed never decides
_TIE = 1e-8  # costs that differ by less are equal


def expected_costs(shares: Values, costs: Values) -> Values:
    """Compute the expected cost of each choice.

    Args:
        shares: (S,) probability that the item belongs to each stream; sums to 1.
        costs: (S, K) cost of each choice for what belongs to each stream.

    Returns:
        (K,) expected costs.
    """
    return np.asarray(shares @ costs, np.float64)


@dataclass(frozen=True, eq=False)
class Choice:
    """Cheapest choice.

    Attributes:
        name: a stream, or `ask`.
        costs: (K,) expected cost of every choice.
        unsure: no stream reached the threshold, so only the residual stream and `ask` were left to choose.
    """

    name: str
    costs: Values
    unsure: bool


@dataclass(frozen=True, eq=False)
class Routing:
    """A site's streams and costs as arrays; `routing_of` makes it.

    Attributes:
        streams: those that labels belong to, sorted, so that the labels' order does not matter.
        choices: the streams, the residual stream if no label belongs to it, and `ask` if the site allows it.
        residual: the stream for what is unknown or unsure.
        min_confidence: least probability of the likeliest stream.
        membership: (labels, streams), 1 where a label belongs to a stream.
        costs: (streams, choices), see `Site.cost`.
    """

    streams: tuple[str, ...]
    choices: tuple[str, ...]
    residual: str
    min_confidence: float
    membership: Values
    costs: Values

    def shares(self, probabilities: Values) -> Values:
        """Probability (S,) that an item belongs to each stream: the sum over the stream's labels."""
        return np.round(probabilities @ self.membership, _DIGITS).clip(0.0, 1.0)

    def choose(self, shares: Values) -> Choice:
        """The choice of least expected cost; of equally cheap ones the likeliest stream, and `ask` last."""
        costs = expected_costs(shares, self.costs)
        unsure = float(shares.max()) < self.min_confidence
        if unsure:
            allowed = [index for index, name in enumerate(self.choices) if name in (self.residual, ASK)]
        else:
            allowed = list(range(len(self.choices)))
        least = min(costs[index] for index in allowed)
        cheapest = [index for index in allowed if costs[index] <= least + _TIE]
        share = dict(enumerate(shares.tolist()))  # choices begin with the streams
        best = max(cheapest, key=lambda index: share.get(index, -1.0))
        return Choice(self.choices[best], costs, unsure)


def routing_of(site: Site, labels: Sequence[str], tree: Mapping[str, str], min_confidence: float) -> Routing:
    """Convert a site to arrays.

    Args:
        site: must cover the labels.
        labels: in the model's order.
        tree: the model's label tree, child to parent.
        min_confidence: the bundle's; the site's own goes before it.
    """
    threshold = min_confidence if site.min_confidence is None else site.min_confidence
    stream_of = [site.stream_of(label, tree) for label in labels]
    streams = tuple(sorted(set(stream_of)))
    places = streams if site.residual in streams else (*streams, site.residual)
    asking = [] if site.ask is None else [site.ask]
    costs = [[site.cost(belongs, put, threshold) for put in places] + asking for belongs in streams]
    return Routing(
        streams=streams,
        choices=places if site.ask is None else (*places, ASK),
        residual=site.residual,
        min_confidence=threshold,
        membership=np.array([[float(stream == own) for stream in streams] for own in stream_of]),
        costs=np.array(costs, np.float64),
    )


@dataclass(frozen=True)
class Part:
    """Part of a mixture of two streams: the choice where the first one's share lies between `low` and `high`."""

    low: float
    high: float
    choice: str


def mixture(routing: Routing, first: int, second: int) -> list[Part]:
    """List the choices for an item that belongs to stream `first` or `second`, over every share of the first.

    Exact: in such a mixture each cost is a straight line, so the choice changes only where two lines cross
    or a threshold lies.
    """
    ends = routing.costs[[second, first]]  # (2, K): at a share of 0, and of 1
    steps = ends[1] - ends[0]
    cuts = {0.0, 1.0, routing.min_confidence, 1.0 - routing.min_confidence}
    for one in range(len(routing.choices)):
        for other in range(one):
            if steps[one] != steps[other]:
                cuts.add(float((ends[0, other] - ends[0, one]) / (steps[one] - steps[other])))
    borders = sorted({round(cut, _DIGITS) for cut in cuts if 0.0 <= cut <= 1.0})
    parts: list[Part] = []
    for low, high in itertools.pairwise(borders):
        choice = routing.choose(shares_of(routing, {first: (low + high) / 2, second: 1 - (low + high) / 2})).name
        if parts and parts[-1].choice == choice:
            low = parts.pop().low
        parts.append(Part(low, high, choice))
    return parts


def shares_of(routing: Routing, given: Mapping[int, float]) -> Values:
    """Shares (S,) of which only some are not 0."""
    shares = np.zeros(len(routing.streams))
    shares[list(given)] = list(given.values())
    return shares
