"""Labels and label trees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
