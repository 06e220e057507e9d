"""The page and the CSV: what they show, and that nothing of a name becomes markup or a formula."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

from tests.device.reporting.stories import Story
from tests.device.reporting.test_report import report_of
from waste_edge.device.reporting.charts import Range, bars_of, interval_rows, stacked_bars
from waste_edge.device.reporting.page import to_html
from waste_edge.device.reporting.spreadsheet import to_csv
from waste_edge.device.reporting.values import DayRow, StationReport

EVIL = "<script>alert(1)</script>\"'&\u202eX"


class Tags(HTMLParser):
    """Every tag, and every attribute that could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.risky: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.risky += [(name, value) for name, value in attrs if name.startswith("on") or name in ("src", "href")]
        if tag not in ("meta", "rect", "line", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "circle"):
            assert self.open.pop() == tag


def full_report(folder: Path) -> StationReport:
    story = Story(station=EVIL)
    story.health(camera=f"bad: {EVIL}", disk="ok: fine")
    for name in ("paper", EVIL, "=cmd|' /C calc'!A0"):
        story.wait(60).answer(story.item(name, audit=True), "metal", corrects=True)
    story.reboot(600).item("ask")
    return report_of(folder, story)


def test_the_page_loads_and_runs_nothing_and_is_well_formed(tmp_path: Path) -> None:
    page = to_html(full_report(tmp_path))
    found = Tags(page)
    assert found.open == []
    assert found.risky == []
    assert "script" not in found.tags
    assert {"svg", "table", "h1"} <= found.tags
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert "url(" not in page


def test_the_page_says_all_that_the_report_says(tmp_path: Path) -> None:
    report = full_report(tmp_path)
    page = to_html(report)
    for words in ("Items by day", "Contamination by stream", "board started anew", "no sight", "metal", "95 %"):
        assert words in page
    for remark in report.remarks:
        assert remark.split(":")[0].split("(")[0][1:20] in page


def test_an_empty_report_is_a_page(tmp_path: Path) -> None:
    story = Story()
    story.health(camera="ok: looking at USB")
    page = to_html(report_of(tmp_path, story))
    assert "No item in this period" in page
    assert Tags(page).open == []


def test_charts_are_xml_and_stay_within_their_frame() -> None:
    days = [DayRow(day=f"2026-03-{day:02}", items=day, asked=0, unknown=0, streams={"a": day}) for day in range(1, 29)]
    drawn = stacked_bars("t", bars_of(days, ["a", "b"]), ["a", "b"])
    rows = [
        Range("sure", 0.1, 0.05, 0.3, 0),
        Range("opinion", 0.2, None, None, 1),
        Range("nothing", None, None, None, 2),
    ]
    for text in (drawn, interval_rows("t", rows)):
        svg = ET.fromstring(text)
        width, height = (float(one) for one in svg.get("viewBox", "").split()[2:])
        for shape in svg.iter():
            for name, most in (
                ("x", width),
                ("x1", width),
                ("x2", width),
                ("cx", width),
                ("y", height),
                ("cy", height),
            ):
                assert -0.1 <= float(shape.get(name, 0)) <= most + 0.1
    assert drawn.count("<rect") == 28
    assert "how far off is not known" in interval_rows("t", rows)
    assert interval_rows("t", rows).count("<circle") == 2


def test_long_periods_are_drawn_by_the_week() -> None:
    days = [DayRow(day=f"day {number:04}", items=1, asked=0, unknown=0, streams={"a": 1}) for number in range(365)]
    bars = bars_of(days, ["a"])
    assert len(bars) <= 62
    assert sum(sum(bar.counts) for bar in bars) == 365
    assert bars[0].name == "day 0000 to day 0006"


def test_the_csv_has_a_row_a_stream_and_a_row_a_day_and_stream(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(full_report(tmp_path)))))
    whole = {row["stream"]: row for row in rows if row["day"] == "all"}
    assert whole["paper"]["contamination_basis"] == "audits"
    assert (whole["paper"]["audited"], whole["paper"]["audited_wrong"]) == ("1", "1")
    assert "'=cmd|' /C calc'!A0" in whole, "no spreadsheet takes it for a formula"
    assert {row["day"] for row in rows} == {"all", "2026-03-02"}
