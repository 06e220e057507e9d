"""README's table of the rehearsed station is that of the recorded rehearsals, and these are of the shipped bundles."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tools import rehearsal_table
from waste_edge.errors import ConfigError
from waste_edge.files.resources import shipped
from waste_edge.rehearsal.report import RehearsalReport


@pytest.fixture(scope="module")
def reports() -> list[RehearsalReport]:
    return rehearsal_table._reports(shipped("training").parent)


def test_nothing_has_drifted(capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearsal_table.main(["--check"]) == 0, capsys.readouterr().out


def test_every_number_comes_from_the_rehearsals(reports: list[RehearsalReport]) -> None:
    changed = [replace(reports[0], missed=777), *reports[1:]]
    assert "777, " in rehearsal_table.rehearsal_table(changed)


def test_a_record_of_another_version_is_named(reports: list[RehearsalReport]) -> None:
    old = replace(reports[0], station=replace(reports[0].station, bundle="small 1"))
    assert rehearsal_table.other_versions(reports) == []
    assert "the record is of small 1" in rehearsal_table.other_versions([old, *reports[1:]])[0]


def test_rehearsals_of_other_material_and_of_nothing_unknown_are_refused(reports: list[RehearsalReport]) -> None:
    other = replace(reports[1], material=replace(reports[1].material, seed=99))
    with pytest.raises(ConfigError, match="different material"):
        rehearsal_table.rehearsal_table([reports[0], other])
    with pytest.raises(ConfigError, match="lacks known or unknown"):
        rehearsal_table.rehearsal_table([replace(one, unknown=None) for one in reports])


def test_other_surfaces_are_those_of_their_records(reports: list[RehearsalReport]) -> None:
    root = shipped("training").parent
    by_ground = {ground: rehearsal_table._reports(root, ground) for ground in rehearsal_table.GROUNDS}
    for ground in ("wood", "textile"):
        assert all(f"surfaces in {ground}" in report.material.grounds for report in by_ground[ground])
    text = rehearsal_table.grounds_table(by_ground, [replace(reports[0], extra=888)])
    assert "888 extra" in text
    assert "On wood" in text
    with pytest.raises(ConfigError, match="no true boxes"):
        rehearsal_table.grounds_table(by_ground, [replace(reports[0], box_overlap=None)])


def test_a_page_without_its_place_is_refused(reports: list[RehearsalReport]) -> None:
    with pytest.raises(ConfigError, match="found them 0 times"):
        rehearsal_table.refreshed("nothing\n", reports)


def test_another_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        rehearsal_table.main(["--chekc"])
    assert ended.value.code == 2
    assert "--chekc" in capsys.readouterr().err
