"""Decides an item's stream from what was predicted of it, and says why: `DecisionPolicy`.

The arithmetic of the least expected cost is in `routing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.manifest import Manifest
from waste_edge.device.decision.answer import Candidate, Choices
from waste_edge.device.decision.routing import Choice, routing_of
from waste_edge.device.vision.inspection import Visibility
from waste_edge.engines.classifier import Prediction
from waste_edge.site import ASK, Site
from waste_edge.taxonomy import UNKNOWN

Action = Literal["sort", "residual", "ask"]
_TOLD = (Visibility.WELL, Visibility.PARTLY)
MOST_CANDIDATES = 5
LEAST_CANDIDATE = 0.01  # probability of a label that is worth offering
WORTH_NAMING = 0.05  # a second label of the same stream is named from this probability on


@dataclass(frozen=True)
class Decision:
    """Decision on one item.

    Attributes:
        stream: where it goes; `ask` if a person is asked.
        label: the most probable label of the likeliest stream, or "unknown" if the item is unknown or unsure.
        confidence: that label's mean calibrated probability, 0 to 1; of "unknown" the most probable label's.
        reason: one sentence for people.
        action: `sort` into a stream for its likeliest contents, `residual` for want of a better one, or `ask`.
        stream_probability: that the item belongs to `stream`; None if no label does, and for the unknown.
        expected_cost: of this decision, in the site's costs; None for the unknown, whose costs nobody knows.
    """

    stream: str
    label: str
    confidence: float
    reason: str
    action: Action = "sort"
    stream_probability: float | None = None
    expected_cost: float | None = None

    def __post_init__(self) -> None:
        if not self.stream or not self.label or not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"a decision needs a stream, a label and a confidence from 0 to 1, got {self}")
        if self.stream_probability is not None and not 0.0 <= self.stream_probability <= 1.0:
            raise ValueError(f"a stream's probability is 0 to 1, got {self}")
        if self.expected_cost is not None and not self.expected_cost >= 0.0:
            raise ValueError(f"an expected cost is never negative, got {self}")


@dataclass(frozen=True, eq=False)
class _Seen:
    """An item's predictions, averaged.

    Attributes:
        probabilities: (C,) by label.
        shares: (S,) by stream.
        best: index of the most probable label.
        likeliest: index of the most probable stream.
        named: index of that stream's most probable label.
        known_score, looks: mean score, and how many predictions.
    """

    probabilities: NDArray[np.float64]
    shares: NDArray[np.float64]
    best: int
    likeliest: int
    named: int
    known_score: float
    looks: int


class DecisionPolicy:
    """Decides by a bundle's calibration and a site's streams and costs.

    First what is like none of the labels is sent to the residual stream: its probabilities mean nothing. Then,
    if no stream reaches `min_confidence`, the residual stream and `ask` are left, else every stream too; the
    least expected cost decides. The threshold is held against the stream's probability, not the label's: paper
    or cardboard is all the same to a bin that takes both.
    """

    def __init__(self, manifest: Manifest, site: Site) -> None:
        """Check that the site knows the bundle's labels.

        Raises:
            ConfigError: a label has no stream, or the site names what the model does not know.
        """
        site.check_covers(manifest.labels, manifest.tree)
        self.site = site
        self._labels: Sequence[str] = manifest.labels
        self._stream_of = [site.stream_of(label, manifest.tree) for label in manifest.labels]
        self._min_known_score = manifest.calibration.min_known_score
        self.routing = routing_of(site, manifest.labels, manifest.tree, manifest.calibration.min_confidence)

    def needs_answers(self, visibility: Visibility) -> bool:
        """Return whether an item seen so is decided by the network at all."""
        return visibility in _TOLD or (visibility is Visibility.SEVERAL and self.site.on_several == "largest")

    def decide_seen(self, predictions: Sequence[Prediction], visibility: Visibility, parts: int) -> Decision:
        """One decision, with what could be seen of the item in its reason.

        Args:
            predictions: of the network; none where `needs_answers` says so.
            visibility: how well the item is seen.
            parts: how many things lie apart.
        """
        if visibility is Visibility.SMALL:
            return self._without_network("too small in the picture to be told; move the camera nearer", self._asks)
        if visibility is Visibility.SEVERAL:
            if self.site.on_several != "largest":
                return self._without_network(f"{parts} things lie apart; put in one at a time", self.site.on_several)
            return self._noted(self.decide(predictions), f"the largest of {parts} things that lie apart")
        decision = self.decide(predictions)
        return self._noted(decision, "only partly in view") if visibility is Visibility.PARTLY else decision

    @property
    def _asks(self) -> Literal["ask", "residual"]:
        """Action on items that cannot be told: a person, where the site has one."""
        return "residual" if self.site.ask is None else "ask"

    def _without_network(self, reason: str, action: Literal["ask", "residual"]) -> Decision:
        stream = ASK if action == "ask" else self.site.residual
        return Decision(stream, UNKNOWN, 0.0, reason, action)

    @staticmethod
    def _noted(decision: Decision, note: str) -> Decision:
        return replace(decision, reason=f"{note}; {decision.reason}")

    def decide(self, predictions: Sequence[Prediction]) -> Decision:
        """One decision from all predictions of an item, at least one: their mean, not the last one's word."""
        seen = self._average(predictions)
        if seen.known_score < self._min_known_score:
            confidence = min(1.0, float(seen.probabilities[seen.best]))
            return Decision(self.site.residual, UNKNOWN, confidence, self._why_unknown(seen), "residual")
        choice = self.routing.choose(seen.shares)
        index = seen.best if choice.unsure else seen.named
        own = dict(zip(self.routing.streams, seen.shares.tolist(), strict=True))
        return Decision(
            stream=choice.name,
            label=UNKNOWN if choice.unsure else self._labels[index],
            confidence=min(1.0, float(seen.probabilities[index])),  # a mean of ones may exceed one by a rounding
            reason=self._why(seen, choice),
            action=self._action(seen, choice),
            stream_probability=own.get(choice.name),
            expected_cost=max(0.0, float(choice.costs[self.routing.choices.index(choice.name)])),
        )

    def expected_costs(self, predictions: Sequence[Prediction]) -> dict[str, float] | None:
        """Compute what each choice, a stream or `ask`, is expected to cost for an item of these predictions.

        None for an item like none of the labels: nobody knows what it costs.
        """
        seen = self._average(predictions)
        if seen.known_score < self._min_known_score:
            return None
        costs = self.routing.choose(seen.shares).costs
        return {name: max(0.0, float(cost)) for name, cost in zip(self.routing.choices, costs, strict=True)}

    def candidates(self, predictions: Sequence[Prediction]) -> tuple[Candidate, ...]:
        """The likeliest labels of an item, best first, at most 5, each with at least 1 %; none without predictions."""
        if not predictions:
            return ()
        means = np.mean([prediction.probabilities for prediction in predictions], axis=0)
        order = [int(index) for index in np.argsort(-means, kind="stable")[:MOST_CANDIDATES]]
        return tuple(
            Candidate(self._labels[index], self._stream_of[index], min(1.0, round(float(means[index]), 4)))
            for index in order
            if means[index] >= LEAST_CANDIDATE
        )

    def choices(self) -> Choices:
        """The possible answers of a person: every label with its stream, and the residual stream."""
        return Choices(dict(zip(self._labels, self._stream_of, strict=True)), self.site.residual)

    def _average(self, predictions: Sequence[Prediction]) -> _Seen:
        probabilities = np.mean([prediction.probabilities for prediction in predictions], axis=0)
        shares = self.routing.shares(probabilities)
        likeliest = int(shares.argmax())
        return _Seen(
            probabilities=probabilities,
            shares=shares,
            best=int(probabilities.argmax()),
            likeliest=likeliest,
            named=self._top_label(probabilities, likeliest),
            known_score=float(np.mean([prediction.known_score for prediction in predictions])),
            looks=len(predictions),
        )

    def _action(self, seen: _Seen, choice: Choice) -> Action:
        """A residual stream that is the likeliest one, for the sake of its own labels, is a stream like any other."""
        if choice.name == ASK:
            return "ask"
        spared = choice.name == self.site.residual != self.routing.streams[seen.likeliest]
        return "residual" if choice.unsure or spared else "sort"

    def _why(self, seen: _Seen, choice: Choice) -> str:
        if choice.name == ASK:
            return self._why_asked(seen, choice)
        if choice.unsure:
            return f"unsure: {self._between(seen)}; {self._asked_for()}"
        if choice.name != self.routing.streams[seen.likeliest]:
            return self._why_dearer(seen, choice)
        return f"{_looks(seen.looks)}; {self._why_likeliest(seen, choice.name)}"

    def _why_unknown(self, seen: _Seen) -> str:
        return (
            f"like none of the known labels ({self._labels[seen.best]} comes nearest): "
            f"known score {seen.known_score:.2f}, at least {self._min_known_score:.2f} is asked for"
        )

    def _why_asked(self, seen: _Seen, choice: Choice) -> str:
        choices = self.routing.choices
        rest = [index for index, name in enumerate(choices) if name != ASK]
        if choice.unsure:
            rest = [choices.index(self.site.residual)]
        cheapest = min(rest, key=lambda index: float(choice.costs[index]))
        short = f", {self._asked_for()}" if choice.unsure else ""
        return (
            f"asks: {self._between(seen)}{short}; asking costs {self.site.ask:.3g}, "
            f"{choices[cheapest]} is expected to cost {choice.costs[cheapest]:.3g}"
        )

    def _why_dearer(self, seen: _Seen, choice: Choice) -> str:
        """The likeliest stream was not taken: name the mistake that makes it dear."""
        streams, costs, likeliest = self.routing.streams, self.routing.costs, seen.likeliest
        risk = int((seen.shares * costs[:, likeliest]).argmax())
        taken = self.routing.choices.index(choice.name)
        return (
            f"{streams[likeliest]} {seen.shares[likeliest]:.0%}, but {streams[risk]} put into {streams[likeliest]} "
            f"costs {costs[risk, likeliest]:g}: {choice.name} is expected to cost {choice.costs[taken]:.3g}, "
            f"{streams[likeliest]} {choice.costs[likeliest]:.3g}"
        )

    def _why_likeliest(self, seen: _Seen, stream: str) -> str:
        """The likeliest stream was taken: for one label, for two, or for what all of its labels come to."""
        values = seen.probabilities
        order = [int(index) for index in np.argsort(-values, kind="stable")]
        own = [index for index in order if self._stream_of[index] == stream and values[index] >= WORTH_NAMING]
        shown = ", ".join(f"{self._labels[index]} {values[index]:.0%}" for index in own)
        if seen.named != seen.best or values[seen.named] < self.routing.min_confidence:
            return f"{stream} {seen.shares[seen.likeliest]:.0%} in all ({shown}){self._next_stream(seen)}"
        if order[1] in own:
            return f"{shown}: {'both' if len(own) == 2 else 'all'} go to {stream}"
        return f"next best {self._labels[order[1]]} {values[order[1]]:.0%}"

    def _next_stream(self, seen: _Seen) -> str:
        order = np.argsort(-seen.shares, kind="stable")
        return f"; next best {self.routing.streams[order[1]]} {seen.shares[order[1]]:.0%}" if len(order) > 1 else ""

    def _between(self, seen: _Seen) -> str:
        """The two likeliest streams, each with its most probable label unless they are called the same."""
        words = []
        for index in np.argsort(-seen.shares, kind="stable")[:2]:
            stream, label = self.routing.streams[index], self._labels[self._top_label(seen.probabilities, int(index))]
            words.append(f"{stream} {seen.shares[index]:.0%}" + (f" ({label})" if label != stream else ""))
        return " or ".join(words)

    def _top_label(self, probabilities: NDArray[np.float64], stream: int) -> int:
        return int(np.where(self.routing.membership[:, stream] > 0, probabilities, -1.0).argmax())

    def _asked_for(self) -> str:
        return f"at least {100 * self.routing.min_confidence:.4g}% is asked for"


def _looks(count: int) -> str:
    return "one look" if count == 1 else f"mean of {count} looks"
