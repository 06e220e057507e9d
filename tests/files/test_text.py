from __future__ import annotations

import json

import pytest

from waste_edge.files.text import as_line, fault_of_name, in_markdown, reading_key, visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("glass", "glass"),
        ("\x1b[2J\rb", "\\x1b[2J\\rb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("caf\udce9", "caf\\udce9"),
        ("zwj \u200d and zwnj \u200c stay", "zwj \u200d and zwnj \u200c stay"),
        ("9.41.00\u202fAM \u5199\u771f\u30001", "9.41.00\u202fAM \u5199\u771f\u30001"),
    ],
)
def test_what_could_move_a_cursor_is_escaped_and_what_people_write_is_not(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_stay_where_they_are_ours() -> None:
    assert visible("one\ntwo\r", lines=True) == "one\ntwo\\r"


def test_json_stays_equal() -> None:
    document = json.dumps({"a": "\x7f\u202e\x85é"}, ensure_ascii=False)
    shown = visible_json(document)
    assert json.loads(shown) == json.loads(document)
    assert not set("\x7f\u202e\x85") & set(shown)


def test_a_path_in_json_keeps_its_letters() -> None:
    assert as_line("a\nb\udce9\x1b") == "a\\nb\\udce9\x1b"


def test_markdown_gets_no_column_tag_or_link() -> None:
    assert in_markdown("a|b<b>[x](y)`c`") == "a\\|b&lt;b>[x]\\(y)\\`c\\`"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Glass", "glass"),
        ("verr\u00e9", "verre\u0301"),
        ("plastic\u00a0bottle", "plastic bottle"),
        ("pa\u200dper", "paper"),
        ("STRASSE", "stra\u00dfe"),
        ("paper ", "paper"),
    ],
)
def test_names_that_read_the_same(one: str, other: str) -> None:
    assert reading_key(one) == reading_key(other)


def test_names_that_read_differently() -> None:
    assert len({reading_key(name) for name in ("glass", "grass", "verre", "verr\u00e9", "g lass")}) == 5


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("Screenshot 9.41.00\u202fAM.jpg", ""),
        ("\u5199\u771f\u30001.jpg", ""),
        ("\U0001f469\u200d\U0001f52c.jpg", ""),
        ("caf\udce9.jpg", "not a UTF-8 name"),
        ("a\rb.jpg", "a name with control characters"),
        ("a\u2028b.jpg", "a name with control characters"),
    ],
)
def test_only_names_that_no_table_can_hold_are_at_fault(name: str, fault: str) -> None:
    assert fault_of_name(name) == fault
