"""Labels and label trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

MAX_LABELS, MAX_LABEL_CHARACTERS, MAX_TREE_DEPTH = 10_000, 200, 32
UNKNOWN = "unknown"  # what a picture is called when it is like none of the labels; never a label itself


def check_labels(labels: Sequence[str]) -> None:
    """Raise ValueError unless there are at least two different, non-empty labels, none called "unknown"."""
    if len(labels) < 2:
        raise ValueError(f"expected at least two labels, got {list(labels)}")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"expected at most {MAX_LABELS} labels, got {len(labels)}")
    for label in labels:
        if not label or label != label.strip() or label == UNKNOWN:
            raise ValueError(f"label {label!r} is not allowed: empty, padded, or the reserved word {UNKNOWN!r}")
        if len(label) > MAX_LABEL_CHARACTERS:
            raise ValueError(f"label {_short(label)} has more than {MAX_LABEL_CHARACTERS} characters")
    if len(set(labels)) != len(labels):
        twice = sorted(label for label, count in Counter(labels).items() if count > 1)
        raise ValueError(f"labels appear twice: {', '.join(twice)}")


def check_tree(tree: Mapping[str, str], labels: Iterable[str]) -> None:
    """Raise ValueError unless `tree` (child to parent) names labels or inner nodes, loop-free and shallow."""
    known = set(labels) | set(tree.values())
    for node in tree:
        if node not in known:
            raise ValueError(f"tree names {_short(node)}, which is neither a label nor a parent")
        depth, above = 0, node
        while above in tree:
            above, depth = tree[above], depth + 1
            if above == node:
                raise ValueError(f"tree has a loop through {_short(node)}")
            if depth > MAX_TREE_DEPTH:  # a loop that `node` only leads into ends here, too, or at one of its own nodes
                raise ValueError(f"tree is deeper than {MAX_TREE_DEPTH} levels, or has a loop, above {_short(node)}")


def lineage(label: str, tree: Mapping[str, str]) -> list[str]:
    """The label, its parent, and so on up to the root."""
    line = [label]
    while line[-1] in tree:
        line.append(tree[line[-1]])
    return line


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:57]}...")
