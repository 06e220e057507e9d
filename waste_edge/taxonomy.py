"""Labels and label trees."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from waste_edge.files.limits import MAX_LABEL_LETTERS, MAX_LABELS, MAX_TREE_DEPTH, MAX_TREE_NODES
from waste_edge.files.text import fault_of_name, reading_key, visible

UNKNOWN = "unknown"  # what a picture is called when it is like none of the labels; never a label itself


def check_labels(labels: Sequence[str]) -> None:
    """Raise ValueError unless there are at least two labels, and no fault with any; see `label_faults`."""
    if len(labels) < 2:
        raise ValueError(f"expected at least two labels, got {list(labels)}")
    if faults := label_faults(labels):
        raise ValueError(f"label {faults[0]}")
    if twice := sorted(label for label, count in Counter(labels).items() if count > 1):
        raise ValueError(f"labels appear twice: {', '.join(map(visible, twice[:5]))}")


def label_faults(labels: Sequence[str]) -> list[str]:
    """Explain why these cannot be the labels of one model, the gravest fault first; empty if they can.

    Labels that people read as the same word are one label by mistake: in another case, composed and decomposed (NFC),
    with other blanks or joiners.
    """
    if len(labels) > MAX_LABELS:
        return [f"count is {len(labels):,}; at most {MAX_LABELS:,} are accepted"]
    faults = [fault for label in labels if (fault := _fault(label))]
    alike: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        alike[reading_key(label)].add(label)
    for names in alike.values():
        if len(names) > 1:
            words = " and ".join(visible(name) for name in sorted(names))
            faults.append(f"{words} {_how_alike(names)}; give them one name")
    return faults


def _fault(label: str) -> str:
    if not label or label != label.strip():
        return f"{label!r} is not allowed: empty, or with blanks around it"
    if len(label) > MAX_LABEL_LETTERS:
        return f"{label[:20]!r}… is not allowed: longer than {MAX_LABEL_LETTERS} letters"
    if fault := fault_of_name(label):
        return f"{label!r} is not allowed: {fault}"
    if visible(label) != label:
        return f"{visible(label)} is not allowed: it turns the order of letters round"
    if reading_key(label) == UNKNOWN:
        return f"{label!r} is not allowed: it reads like the reserved word {UNKNOWN!r}"
    return ""


def _how_alike(names: Collection[str]) -> str:
    if len({name.casefold() for name in names}) == 1:
        return "differ in case only"
    return "read the same, and differ only in how accents, blanks or joiners are encoded, or in case"


def check_tree(tree: Mapping[str, str], labels: Iterable[str]) -> None:
    """Raise ValueError unless `tree` (child to parent) has no loops and names labels or inner nodes only.

    It may have at most 8,192 nodes and be 32 deep.
    """
    if len(tree) > MAX_TREE_NODES:
        raise ValueError(f"tree has {len(tree):,} nodes; at most {MAX_TREE_NODES:,} are accepted")
    known = set(labels) | set(tree.values())
    for start in tree:
        if start not in known:
            raise ValueError(f"tree names {start!r}, which is neither a label nor a parent")
        node, seen = start, {start}
        while node in tree:
            node = tree[node]
            if node in seen:
                raise ValueError(f"tree has a loop through {node!r}")
            seen.add(node)
            if len(seen) > MAX_TREE_DEPTH:
                raise ValueError(f"tree is more than {MAX_TREE_DEPTH} deep above {start!r}")


def lineage(label: str, tree: Mapping[str, str]) -> list[str]:
    """The label, its parent, and so on up to the root."""
    line = [label]
    while line[-1] in tree:
        line.append(tree[line[-1]])
    return line
