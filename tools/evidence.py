"""Every recorded figure with its command, its date and its bundles: `python -m tools.evidence`, or `make evidence`.

Records are files, or figures within a page that a comment there describes, `<!-- measured: FIGURES; DATE; BUNDLES;
COMMAND -->` with BUNDLES as "small 3, accurate 4", "networks of small 3" where no threshold enters, or "none".

The table stands in docs/results.md between two comments. With --check nothing is written: a table that has drifted, and
every record that is not of the shipped bundles, end it with 1; the second is one list, with the command for each. The
tables of the pages themselves are made by other tools (`make tables`, `headline`, `domains-table`, `rehearsal-table`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from tools.domains_table import drifted_cards
from tools.page_block import is_check, replace_block, write_or_check
from waste_edge.benchmarks.schema import BenchReport
from waste_edge.bundle.bundle import open_bundle
from waste_edge.errors import ConfigError, UserError
from waste_edge.evaluation.domains.report import DomainsReport
from waste_edge.evaluation.report.content import ComparisonReport
from waste_edge.evaluation.report.tables import accuracy_of, share_in
from waste_edge.export.model_card import CARD_NAME
from waste_edge.files.resources import BUNDLES, shipped
from waste_edge.files.strict import read_json, read_text
from waste_edge.rehearsal.report import RehearsalReport

PAGE = "docs/results.md"
NAMES = ("small", "accurate")
OF_NETWORKS = "networks of "  # before BUNDLES: no threshold enters, so it holds for all versions with these networks
_WITH_ITEMS = ("instances",)  # records in which items are looked at as often as a station does
_BLOCK = re.compile(r"(<!-- evidence: made by make evidence -->\n).*?(<!-- end of evidence -->)", re.DOTALL)
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")
_IN_PAGE = re.compile(r"<!-- measured: ([^;]+); (20\d\d-\d\d-\d\d); ([^;]+); ([^;]+?) -->")
_IN_LOG = re.compile(rf"`({'|'.join(NAMES)})` (\d+)")


class Earlier(NamedTuple):
    """An earlier version with the networks of the shipped one, under other thresholds.

    Attributes:
        digest: SHA-256 of its manifest.
        network: SHA-256 of its INT8 TFLite.
    """

    digest: str
    network: str


EARLIER = {
    "small 3": Earlier(
        "37f1960a433e14617972b6e711d2457f58effa1e95563aecc7994b245a778fe0",
        "fc7a7e01342bcc465e16c91d22fdfac2554aef81e7cf2e2533bdf93df9baedf0",
    ),
    "small 4": Earlier(
        "6368aaa115f94ada1ec0fd2e6bcd102e3ee9f9ffb99403fe3e95fba666cb8cb3",
        "fc7a7e01342bcc465e16c91d22fdfac2554aef81e7cf2e2533bdf93df9baedf0",
    ),
    "accurate 4": Earlier(
        "3f117cbd767b008706fb4fdcca7517ec1b5dacf78195c813c4bcac45298bc33b",
        "cf9a67c85a8eac06d8a0669095cbb907b607569385ab528bf4a4e5c78447f664",
    ),
    "accurate 5": Earlier(
        "3a59d20074ce448b20bec923c2eae60e600bf97e06f6c3ab3e26f18cb572477c",
        "cf9a67c85a8eac06d8a0669095cbb907b607569385ab528bf4a4e5c78447f664",
    ),
}


class Measured(msgspec.Struct):
    """Head of a record of `tests.device.service.instances` or `tests.fleet`."""

    created: str
    command: str
    bundle: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Evidence:
    """A record, and what it is the evidence for.

    Attributes:
        figures: what is measured.
        pages: where figures of it stand.
        record: file below the repository.
        command: that makes the record.
        date: day of the measurement.
        bundles: names and versions; empty for what depends on none.
        stale: why it is not of the shipped bundles; empty if it is.
    """

    figures: str
    pages: tuple[str, ...]
    record: str
    command: str
    date: str
    bundles: str
    stale: str = ""


@dataclass(frozen=True)
class Source:
    """Records of one kind: their place, and how one is read.

    Attributes:
        figures: what is measured.
        pages: where figures of it stand.
        files: pattern below the repository; each file is a record.
        read: gives command, date, bundles, and why it is stale.
    """

    figures: str
    pages: tuple[str, ...]
    files: str
    read: Callable[[Path], tuple[str, str, str, str]]


@cache
def shipped_version(name: str) -> tuple[str, str]:
    """Version and manifest's SHA-256 of a shipped bundle."""
    with open_bundle(BUNDLES / name) as bundle:
        return bundle.manifest.version, bundle.digest


def in_words() -> str:
    """The shipped bundles: "small 3, accurate 3"."""
    return ", ".join(f"{name} {shipped_version(name)[0]}" for name in NAMES)


@cache
def shipped_network(name: str) -> str:
    """SHA-256 of a shipped bundle's INT8 TFLite."""
    with open_bundle(BUNDLES / name) as bundle:
        return bundle.manifest.artifacts["tflite-int8"].sha256


def has_shipped_networks(bundle: str, digest: str = "") -> bool:
    """Return whether a bundle, as "small 3", is an earlier one with the networks of the shipped one of its name.

    Args:
        digest: its manifest's hash, where that was recorded too.
    """
    earlier = EARLIER.get(bundle)
    if earlier is None or digest not in ("", earlier.digest):
        return False
    return earlier.network == shipped_network(bundle.partition(" ")[0])


def _other(bundle: str, digest: str) -> str:
    """Say that this bundle is not the shipped one, by its manifest's hash; empty if it is."""
    name = bundle.partition(" ")[0]
    if name not in NAMES:
        return ""  # one that is not shipped: compared with, and not claimed
    version, expected = shipped_version(name)
    return "" if digest == expected else f"{bundle} ({digest[:8]}), shipped is {name} {version} ({expected[:8]})"


def _bench(path: Path) -> tuple[str, str, str, str]:
    report = read_json(path, BenchReport)
    named = [(f"{one.name} {one.version}", one.digest) for one in report.subjects if one.kind == "bundle"]
    stale = "; ".join(filter(None, (_other(*one) for one in named)))
    command = f"waste-edge bench small accurate --{report.mode} --data photos --threads 1,2 --roofline"
    command += " --out benchmarks/results/<date>-<board>.json"
    return f"{command}; make tables", report.created[:10], ", ".join(one for one, _ in named), stale


def _rehearsal(path: Path) -> tuple[str, str, str, str]:
    station = read_json(path, RehearsalReport).station.bundle
    name = station.partition(" ")[0]
    current = f"{name} {shipped_version(name)[0]}"
    # The report has no date: the same inputs give the same bytes.
    return (
        "make rehearsal-results" if path.parent.name == "rehearsal" else "make rehearsal-grounds-results",
        "2026-11-29",
        station,
        "" if station == current else f"{station}, shipped is {current}",
    )


def _comparison(path: Path) -> tuple[str, str, str, str]:
    report = read_json(path, ComparisonReport)
    differing = []
    for name in NAMES:
        card = (BUNDLES / name / CARD_NAME).read_text(encoding="utf-8")
        for model in (one for one in report.models if one.name.startswith(f"{name}:")):
            artifact = model.name.partition(":")[2]
            if f"| {artifact} | {share_in(accuracy_of(report, model))} | {model.scores.macro_f1:.3f} |" not in card:
                differing.append(f"{model.name} scores otherwise than the card of the shipped {name}")
    return "make model-results", report.created[:10], in_words(), "; ".join(differing)


def _domains(path: Path) -> tuple[str, str, str, str]:
    report = read_json(path, DomainsReport)
    cards = {name: read_text(BUNDLES / name / CARD_NAME) for name in NAMES}
    return "make domains-results", report.created[:10], in_words(), "; ".join(drifted_cards(report, cards))


def _robustness(path: Path) -> tuple[str, str, str, str]:
    """Its clean rows are the accuracies of the headline's record, which is held against the cards."""
    root = path.parents[2]
    report = read_json(root / "training/results/model.json", ComparisonReport)
    text = path.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        clean = re.search(r"^\| clean \|.*?\| (\d+\.\d% \([^)]*\))", section, re.MULTILINE)
        if clean:
            found[section.split()[0].rstrip(":,")] = clean[1]
    expected = {model.name: share_in(accuracy_of(report, model)) for model in report.models if model.name in found}
    differing = [f"{name} has {shown} clean" for name, shown in found.items() if expected.get(name) != shown]
    stale = "; ".join(differing) if found else "has no clean rows"
    return "make model-results", report.created[:10], in_words(), stale


def _seeds(path: Path) -> tuple[str, str, str, str]:
    path.read_bytes()
    return "make model-seeds", "2026-11-22", "", ""  # of the recipe student_small, of which no bundle is shipped


def _log(command: str, needs_bundle: bool = True, decides: bool = True) -> Callable[[Path], tuple[str, str, str, str]]:
    """A log's first line says when it was printed, and with which bundles; `decides`: what they decide stands in it."""

    def read(path: Path) -> tuple[str, str, str, str]:
        head = read_text(path).partition("\n")[0]
        date = _DATE.search(head)
        if date is None:
            raise ConfigError(f"{path}: expected a date (YYYY-MM-DD) in its first line")
        if not needs_bundle:
            return command, date[0], "", ""
        named = dict(_IN_LOG.findall(head))
        if not named:
            return command, date[0], "", "its first line names no bundle, such as `small` 3"
        titles = [f"{name} {version}" for name, version in named.items()]
        return command, date[0], *_of_networks(titles, decides)

    return read


def _measured(path: Path) -> tuple[str, str, str, str]:
    record = msgspec.json.decode(path.read_bytes(), type=Measured)
    command = f"{record.command} --out benchmarks/results/{path.parent.name}/{path.name}"
    if path.parent.name not in _WITH_ITEMS and has_shipped_networks(record.bundle, record.digest):
        return command, record.created[:10], OF_NETWORKS + record.bundle, ""
    stale = _other(record.bundle, record.digest) if record.bundle else ""
    return command, record.created[:10], record.bundle, stale


def _of_networks(titles: Sequence[str], decides: bool = False) -> tuple[str, str]:
    """Bundles in words, and why a record is not of the shipped ones; of their networks, unless it tells decisions."""
    shipped_ones = {f"{name} {shipped_version(name)[0]}" for name in NAMES}
    earlier = [one for one in titles if one not in shipped_ones]
    if not earlier:
        return ", ".join(titles), ""
    if not decides and all(map(has_shipped_networks, earlier)):
        return OF_NETWORKS + ", ".join(titles), ""
    return ", ".join(titles), f"{', '.join(earlier)}, shipped is {in_words()}"


SOURCES = (
    Source(
        "Accuracy, calibration, unknown things and latency at home",
        ("README.md",),
        "training/results/model.json",
        _comparison,
    ),
    Source(
        "Accuracy and unknown things by source", (PAGE, "docs/domains.md"), "training/results/domains.json", _domains
    ),
    Source(
        "Robustness under corruptions and on other backgrounds",
        (PAGE, "docs/robustness.md"),
        "training/results/robustness.md",
        _robustness,
    ),
    Source("What another seed changes", (PAGE,), "training/results/seeds_small.json", _seeds),
    Source(
        "The rehearsed station", ("README.md", "docs/rehearsal.md"), "benchmarks/results/rehearsal/*.json", _rehearsal
    ),
    Source(
        "The same on other surfaces, a thousand things", (PAGE,), "benchmarks/results/rehearsal/*/*.json", _rehearsal
    ),
    Source(
        "Speed, stages, starts, memory, roofline", (PAGE, "benchmarks/README.md"), "benchmarks/results/*.json", _bench
    ),
    Source("`train` against a bare PyTorch loop", ("docs/train.md",), "benchmarks/results/training/*.json", _measured),
    Source(
        "Training by two processes against one",
        ("docs/train.md",),
        "benchmarks/results/two_processes/*.json",
        _measured,
    ),
    Source(
        "The host's commands on very many pictures", ("docs/train.md",), "benchmarks/results/size/*.json", _measured
    ),
    Source("Cost of each further camera", ("docs/instances.md",), "benchmarks/results/instances/*.json", _measured),
    Source("Forty stations at one broker", ("docs/fleet.md",), "benchmarks/results/fleet/*.json", _measured),
    Source(
        "The wheel on an emulated arm64 board", ("device/README.md",), "docs/arm64-log.txt", _log("make test-arm64")
    ),
    Source(
        "Installation, faults and updates under systemd",
        ("systemd/README.md",),
        "docs/boot-log.txt",
        _log("make test-boot", decides=False),
    ),
    Source(
        "Real camera drivers, virtual cameras",
        ("device/README.md",),
        "docs/virtual-board-log.txt",
        _log("make test-virtual-board"),
    ),
    Source("The container", ("docs/container.md",), "docs/container-log.txt", _log("make test-container")),
    Source(
        "Home Assistant",
        ("docs/integrations.md",),
        "docs/home-assistant-log.txt",
        _log("make test-home-assistant", False),
    ),
)


def gathered(root: Path) -> Iterator[Evidence]:
    """Every record of a checkout, in the order of `SOURCES`, and by name.

    Raises:
        ConfigError: a source has no record, or one cannot be read.
    """
    for source in SOURCES:
        paths = sorted(root.glob(source.files))
        if not paths:
            raise ConfigError(f"{source.files}: no record; {PAGE} speaks of it: {source.figures}")
        for path in paths:
            command, date, bundles, stale = source.read(path)
            record = path.relative_to(root).as_posix()
            yield Evidence(source.figures, source.pages, record, command, date, bundles, stale)
    for page in sorted(root.glob("docs/*.md")):
        yield from _within(page.relative_to(root).as_posix(), read_text(page))


def _within(page: str, text: str) -> Iterator[Evidence]:
    """The figures of a page that have no file of their own."""
    shipped_ones = {f"{name} {shipped_version(name)[0]}" for name in NAMES}
    for figures, date, bundles, command in _IN_PAGE.findall(text):
        if bundles.startswith(OF_NETWORKS):
            words, stale = _of_networks(bundles.removeprefix(OF_NETWORKS).split(", "))
            yield Evidence(figures, (page,), page, command, date, words, stale)
            continue
        named = [] if bundles == "none" else bundles.split(", ")
        old = [one for one in named if one not in shipped_ones]
        stale = f"{', '.join(old)}, shipped is {in_words()}" if old else ""
        yield Evidence(figures, (page,), page, command, date, ", ".join(named), stale)


def evidence_table(found: Sequence[Evidence]) -> str:
    """The table in Markdown; a record that is not of the shipped bundles is marked."""
    lines = ["| figures | on | record | command | date | bundles |", "| --- | --- | --- | --- | --- | --- |"]
    for one in found:
        pages = ", ".join(f"[{Path(page).stem}]({_from_docs(page)})" for page in one.pages)
        record = f"[{Path(one.record).name}]({_from_docs(one.record)})"
        bundles = f"**stale**: {one.bundles or 'not said'}" if one.stale else one.bundles or "of none"
        lines.append(f"| {one.figures} | {pages} | {record} | `{one.command}` | {one.date} | {bundles} |")
    current = sum(not one.stale for one in found)
    return "\n".join(
        [*lines, "", f"*{current} of {len(found)} records are of the shipped bundles ({in_words()}) or of none.*", ""]
    )


def refreshed(text: str, found: Sequence[Evidence]) -> str:
    """Make the page's table anew; raises ConfigError where there is no place for it."""
    return replace_block(text, _BLOCK, evidence_table(found), f"{PAGE}: expected the comments of the evidence")


def _from_docs(path: str) -> str:
    """A path of the repository as a link from docs/."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}"


def main(arguments: Sequence[str]) -> int:
    """Refresh the checkout's page, or with --check only say what has drifted or is stale; returns the exit code."""
    checking = is_check(arguments, __doc__)
    root = shipped("training").parent
    try:
        found, text = list(gathered(root)), read_text(root / PAGE)
        code = write_or_check(root / PAGE, text, refreshed(text, found), checking, "make evidence")
        stale = [one for one in found if one.stale]
        for one in stale:
            print(f"{one.record}: {one.stale}; {one.command}")
        return 1 if stale and checking else code
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
