from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from waste_edge.dataset import LabelMap, Photo, SplitSpec, open_domains, refuse_measuring
from waste_edge.errors import DataError

LABELS = ("glass", "metal")
ROWS = [
    ("far/licensed/tins/a.png", "metal", "tins", "A tin a day", "CC BY 4.0", "t1"),
    ("far/licensed/tins/b.png", "metal", "tins", "A tin a day", "CC BY 4.0", "t1"),
    ("far/licensed/tins/c.png", "glass", "tins", "A tin a day", "CC BY 4.0", ""),
    ("far/licensed/park/d.png", "glass", "park", "Litter", "MIT", "t1"),
    ("far/licensed/park/e.png", "ground", "park", "Litter", "MIT", "t2"),
    ("far/measuring/web/f.png", "glass", "web", "Somebody's", "CC0", "t3"),
    ("far/licensed/shop/g.png", "battery", "shop", "A shop's", "NO LICENCE in repo", "t4"),
]


def write(folder: Path, rows: Sequence[Sequence[str]], first: str = "") -> Path:
    for name, *_ in rows:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(folder / name)
    table = folder / "domains.csv"
    lines = [first or "file,label,source,original_dataset,licence,group", *(",".join(row) for row in rows)]
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path, ROWS)


def test_rows_are_read_in_their_order(table: Path) -> None:
    domains = open_domains(table)
    assert domains.sources == ("park", "shop", "tins", "web")
    assert [row.photo.key for row in domains.rows] == [row[0] for row in ROWS]
    assert domains.rows[0].photo.path == table.parent / ROWS[0][0]
    assert domains.rows[0].licence == "CC BY 4.0"
    assert domains.rows[0].photo.group == domains.rows[1].photo.group != domains.rows[2].photo.group
    assert domains.pictures_by_source() == {"park": 2, "shop": 1, "tins": 3, "web": 1}


def test_known_and_strange_are_told_apart_by_the_models_labels(table: Path) -> None:
    domains = open_domains(table)
    assert [row.photo.label for row in domains.named(LABELS).rows] == ["metal", "metal", "glass", "glass", "glass"]
    assert [row.photo.label for row in domains.strange(LABELS).rows] == ["ground", "battery"]
    renamed = LabelMap(merge={"bottle": ["glass"]}, drop=["ground"])
    assert [row.photo.label for row in domains.named(["bottle"], renamed).rows] == ["bottle"] * 3
    assert [row.photo.label for row in domains.strange(["bottle"], renamed).rows] == ["metal", "metal", "battery"]


def test_only_what_is_licensed_and_not_for_measuring_may_teach(table: Path) -> None:
    domains = open_domains(table)
    assert [row.photo.key for row in domains.teaching().rows] == [row[0] for row in ROWS[:5]]
    for source, why in (("web", "measuring/"), ("shop", "NO LICENCE in repo")):
        with pytest.raises(DataError, match=why):
            domains.teaching([source])


def test_a_source_without_a_licence_column_may_not_teach(tmp_path: Path) -> None:
    table = write(tmp_path, [row[:3] for row in ROWS], "file,label,source")
    domains = open_domains(table)
    assert domains.teaching().rows == ()
    with pytest.raises(DataError, match="none given"):
        domains.teaching(["tins"])


def test_what_shares_a_group_with_a_source_left_out_goes_with_it(table: Path) -> None:
    left = open_domains(table).teaching(leave_out=["tins"])
    assert [row.photo.key for row in left.rows] == ["far/licensed/park/e.png"]
    with pytest.raises(DataError, match="has no source 'tin'; it has park, shop, tins, web"):
        open_domains(table).teaching(leave_out=["tin"])


def test_groups_are_held_out_whole_and_whatever_else_is_there(tmp_path: Path) -> None:
    rows = [
        (f"{source}/{n}.png", LABELS[n % 4 // 2], source, "", "MIT", f"{source}{n // 2}")
        for source in ("one", "two")
        for n in range(200)
    ]
    domains = open_domains(write(tmp_path, rows))
    spec = SplitSpec(seed=3, val_fraction=0.2, test_fraction=0.3)
    teach, held_out = domains.divided(spec)
    assert {row.photo.group for row in teach.rows}.isdisjoint(row.photo.group for row in held_out.rows)
    assert len(teach.rows) + len(held_out.rows) == len(rows)
    assert {source: 20 < count < 60 for source, count in held_out.pictures_by_source().items()} == {
        "one": True,
        "two": True,
    }
    assert domains.of(["two"]).divided(spec)[1] == held_out.of(["two"])
    assert domains.divided(SplitSpec(seed=4, val_fraction=0.2))[1] != held_out
    assert domains.divided(SplitSpec(val_fraction=0.0))[1].rows == ()


def test_pictures_for_measuring_are_refused_wherever_they_are_named(tmp_path: Path) -> None:
    inside, link = tmp_path / "measuring" / "web" / "a.png", tmp_path / "photos"
    inside.parent.mkdir(parents=True)
    inside.touch()
    link.symlink_to(inside.parent)
    refuse_measuring([Photo(tmp_path / "other" / "measuring.png", "measuring.png", "glass", "measuring.png")])
    for path in (inside, link / "a.png"):
        with pytest.raises(DataError, match="lies in a folder measuring/"):
            refuse_measuring([Photo(path, "a.png", "glass", "a.png")])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,label\na.png,glass\n", "lacks the column source"),
        ("file,label,source,colour\n", "unknown column 'colour'"),
        ("file,label,source,label\n", "column label stands twice"),
        ("file,label,source\n", "no rows"),
        ("file,label,source\na.png,glass\n", "line 2: expected 3 cells"),
        ("file,label,source\na.png,,web\n", "line 2: label is empty"),
        ("file,label,source\nb.png,glass,web\n", "line 2: b.png: no such picture"),
        ("file,label,source\na.png,glass,web\n./a.png,glass,web\n", "a.png stands in two rows"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "domains.csv").write_text(text)
    with pytest.raises(DataError, match=complaint):
        open_domains(tmp_path / "domains.csv")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        open_domains(tmp_path / "none.csv")


def test_a_pipe_in_the_table_s_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waste_edge.files.bounded.MAX_WAIT_FOR_TEXT_S", 0.1)
    os.mkfifo(tmp_path / "domains.csv")
    with pytest.raises(DataError, match="a pipe"):
        open_domains(tmp_path / "domains.csv")
