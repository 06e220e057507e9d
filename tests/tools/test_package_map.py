"""The map of the package is that of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import package_map


def test_the_architecture_page_has_todays_map() -> None:
    assert package_map.package_map() in package_map.PAGE.read_text(encoding="utf-8"), "run make map"


def test_every_package_of_the_house_is_in_a_layer() -> None:
    rooms = {path.parent.name for path in (package_map.ROOT / "waste_edge").glob("*/__init__.py")}
    assert rooms == {name.rpartition(".")[2] for layer in package_map.layers() for name in layer} - {
        path.stem for path in (package_map.ROOT / "waste_edge").glob("*.py")
    }


def test_a_map_that_drifted_is_reported_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "architecture.md"
    page.write_text("before\n<!-- map: made by make map -->\nold\n<!-- end of map -->\nafter\n")
    monkeypatch.setattr(package_map, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["package_map", "--check"])
    assert package_map.main() == 1
    assert "run make map" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["package_map"])
    assert package_map.main() == 0
    assert package_map.main() == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "`device/vision`" in text
    assert "old\n" not in text
