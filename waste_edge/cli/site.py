"""`waste-edge site`: what a site.toml means, before a bin depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waste_edge.cli.common import (
    DEFAULT_BUNDLE,
    BundleOption,
    JsonOption,
    RequireKeyOption,
    console,
    opened_bundle,
    say_json,
)

if TYPE_CHECKING:
    from rich.console import Console

    from waste_edge.device.decision.site_check import Finding, Mixture, SiteReport

app = typer.Typer(
    help="Check a site.toml, which sets each label's stream and the costs of mistakes.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _group() -> None:
    """Keep `check` a word of its own, although it is the only one so far."""


@app.command()
def check(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A site.toml, or the name of a shipped one (four_bins).")],
    bundle: BundleOption = DEFAULT_BUNDLE,
    require_key: RequireKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Explain a site.toml and find contradictions in it.

    Prints each label's stream, the handling of unsure and unknown items, the cost
    of each mistake, and, between any two streams, the probability from which on
    each is chosen. Runs no model: the bundle gives labels and thresholds.

    "blue or green: green below 40% blue, other from 40%, blue from 60%" means: of
    an item that is one or the other, 70% for blue is enough, 50% is not.

    \b
    Examples:
      waste-edge site check four_bins
      waste-edge site check my_site.toml --bundle my-bundle --json

    Exit code 0: it can be used; warnings are printed. 2: it cannot be used.
    """
    from waste_edge.device.decision.site_check import check_site, unreadable
    from waste_edge.errors import ConfigError
    from waste_edge.files.strict import read_toml, to_json
    from waste_edge.site import Site, find_site

    with opened_bundle(bundle, require_key) as opened:
        manifest = opened.manifest
    try:
        path = find_site(site)
        report = check_site(read_toml(path, Site), manifest, path)
    except ConfigError as error:
        if not json:
            raise
        say_json(to_json({"usable": False, "findings": [_as_dict(unreadable("site", str(error)))]}))
        raise typer.Exit(2) from error
    if json:
        say_json(to_json({"usable": report.usable, "path": str(path), **_report_as_dict(report)}))
    else:
        _print(console(), report, path)
    raise typer.Exit(0 if report.usable else 2)


def _as_dict(finding: Finding) -> dict[str, object]:
    condition = finding.condition
    return {
        "level": condition.level,
        "part": condition.part,
        "text": condition.text,
        "key": finding.key,
        "line": finding.line,
        "remedy": finding.remedy,
    }


def _report_as_dict(report: SiteReport) -> dict[str, object]:
    import msgspec

    values: dict[str, object] = msgspec.to_builtins(report)
    return values | {"findings": [_as_dict(finding) for finding in report.findings]}


def _print(screen: Console, report: SiteReport, path: Path) -> None:
    def say(line: str = "") -> None:
        screen.print(line, markup=False, soft_wrap=True)

    say(f"{report.site} ({path}), held against {report.bundle}")
    if report.labels:
        say()
        for line in (*_explained(report), "", *_costs_in_words(report), "", *_mixtures_in_words(report)):
            say(line)
    say()
    for finding in report.findings:
        where = f"{path}:{finding.line}: " if finding.line else ""
        say(f"{finding.condition.level}: {where}{finding.condition.text}")
    bad = sum(finding.condition.level == "bad" for finding in report.findings)
    warnings = len(report.findings) - bad
    verdict = "can be used" if report.usable else "cannot be used"
    say(f"{verdict}: {bad} contradiction{'' if bad == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}")


def _explained(report: SiteReport) -> list[str]:
    streams: dict[str, list[str]] = {}
    for label, stream in report.labels.items():
        streams.setdefault(stream, []).append(label)
    unsure = (
        f"{report.residual} or ask, whichever is expected to cost less" if report.ask is not None else report.residual
    )
    return [
        *(f"{', '.join(labels)} → {stream}" for stream, labels in streams.items()),
        f"unknown, like none of these → {report.residual}",
        f"unsure, no stream reaches {report.min_confidence:.0%} → {unsure}",
        "else the stream of least expected cost"
        + (f"; a person is asked where that is above {report.ask:g}" if report.ask is not None else ""),
        *_topics(report),
    ]


def _topics(report: SiteReport) -> list[str]:
    """Topics of the streams whose names are not plain, since nobody would guess them."""
    from waste_edge.device.sinks.mqtt.topics import topic_part

    places = sorted({*report.labels.values(), report.residual})
    odd = [f"{place} is streams/{topic_part(place)}" for place in places if topic_part(place) != place]
    return [f"over MQTT {', '.join(odd)}"] if odd else []


def _costs_in_words(report: SiteReport) -> list[str]:
    """One line a stream; one for all where nothing but the usual is said."""
    rows = {
        stream: [f"{cost:g} in {place}" for place, cost in row.items() if place not in (stream, "ask")]
        for stream, row in report.costs.items()
    }
    if {words.split()[0] for row in rows.values() for words in row} == {"1"}:
        return ["every mistake costs 1"]
    return [f"what belongs to {stream} costs {', '.join(row)}" for stream, row in rows.items()]


def _mixtures_in_words(report: SiteReport) -> list[str]:
    """One line for each two streams; one for all pairs of which the likelier stream is chosen."""
    odd = [mixture for mixture in report.mixtures if not _is_plain(mixture)]
    plain = "between any other two streams" if odd else "between any two streams"
    rest = [f"{plain}: the likelier one"] if len(odd) < len(report.mixtures) else []
    return [_mixture_in_words(mixture) for mixture in odd] + rest


def _is_plain(mixture: Mixture) -> bool:
    return [(part.choice, part.high) for part in mixture.parts] == [(mixture.second, 0.5), (mixture.first, 1.0)]


def _mixture_in_words(mixture: Mixture) -> str:
    """`blue or green: green below 40% blue, other from 40%, blue from 60%`."""
    first, *others = mixture.parts
    words = [f"{first.choice} below {_percent(first.high)} {mixture.first}" if others else f"always {first.choice}"]
    words += [f"{part.choice} from {_percent(part.low)}" for part in others]
    return f"{mixture.first} or {mixture.second}: {', '.join(words)}"


def _percent(share: float) -> str:
    """Three digits at most: 40%, 66.7%."""
    return f"{100 * share:.3g}%"
