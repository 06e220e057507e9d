"""Labels, label trees, and the map from labels to a site's streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from waste_edge.errors import ConfigError
from waste_edge.preprocess import WHOLE, Region
from waste_edge.strict import Strict

UNKNOWN = "unknown"  # what a picture is called when it is like none of the labels; never a label itself


def check_labels(labels: Sequence[str]) -> None:
    """Raise ValueError unless there are at least two different, non-empty labels, none called "unknown"."""
    if len(labels) < 2:
        raise ValueError(f"expected at least two labels, got {list(labels)}")
    for label in labels:
        if not label or label != label.strip() or label == UNKNOWN:
            raise ValueError(f"label {label!r} is not allowed: empty, padded, or the reserved word {UNKNOWN!r}")
    if len(set(labels)) != len(labels):
        twice = sorted({label for label in labels if list(labels).count(label) > 1})
        raise ValueError(f"labels appear twice: {', '.join(twice)}")


def check_tree(tree: Mapping[str, str], labels: Iterable[str]) -> None:
    """Raise ValueError unless `tree` (child to parent) has no loops and names labels or inner nodes only."""
    known = set(labels) | set(tree.values())
    for node in tree:
        if node not in known:
            raise ValueError(f"tree names {node!r}, which is neither a label nor a parent")
        seen = {node}
        while node in tree:
            node = tree[node]
            if node in seen:
                raise ValueError(f"tree has a loop through {node!r}")
            seen.add(node)


def lineage(label: str, tree: Mapping[str, str]) -> list[str]:
    """The label, its parent, and so on up to the root."""
    line = [label]
    while line[-1] in tree:
        line.append(tree[line[-1]])
    return line


class Site(Strict, frozen=True):
    """A `site.toml`: which stream (bin, flap, container) each label goes to at one station.

    Attributes:
        name: for people.
        residual: the stream for what is unknown or unsure.
        streams: label, or a parent in the model's label tree, to stream.
        region: part of the camera's frame to look at.
        min_confidence: below it an item goes to the residual stream; the bundle's own threshold if absent.
    """

    name: str
    residual: str
    streams: dict[str, str]
    region: Region = WHOLE
    min_confidence: float | None = None

    def __post_init__(self) -> None:
        if not self.residual or not self.streams or not all(self.streams.values()):
            raise ValueError("a site needs a residual stream and at least one label in [streams], none empty")
        if self.min_confidence is not None and not 0.0 <= self.min_confidence < 1.0:
            raise ValueError(f"min_confidence must be 0 to 1, got {self.min_confidence}")

    def stream_of(self, label: str, tree: Mapping[str, str]) -> str:
        """The stream of a label: its own entry, else its nearest parent's; unknown goes to the residual."""
        for node in lineage(label, tree):
            if node in self.streams:
                return self.streams[node]
        return self.residual

    def check_covers(self, labels: Sequence[str], tree: Mapping[str, str]) -> None:
        """Raise ConfigError unless every label of the model has a stream and every entry names one."""
        missing = [label for label in labels if not set(lineage(label, tree)) & set(self.streams)]
        if missing:
            raise ConfigError(
                f"site {self.name!r} has no stream for {', '.join(missing)}; add a line to [streams] for each"
            )
        nodes = {node for label in labels for node in lineage(label, tree)}
        strange = sorted(set(self.streams) - nodes)
        if strange:
            raise ConfigError(
                f"site {self.name!r} maps {', '.join(strange)}, which the model does not know; "
                f"it knows {', '.join(sorted(nodes))}"
            )


def site_of_labels(labels: Sequence[str]) -> Site:
    """The site for when none is given: one stream for each label, one more for the rest."""
    return Site(name="one stream a label", residual="residual", streams={label: label for label in labels})
