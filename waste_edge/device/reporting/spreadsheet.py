"""A report as CSV: a row a stream for the period, and a row a day and stream."""

from __future__ import annotations

import csv
import io

from waste_edge.device.reporting.values import StationReport, StreamRow
from waste_edge.files.text import visible

COLUMNS = (
    "day", "stream", "sorted", "answered", "expired", "corrected_in", "corrected_out",
    "contamination", "contamination_low", "contamination_high", "contamination_basis", "audited", "audited_wrong",
)  # fmt: skip
WHOLE = "all"  # in the column `day`: a row of the whole period
_FORMULAS = ("=", "+", "-", "@")


def to_csv(report: StationReport) -> str:
    """Write the rows; `day` is `all` in those of the whole period, which alone have a contamination."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in report.streams:
        writer.writerow(_whole(row))
    for day in report.days:
        for stream, count in day.streams.items():
            writer.writerow({"day": day.day, "stream": _cell(stream), "sorted": count})
    return text.getvalue()


def _whole(row: StreamRow) -> dict[str, object]:
    found = row.contamination
    return {
        "day": WHOLE,
        "stream": _cell(row.stream),
        "sorted": row.sorted,
        "answered": row.answered,
        "expired": row.expired,
        "corrected_in": row.corrected_in,
        "corrected_out": row.corrected_out,
        "contamination": _number(found.estimate),
        "contamination_low": _number(found.low),
        "contamination_high": _number(found.high),
        "contamination_basis": found.basis,
        "audited": found.audited,
        "audited_wrong": found.wrong,
    }


def _number(share: float | None) -> str:
    return "" if share is None else f"{share:.6g}"


def _cell(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    shown = visible(name)
    return f"'{shown}" if shown.startswith(_FORMULAS) else shown
