"""Tables of the rehearsed station: `python -m tools.rehearsal_table`, or `make rehearsal-table`.

README's is made from `benchmarks/results/rehearsal/BUNDLE.json`, which `make rehearsal-results` writes (`waste-edge
rehearse --json` of the shipped bundles); that of other surfaces in docs/results.md from the folders `wood`, `textile`,
`web` and `thousand` beside these (`make rehearsal-grounds-results`). Each stands between two comments. With --check
nothing is written: a table that has drifted, and a record of another version of a bundle than the shipped one, end it
with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.page_block import is_check, replace_block, write_or_check
from waste_edge.bundle.bundle import open_bundle
from waste_edge.errors import ConfigError, UserError
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.evaluation.report.tables import Table, share_in
from waste_edge.files.resources import BUNDLES, shipped
from waste_edge.files.strict import read_json, read_text
from waste_edge.rehearsal.report import Material, RehearsalReport, Tally

RESULTS, PAGE, GROUNDS_PAGE = "benchmarks/results", "README.md", "docs/results.md"
NAMES = ("small", "accurate")
# Records beside README's: what they are, and what of it was trained on.
GROUNDS = {
    "wood": (
        "On wood",
        "No network was trained on these items, things and surfaces; looks and thresholds were\n"
        "chosen by these items on these surfaces, known scores by the unknown things.",
    ),
    "textile": ("On textile", "What was trained on: as above."),
    "test": (
        "On wood again, items of the test part",
        "Nothing was trained on these items and surfaces, and no look or threshold was chosen by the\n"
        "items; surfaces and unknown things had a part in it. An item that was missed here led to a change of\n"
        "`is_other_light`.",
    ),
    "web": (
        "Items photographed by others",
        "No network was trained on these items and things; both were on these surfaces. The unknown things and\n"
        "such items were looked at as the known scores were chosen.",
    ),
}
_BLOCK = re.compile(r"(<!-- rehearsal: made by make rehearsal-table -->\n).*?(<!-- end of rehearsal -->)", re.DOTALL)
_GROUNDS_BLOCK = re.compile(
    r"(<!-- rehearsed grounds: made by make rehearsal-table -->\n).*?(<!-- end of rehearsed grounds -->)", re.DOTALL
)


def rehearsal_table(reports: Sequence[RehearsalReport]) -> str:
    """Format the table in Markdown, and what was rehearsed.

    Raises:
        ConfigError: the reports are not of the same material, or lack known or unknown things.
    """
    first, table = _tabulated(reports)
    return f"""{table}

{_material(reports)}
composed with seed {first.seed}, played through the station's loop. No network was trained on these items and things.
Looks and thresholds were chosen by these items, known scores by the unknown things, and the pictures of ground
trained both networks. Intervals of 95 %, by group.*
"""


def grounds_table(by_ground: Mapping[str, Sequence[RehearsalReport]], thousands: Sequence[RehearsalReport]) -> str:
    """Format the tables of other surfaces in Markdown, one a surface, and what became of a thousand things.

    Args:
        by_ground: by the surface's name, a report a bundle.
        thousands: of many things, for what is missed, doubled or extra; most of them were trained on.

    Raises:
        ConfigError: as of `rehearsal_table`.
    """
    tables = []
    for ground, reports in by_ground.items():
        first, table = _tabulated(reports)
        title, note = GROUNDS[ground]
        tables.append(f"""{title}:

{table}

{_material(reports)}
composed with seed {first.seed}. {note} Intervals of 95 %, by group.*
""")
    tables += map(_counted, thousands)
    return "\n".join(tables)


def _counted(thousand: RehearsalReport) -> str:
    """Say in a paragraph what became of a thousand things."""
    material, overlap = thousand.material, thousand.box_overlap
    if overlap is None:
        raise ConfigError(f"{RESULTS}: the rehearsal of a thousand things has no true boxes; make rehearsal-results")
    count = _tally(thousand.known).items + _tally(thousand.unknown).items
    fate = f"{thousand.missed} missed, {thousand.doubled} doubled, {thousand.extra} extra"
    return f"""Of {count} things, laid on {material.grounds}, with seed {material.seed}: {fate}.
The overlap of the box that the station found with the true one (intersection over union) is {overlap.median:.3f} in the
median, {overlap.tenth:.3f} in the worst tenth.
"""


def _tabulated(reports: Sequence[RehearsalReport]) -> tuple[Material, str]:
    """Give the material, and the table in Markdown."""
    first = reports[0].material
    if any(report.material != first for report in reports):
        raise ConfigError(f"{RESULTS}: the rehearsals are of different material; make rehearsal-results")
    known, unknown = [_tally(report.known) for report in reports], [_tally(report.unknown) for report in reports]
    rows = [
        ("label right", *(share_in(one.label_right) for one in known)),
        ("sorted into a wrong stream", *(share_in(one.sorted_wrong) for one in known)),
        ("known items kept out", *(share_in(one.kept_out) for one in known)),
        ("unknown things kept out", *(share_in(one.kept_out) for one in unknown)),
        ("missed, doubled, extra", *(f"{one.missed}, {one.doubled}, {one.extra}" for one in reports)),
    ]
    return first, rows_of(Table("", ("", *(report.station.bundle for report in reports)), rows))


def _material(reports: Sequence[RehearsalReport]) -> str:
    first, known, unknown = reports[0].material, _tally(reports[0].known), _tally(reports[0].unknown)
    laid = f"*{known.items} items of {first.known}, laid on {first.grounds}"
    return f"{laid}, and {unknown.items} of {first.unknown}: videos"


def refreshed(text: str, reports: Sequence[RehearsalReport]) -> str:
    """Make README's table anew; raises ConfigError where there is no place for it."""
    return replace_block(text, _BLOCK, rehearsal_table(reports), f"{PAGE}: expected the comments of the rehearsal")


def refreshed_grounds(
    text: str, by_ground: Mapping[str, Sequence[RehearsalReport]], thousands: Sequence[RehearsalReport]
) -> str:
    """Make the tables of other surfaces anew; raises ConfigError where there is no place for them."""
    where = f"{GROUNDS_PAGE}: expected the comments of the rehearsed grounds"
    return replace_block(text, _GROUNDS_BLOCK, grounds_table(by_ground, thousands), where)


def other_versions(reports: Sequence[RehearsalReport]) -> list[str]:
    """List the records that are not of a shipped bundle's version."""
    found = []
    for name, report in zip(NAMES, reports, strict=True):
        with open_bundle(BUNDLES / name) as bundle:
            shipped_one = f"{name} {bundle.manifest.version}"
        if report.station.bundle != shipped_one:
            found.append(f"the record is of {report.station.bundle}, shipped is {shipped_one}; make rehearsal-results")
    return found


def _tally(tally: Tally | None) -> Tally:
    if tally is None:
        raise ConfigError(f"{RESULTS}: a rehearsal lacks known or unknown things; make rehearsal-results")
    return tally


def _reports(root: Path, ground: str = "") -> list[RehearsalReport]:
    return [read_json(root / RESULTS / "rehearsal" / ground / f"{name}.json", RehearsalReport) for name in NAMES]


def main(arguments: Sequence[str]) -> int:
    """Refresh the checkout's page, or with --check only say what has drifted; returns the exit code."""
    checking = is_check(arguments, __doc__)
    root = shipped("training").parent
    try:
        reports, by_ground = _reports(root), {ground: _reports(root, ground) for ground in GROUNDS}
        many = sorted((root / RESULTS / "rehearsal" / "thousand").glob("*.json"))
        thousands = [read_json(path, RehearsalReport) for path in many]
        texts = {page: read_text(root / page) for page in (PAGE, GROUNDS_PAGE)}
        made = {
            PAGE: refreshed(texts[PAGE], reports),
            GROUNDS_PAGE: refreshed_grounds(texts[GROUNDS_PAGE], by_ground, thousands),
        }
        codes = [
            write_or_check(root / page, texts[page], text, checking, "make rehearsal-table")
            for page, text in made.items()
        ]
        every = (reports, *by_ground.values())
        old = [line for one in every for line in other_versions(one)] if checking else []
        for line in old:
            print(line)
        return 1 if old else max(codes)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
