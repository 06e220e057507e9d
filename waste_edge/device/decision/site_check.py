"""Check of a `site.toml` against a model, as `waste-edge site check` prints it: meaning and contradictions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from waste_edge.bundle.manifest import Manifest
from waste_edge.device.decision.routing import Part, Routing, mixture, routing_of, shares_of
from waste_edge.device.system.condition import Condition, Level
from waste_edge.files.strict import read_text
from waste_edge.site import ASK, Site
from waste_edge.taxonomy import lineage

SURE = 0.99  # no model is surer of anything than this for long: what asks for more is never reached
HARD = 0.95  # a stream that asks for more than this is worth a word
SMALL_REGION = 0.02  # of the frame's area
_MIXTURES = 2000  # random ones that are tried besides the regular ones


@dataclass(frozen=True)
class Finding:
    """Error or remark about a site.

    Attributes:
        condition: `bad` if the site cannot be used as it is, else `warn`; the part is the key's first word.
        key: where in the file, e.g. `costs.blue.green`.
        remedy: what to do about it.
        line: of the key in the file, from 1; 0 if it is not there.
    """

    condition: Condition
    key: str
    remedy: str
    line: int = 0


@dataclass(frozen=True)
class Mixture:
    """Choices for an item between two streams, by the first one's share of the probability."""

    first: str
    second: str
    parts: list[Part]


@dataclass(frozen=True)
class SiteReport:
    """Explanation of a site.

    Attributes:
        site: its name.
        bundle: the model it was held against.
        labels: label to stream.
        residual: the stream for the unknown and unsure.
        min_confidence: least probability of the likeliest stream; the site's or the bundle's.
        ask: what asking costs, if it is allowed.
        costs: `costs[A][B]` of putting into B what belongs to A, left-out ones filled in.
        mixtures: of every two streams.
        findings: the worst first.
    """

    site: str
    bundle: str
    labels: dict[str, str]
    residual: str
    min_confidence: float
    ask: float | None
    costs: dict[str, dict[str, float]]
    mixtures: list[Mixture]
    findings: list[Finding]

    @property
    def usable(self) -> bool:
        """True if nothing is worse than a warning."""
        return all(finding.condition.level is not Level.BAD for finding in self.findings)


def check_site(site: Site, manifest: Manifest, path: Path) -> SiteReport:
    """Explain a site and find its contradictions; `path` is where it was read, for the lines' numbers.

    A site that does not fit the model gets its misfits as findings and no costs and mixtures.
    """
    labels, tree = manifest.labels, manifest.tree
    found = [_finding(Level.BAD, key, *_split(f"the site {text}")) for key, text in site.misfits(labels, tree)]
    routing = None if found else routing_of(site, labels, tree, manifest.calibration.min_confidence)
    if routing is not None:
        found = [*_of_entries(site, labels, tree), *_of_region(site), *_of_costs(site, routing)]
    found.sort(key=lambda finding: finding.condition.level is not Level.BAD)
    text = read_text(path)
    return SiteReport(
        site=site.name,
        bundle=f"{manifest.name} {manifest.version}",
        labels={} if routing is None else {label: site.stream_of(label, tree) for label in labels},
        residual=site.residual,
        min_confidence=manifest.calibration.min_confidence if site.min_confidence is None else site.min_confidence,
        ask=site.ask,
        costs={} if routing is None else _cost_table(routing),
        mixtures=[] if routing is None else _mixtures(routing),
        findings=[Finding(one.condition, one.key, one.remedy, line_of(text, one.key)) for one in found],
    )


def unreadable(name: str, error: str) -> Finding:
    """The finding for a file that could not be read as a site at all; `error` ends with its remedy, if it has one."""
    return _finding(Level.BAD, name, error, "mend this, then check again")


def line_of(text: str, key: str) -> int:
    """The line of a TOML text that sets the dotted `key`, or opens its table or its parent's; 0 if none does."""
    *tables, leaf = key.split(".")
    here, opened = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].strip().replace('"', "").replace("'", "")
        if words.startswith("["):
            here = words.strip("[] ")
            opened = number if here == key else opened
        elif here == ".".join(tables) and words.partition("=")[0].strip() == leaf:
            return number
    return opened or (line_of(text, ".".join(tables)) if tables else 0)


def _split(text: str) -> tuple[str, str]:
    what, _, remedy = text.partition("; ")
    return what, remedy


def _finding(level: Level, key: str, text: str, remedy: str) -> Finding:
    return Finding(Condition(key.partition(".")[0].replace("_", "-"), level, f"{text}; {remedy}"), key, remedy)


def _cost_table(routing: Routing) -> dict[str, dict[str, float]]:
    return {
        stream: dict(zip(routing.choices, row, strict=True))
        for stream, row in zip(routing.streams, routing.costs.tolist(), strict=True)
    }


def _mixtures(routing: Routing) -> list[Mixture]:
    pairs = itertools.combinations(range(len(routing.streams)), 2)
    return [Mixture(routing.streams[a], routing.streams[b], mixture(routing, a, b)) for a, b in pairs]


def _of_entries(site: Site, labels: Sequence[str], tree: Mapping[str, str]) -> Iterator[Finding]:
    """Lines that nothing follows."""
    whole = site.tree_over(tree)
    lines = [lineage(label, whole) for label in labels]
    followed = {next(node for node in line if node in site.streams) for line in lines}
    for entry in sorted(set(site.streams) - followed):
        text = f"the line for {entry} is followed by no label: each label of {entry} has a nearer line"
        yield _finding(Level.WARN, f"streams.{entry}", text, "remove one of them")
    for group in site.groups:
        if not any(group in line and set(line[line.index(group) :]) & set(site.streams) for line in lines):
            text = f"group {group} leads to no stream"
            yield _finding(Level.WARN, f"groups.{group}", text, f"add {group} to [streams], or remove the group")


def _of_region(site: Site) -> Iterator[Finding]:
    area = (site.region.right - site.region.left) * (site.region.bottom - site.region.top)
    if area < SMALL_REGION:
        text = f"only {area:.2%} of the camera's frame is looked at, too few pixels to tell items apart"
        yield _finding(Level.WARN, "region", text, "widen [region]")


def _of_costs(site: Site, routing: Routing) -> Iterator[Finding]:
    """Costs and thresholds that leave something without effect."""
    reached = _reached(routing)
    if not reached & set(routing.streams):
        yield _always(routing, sorted(reached))
        return
    for index, stream in enumerate(routing.streams):
        if stream not in reached:
            free = [name for name, cost in zip(routing.choices, routing.costs[index], strict=True) if not cost]
            wrong = ", ".join(name for name in free if name != stream)
            why = f"what belongs there costs nothing in {wrong}" if wrong else "something else is always cheaper"
            text = f"nothing ever goes to {stream}, even at {SURE:.0%}: {why}"
            yield _finding(Level.BAD, f"costs.{stream}", text, f"raise the costs in [costs.{stream}]")
        else:
            yield from _of_stream(routing, index, reached)
    if site.residual not in reached and len(routing.streams) > 1:
        yield _never_residual(routing)
    if site.ask is not None and ASK not in reached and len(routing.streams) > 1:
        text = f"asking for {site.ask:g} is never the cheapest choice, so nobody is ever asked"
        yield _finding(Level.WARN, "ask", text, "lower it, or remove the line")
    yield from _of_threshold(routing)


def _always(routing: Routing, reached: list[str]) -> Finding:
    names = " or ".join(reached)
    if routing.min_confidence > SURE:
        text = f"every item goes to {names}: no stream reaches {routing.min_confidence:.1%}"
        return _finding(Level.BAD, "min_confidence", text, "lower it to 0.9 or less")
    key = ASK if reached[0] == ASK else "costs"
    text = f"every item goes to {names}: that is cheaper than a stream even where the model is {SURE:.0%} sure"
    return _finding(Level.BAD, key, text, f"raise what {names} costs; 1 is the cost of a usual mistake")


def _of_stream(routing: Routing, index: int, reached: set[str]) -> Iterator[Finding]:
    """A stream against each other one: never chosen before it, free for it, or hard to reach."""
    stream = routing.streams[index]
    for rival, name in enumerate(routing.streams):
        if rival == index or name not in reached:
            continue
        last = mixture(routing, index, rival)[-1]
        free = not routing.costs[index, rival]
        if last.choice != stream or last.low > SURE:
            text = f"{stream} is never chosen before {name}, even at {SURE:.0%}"
            if free:
                text += f": what belongs to {stream} costs nothing in {name}"
            key, remedy = (stream, name), f"raise costs.{stream}.{name}" if free else f"lower costs.{name}.{stream}"
            yield _finding(Level.BAD, ".".join(("costs", *(key if free else key[::-1]))), text, remedy)
        elif free:
            text = f"what belongs to {stream} costs nothing in {name}, so a wrong stream is free"
            yield _finding(Level.WARN, f"costs.{stream}.{name}", text, "give it a cost, or one stream to both")
        elif last.low > HARD:
            text = f"{stream} is chosen before {name} only from {last.low:.1%} on"
            yield _finding(Level.WARN, f"costs.{name}.{stream}", text, "lower this cost, if that is not meant")


def _never_residual(routing: Routing) -> Finding:
    residual = routing.residual
    text = f"only the unknown goes to the residual stream {residual}: "
    if ASK in routing.choices and routing.min_confidence > 1.0 / len(routing.streams):
        text += "for the unsure, asking is always cheaper"
        return _finding(Level.WARN, ASK, text, f"raise ask, or lower what {residual} costs, if that is not meant")
    text += f"a stream is always cheaper, and min_confidence {routing.min_confidence:.0%} rejects nothing"
    return _finding(Level.WARN, "residual", text, f"raise min_confidence, or lower what {residual} costs in [costs]")


def _of_threshold(routing: Routing) -> Iterator[Finding]:
    if len(routing.streams) == 1:
        text = f"every label goes to {routing.streams[0]}, so there is nothing to decide"
        yield _finding(Level.WARN, "streams", text, "give the labels at least two streams")
        return
    least = 1.0 / len(routing.streams)
    if 0.0 < routing.min_confidence <= least:
        text = (
            f"a threshold of {routing.min_confidence:.0%} rejects nothing: of {len(routing.streams)} streams the "
            f"likeliest has {least:.0%} or more"
        )
        yield _finding(Level.WARN, "min_confidence", text, f"set one above {least:.2f}, e.g. {(1 + least) / 2:.2f}")


def _reached(routing: Routing) -> set[str]:
    """Find the choices that occur in some mixture of streams: pairs at all shares, and many random mixtures.

    Parts of less than 1 - SURE are passed over: what is chosen there only is chosen for the surest items only,
    or by chance.
    """
    count = len(routing.streams)
    if count == 1:
        return {routing.choose(np.ones(1)).name}
    pairs = itertools.permutations(range(count), 2)
    tried = [shares_of(routing, {first: SURE, second: 1 - SURE}) for first, second in pairs]
    for size in {*range(3, min(count, 5) + 1), count}:
        tried += [
            shares_of(routing, dict.fromkeys(some, 1 / size)) for some in itertools.combinations(range(count), size)
        ]
    tried += list(np.random.default_rng(0).dirichlet(np.ones(count), _MIXTURES))
    parts = [
        part for first, second in itertools.combinations(range(count), 2) for part in mixture(routing, first, second)
    ]
    wide = {part.choice for part in parts if part.high - part.low > 1 - SURE + 1e-6}
    return wide | {routing.choose(shares).name for shares in tried if shares.max() <= SURE}
