"""README's table of the rehearsed station: `python -m tools.rehearsal_table`, or `make rehearsal-table`.

It is made from `benchmarks/results/rehearsal/BUNDLE.json`, which `make rehearsal-results` writes (`waste-edge rehearse
--json` of the shipped bundles), and stands between two comments. With --check nothing is written: a table that has
drifted, and a record of another version of a bundle than the shipped one, end it with 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.page_block import replace_block, write_or_check
from waste_edge.bundle.bundle import open_bundle
from waste_edge.errors import ConfigError, UserError
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.evaluation.report.tables import Table, share_in
from waste_edge.files.resources import BUNDLES, shipped
from waste_edge.files.strict import read_json, read_text
from waste_edge.rehearsal.report import RehearsalReport, Tally

RESULTS, PAGE = "benchmarks/results", "README.md"
NAMES = ("small", "accurate")
_BLOCK = re.compile(r"(<!-- rehearsal: made by make rehearsal-table -->\n).*?(<!-- end of rehearsal -->)", re.DOTALL)


def rehearsal_table(reports: Sequence[RehearsalReport]) -> str:
    """Format the table in Markdown, and what was rehearsed.

    Raises:
        ConfigError: the reports are not of the same material, or lack known or unknown things.
    """
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
    table = rows_of(Table("", ("", *(report.station.bundle for report in reports)), rows))
    return f"""{table}

*{known[0].items} items of {first.known}, laid on {first.grounds}, and {unknown[0].items} of {first.unknown}: videos
composed with seed {first.seed}, played through the station's loop. No network was trained on these items and things.
The unknown things chose the known scores, and the pictures of ground trained both networks.
Intervals of 95 %, by group.*
"""


def refreshed(text: str, reports: Sequence[RehearsalReport]) -> str:
    """Make a page's table anew; raises ConfigError where there is no place for it."""
    return replace_block(text, _BLOCK, rehearsal_table(reports), f"{PAGE}: expected the comments of the rehearsal")


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


def _reports(root: Path) -> list[RehearsalReport]:
    return [read_json(root / RESULTS / "rehearsal" / f"{name}.json", RehearsalReport) for name in NAMES]


def main(arguments: Sequence[str]) -> int:
    """Refresh the checkout's page, or with --check only say what has drifted; returns the exit code."""
    root = shipped("training").parent
    try:
        reports, text = _reports(root), read_text(root / PAGE)
        made = refreshed(text, reports)
        code = write_or_check(root / PAGE, text, made, arguments, "make rehearsal-table")
        old = other_versions(reports) if "--check" in arguments else []
        for line in old:
            print(line)
        return 1 if old else code
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
