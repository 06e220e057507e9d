"""`site.toml`: which stream each label goes to at one station, and what a mistake costs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from waste_edge.errors import ConfigError
from waste_edge.files.resources import SITES, find, shipped
from waste_edge.files.strict import Strict, read_toml
from waste_edge.imaging.preprocess import WHOLE, Region
from waste_edge.taxonomy import check_tree, lineage

ASK = "ask"  # the stream of a decision that asks a person
USUAL_COST = 1.0  # of a wrong stream; all other costs are relative to it
Several = Literal["ask", "residual", "largest"]
MAX_COST = 1000.0  # more is a slip of the pen: it forbids a stream for any doubt at all


class Site(Strict, frozen=True):
    """A `site.toml`: which stream (bin, flap, container) each label goes to at one station.

    Attributes:
        name: for people.
        residual: the stream for what is unknown or unsure.
        streams: label, group, or parent in the model's label tree, to stream; the nearest entry counts.
        region: part of the camera's frame to look at.
        min_confidence: least probability of the likeliest stream; below it an item goes to the residual
            stream. The bundle's own threshold if absent.
        groups: nodes of the site's own, each with its labels, model's nodes or other groups. A group takes
            the place of the parent that its members have in the model's tree.
        costs: `costs[A][B]` is what it costs to put into B what belongs to A; see `cost` for what is left out.
        ask: what it costs to ask a person; without it nobody is asked.
        several: what becomes of things that lie apart: `ask` a person, `residual`, or decide by the `largest`; if
            absent, `ask` where a person can be asked, else `residual`.
        rotate: degrees, clockwise, by which the camera's picture is turned before anything else.
    """

    name: str
    residual: str
    streams: dict[str, str]
    region: Region = WHOLE
    min_confidence: float | None = None
    groups: dict[str, list[str]] = msgspec.field(default_factory=dict)
    costs: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    ask: float | None = None
    several: Several | None = None
    rotate: Literal[0, 90, 180, 270] = 0

    def __post_init__(self) -> None:
        if not self.residual or not self.streams or not all(self.streams.values()):
            raise ValueError("a site needs a residual stream and at least one label in [streams], none empty")
        for word in (self.name, self.residual, *self.streams, *self.streams.values()):
            if not word.isprintable():
                raise ValueError(f"{word!r} holds a character that cannot be printed; name bins in plain words")
        if self.min_confidence is not None and not 0.0 <= self.min_confidence < 1.0:
            raise ValueError(f"min_confidence must be 0 to 1, got {self.min_confidence}")
        _check_groups(self.groups)
        _check_costs(self.costs, set(self.streams.values()), self.residual)
        if ASK in self.places():
            raise ValueError(f"{ASK!r} is no name for a stream, since it means asking a person; choose another name")
        if self.ask is not None:
            _check_cost("ask", self.ask)
        elif self.several == "ask":
            raise ValueError('several = "ask" needs a person: give `ask`, what it costs to ask one, or another choice')

    @property
    def on_several(self) -> Several:
        """Action on several separate things, the default filled in."""
        return self.several or ("residual" if self.ask is None else "ask")

    def places(self) -> list[str]:
        """Every stream, sorted, the residual one included."""
        return sorted({*self.streams.values(), self.residual})

    def cost(self, belongs: str, put: str, min_confidence: float) -> float:
        """Compute the cost of putting into stream `put` what belongs to stream `belongs`.

        The right stream costs 0 and a wrong one 1, unless [costs] says otherwise. A residual stream that no
        label belongs to costs 1 - min_confidence: where all wrong streams cost 1, that is the cost at which it
        is cheapest exactly below the threshold (C. K. Chow, On optimum recognition error and reject tradeoff,
        IEEE Transactions on Information Theory 16(1), 1970). So the threshold keeps its meaning beside costs.
        """
        if belongs == put:
            return 0.0
        stated = self.costs.get(belongs, {}).get(put)
        if stated is not None:
            return stated
        lonely = put == self.residual and put not in self.streams.values()
        return round(USUAL_COST - min_confidence, 9) if lonely else USUAL_COST

    def tree_over(self, tree: Mapping[str, str]) -> dict[str, str]:
        """The model's label tree (child to parent) with the site's groups on top."""
        return dict(tree) | {member: group for group, members in self.groups.items() for member in members}

    def stream_of(self, label: str, tree: Mapping[str, str]) -> str:
        """The stream of a label: its own entry, else its nearest parent's; unknown goes to the residual."""
        for node in lineage(label, self.tree_over(tree)):
            if node in self.streams:
                return self.streams[node]
        return self.residual

    def misfits(self, labels: Sequence[str], tree: Mapping[str, str]) -> list[tuple[str, str]]:
        """List where the site does not fit a model: (key, one line with the problem and the remedy)."""
        model = {node for label in labels for node in lineage(label, tree)}
        known = f"it knows {', '.join(sorted(model))}"
        found = []
        for group, members in self.groups.items():
            strange = sorted(set(members) - model - set(self.groups))
            if strange:
                found.append((f"groups.{group}", f"groups {', '.join(strange)}, which the model lacks; {known}"))
            if group in model:
                found.append((f"groups.{group}", f"has a group named like the model's {group}; give it another name"))
        whole = self.tree_over(tree)
        missing = [label for label in labels if not set(lineage(label, whole)) & set(self.streams)]
        if missing:
            found.append(("streams", f"has no stream for {', '.join(missing)}; add a line to [streams] for each"))
        strange = sorted(set(self.streams) - model - set(self.groups))
        if strange:
            text = f"maps {', '.join(strange)}, which the model does not know; {known}"
            found.append((f"streams.{strange[0]}", text))
        return found

    def check_covers(self, labels: Sequence[str], tree: Mapping[str, str]) -> None:
        """Raise ConfigError unless every label of the model has a stream and every entry names one."""
        for _, text in self.misfits(labels, tree):
            raise ConfigError(f"site {self.name!r} {text}")


def site_of_labels(labels: Sequence[str]) -> Site:
    """The site for when none is given: one stream for each label, one more for the rest."""
    return Site(name="one stream a label", residual="residual", streams={label: label for label in labels})


def find_site(given: str) -> Path:
    """The file a user meant: a path, or the name of a shipped site. Raises ConfigError if there is none."""
    path = find(given, SITES)
    if not path.is_file():
        names = ", ".join(sorted(entry.stem for entry in shipped(SITES).glob("*.toml")))
        raise ConfigError(f"--site {given or repr(given)}: no such file; give a site.toml, or a shipped one ({names})")
    return path


def read_site(given: str, labels: Sequence[str], tree: Mapping[str, str]) -> Site:
    """The site a user meant: a path, or the name of a shipped one, checked against the model's labels.

    Raises:
        ConfigError: there is no such file, a key is wrong, or the site does not fit the model.
    """
    path = find_site(given)
    site = read_toml(path, Site)
    try:
        site.check_covers(labels, tree)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return site


def _check_groups(groups: Mapping[str, Sequence[str]]) -> None:
    parent: dict[str, str] = {}
    for group, members in groups.items():
        if not group or not members:
            raise ValueError(f"groups.{group}: a group needs a name and at least one label; fill or remove it")
        for member in members:
            if member in parent:
                raise ValueError(
                    f"groups.{group}: {member!r} is in group {parent[member]!r} already; leave it in one of them"
                )
            parent[member] = group
    try:
        check_tree(parent, parent)
    except ValueError as error:
        raise ValueError(f"groups: {error}; a group cannot hold itself") from error


def _check_costs(costs: Mapping[str, Mapping[str, float]], belonging: set[str], residual: str) -> None:
    streams = ", ".join(sorted(belonging))
    for stream, row in costs.items():
        if stream not in belonging:
            raise ValueError(
                f"costs.{stream}: nothing belongs to a stream {stream!r}; a row is for what belongs to one of {streams}"
            )
        for place, cost in row.items():
            key = f"costs.{stream}.{place}"
            if place not in belonging | {residual}:
                raise ValueError(f"{key}: there is no stream {place!r}; there are {streams} and {residual} (residual)")
            _check_cost(key, cost)
            if place == stream and cost:
                raise ValueError(f"{key}: the right stream costs nothing; remove this line")


def _check_cost(key: str, cost: float) -> None:
    if not 0.0 <= cost <= MAX_COST:  # written so that nan is caught, too
        raise ValueError(f"{key}: a cost is 0 to {MAX_COST:g}, where {USUAL_COST:g} is a usual mistake; got {cost:g}")
