from __future__ import annotations

import json
from pathlib import Path

import pytest

from waste_edge.errors import ConfigError
from waste_edge.files.strict import Strict, read_json, read_toml, to_json


class Inner(Strict, frozen=True):
    width_px: int


class Outer(Strict, frozen=True):
    name: str
    inner: Inner
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError(f"share must be at most 1, got {self.share}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{"name": "a", "inner": {"width_px": 1}, "nmae": 2}', "unknown key `nmae`", id="unknown key"),
        pytest.param('{"name": "a", "inner": {"width_px": 1, "w": 2}}', "unknown key `w`, in `inner`", id="nested"),
        pytest.param('{"name": "a", "inner": {"width_px": "1"}}', "`inner.width_px`", id="wrong type"),
        pytest.param('{"name": "a", "inner": {}}', "missing key `width_px`, in `inner`", id="missing key"),
        pytest.param('{"name": "a", "inner": {"width_px": 1}, "share": 2}', "share must be at most 1", id="value"),
        pytest.param('{"name": "a", "inner"', "truncated", id="truncated"),
        pytest.param("[]", "array", id="another shape"),
        pytest.param("", "truncated", id="empty"),
    ],
)
def test_json_errors_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_json(path, Outer)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'a'\n[inner]\nwidth_px = 1.5\n", "`inner.width_px`"),
        ("name = 'a'\nother = 1\n[inner]\nwidth_px = 1\n", "unknown key `other`"),
        ("name = \n", "line 1"),
    ],
)
def test_toml_errors_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_toml(path, Outer)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_json(tmp_path / "none.json", Outer)
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_toml(tmp_path, Outer)
    (tmp_path / "bytes").write_bytes(b"\xff\xff")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_json(tmp_path / "bytes", Outer)


def test_a_name_that_is_not_utf8_is_written_escaped() -> None:
    document = to_json({"folders": ["gl\udce4s", {"p\udcff": 1}]})
    assert json.loads(document) == {"folders": ["gl\\udce4s", {"p\\udcff": 1}]}


def test_round_trip_keeps_the_declared_order(tmp_path: Path) -> None:
    value = Outer(name="ä", inner=Inner(width_px=3))
    path = tmp_path / "a.json"
    path.write_text(to_json(value), encoding="utf-8")
    assert read_json(path, Outer) == value
    assert to_json(value).index("name") < to_json(value).index("inner") < to_json(value).index("share")
    assert to_json(value).endswith("}\n")
