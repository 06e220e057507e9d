"""Changing a TOML text: the values are the wanted ones, and every comment stays."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waste_edge.device.service.unit import config_template
from waste_edge.device.setup.document import TomlText, literal

TEMPLATE = config_template().read_text(encoding="utf-8")


def changed(text: str, *steps: tuple[str, ...]) -> TomlText:
    document = TomlText(text)
    for method, *arguments in steps:
        getattr(document, method)(*arguments)
    return document


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("", "name", 'bin "7" #1'),
        ("", "site", "four_bins"),
        ("", "source", "rtsp://cam/h264"),
        ("", "state", "state"),
        ("page", "host", "0.0.0.0"),
        ("page", "token_file", "page-token"),
        ("mqtt", "host", "broker.local"),
        ("mqtt", "port", 1884),
        ("mqtt", "tls", False),
        ("json_lines", "path", "x.jsonl"),
        ("push", "cooldown_s", 10.5),
        ("new", "key", "value"),
    ],
)
def test_one_key_of_the_template_and_nothing_else(table, key, value):
    after = changed(TEMPLATE, ("set", table, key, value)).text
    expected = tomllib.loads(TEMPLATE)
    (expected.setdefault(table, {}) if table else expected)[key] = value
    assert tomllib.loads(after) == expected
    before, now = TEMPLATE.splitlines(), after.splitlines()
    assert len([line for line in before if line not in now]) <= 2  # the key's own line, and a header that was off
    again = changed(after, ("set", table, key, value)).text
    assert again == after


def test_comments_behind_a_value_stay():
    after = changed('a = "x # y"  # first\n[t]\n# b = 1   # second\n', ("set", "", "a", "z"), ("set", "t", "b", 2)).text
    assert after == 'a = "z"  # first\n[t]\nb = 2   # second\n'


def test_values_of_several_lines_are_replaced_whole():
    text = 'a = [\n  "x", # [not.a.table]\n  "y",\n]\nb = """\n[nor.this]\na = 1\n"""\n[t]\nc = 1\n'
    after = changed(text, ("set", "", "a", "short"), ("set", "", "b", 1), ("set", "t", "c", 2)).text
    assert after == 'a = "short"\nb = 1\n[t]\nc = 2\n'


def test_a_key_behind_a_commented_out_header_is_found():
    text = '[json_lines]\n# [mqtt]\npath = "x"\n'
    after = changed(text, ("set", "json_lines", "path", "y")).text
    assert tomllib.loads(after) == {"json_lines": {"path": "y"}}


def test_tables_are_switched_off_and_on_again():
    on = changed(TEMPLATE, ("set", "mqtt", "host", "b"), ("set", "page", "port", 1)).text
    off = changed(on, ("switch_off", "mqtt"), ("switch_off", "page")).text
    assert tomllib.loads(off) == tomllib.loads(TEMPLATE)
    assert '# host = "b"' in off
    back = changed(off, ("set", "mqtt", "host", "c")).text
    assert tomllib.loads(back)["mqtt"] == {"host": "c"}
    assert changed(on, ("unset", "mqtt", "host"), ("unset", "mqtt", "nothing")).text.count('# host = "b"') == 1


def test_arrays_of_tables_are_replaced_as_a_block():
    block = ["[gpio]", "watchdog_s = 3", "[[gpio.outputs]]", 'stream = "a"', "pin = 17"]
    once = changed(TEMPLATE, ("replace", "gpio", block)).text
    assert tomllib.loads(once)["gpio"] == {"watchdog_s": 3, "outputs": [{"stream": "a", "pin": 17}]}
    assert tomllib.loads(once)["json_lines"] == tomllib.loads(TEMPLATE)["json_lines"]
    twice = changed(once, ("replace", "gpio", [*block[:4], "pin = 18"])).text
    assert (
        twice == once.replace("pin = 17\n", "pin = 18\n", 1) or tomllib.loads(twice)["gpio"]["outputs"][0]["pin"] == 18
    )
    assert len(twice.splitlines()) == len(once.splitlines())
    assert changed("", ("replace", "gpio", block)).text == "\n".join(block) + "\n"


PIECES = ["# a = 1", "#b = 'x'  # y", "# [t]", "# [[u]]", "", "  ", "# words = of people", "# c = [", "## [v]"]
VALUES = [
    '"x # y"',
    "1",
    '["a",\n  "[t]", # c\n]',
    '"""\n[t]\na = 2\n"""',
    "{ a = 1 }",
    "true  # b = 3",
    "'''\n# [u]\n'''",
]


@st.composite
def texts(draw) -> str:
    """Configurations of all forms: tables, commented-out tables and keys, values of several lines."""
    lines: list[str] = []
    for table in ["", *draw(st.lists(st.sampled_from("tuv"), unique=True))]:
        if table:
            lines.append(draw(st.sampled_from([f"[{table}]", f"  [ {table} ]  # {table}"])))
        for key in draw(st.lists(st.sampled_from("abc"), unique=True)):
            lines += draw(st.lists(st.sampled_from(PIECES), max_size=2))
            lines.append(f"{key} = {draw(st.sampled_from(VALUES))}")
    return "\n".join([*lines, *draw(st.lists(st.sampled_from(PIECES), max_size=3))]) + "\n"


@settings(max_examples=60, deadline=None)
@given(texts(), st.sampled_from(["", "t", "u", "w"]), st.sampled_from("abd"), st.sampled_from(["new", 7, True]))
def test_whatever_the_text_the_values_are_the_wanted_ones(text, table, key, value):
    expected = tomllib.loads(text)
    where = expected.setdefault(table, {}) if table else expected
    where[key] = value
    after = changed(text, ("set", table, key, value)).text
    assert tomllib.loads(after) == expected
    del where[key]
    assert tomllib.loads(changed(after, ("unset", table, key)).text) == expected
    if table:
        del expected[table]
        assert tomllib.loads(changed(after, ("switch_off", table)).text) == expected


@pytest.mark.parametrize("value", ["", "a\tb\n", 'q"\\', "é\x7f", 3, -1, 2.5, True, False])
def test_literals_read_as_they_were(value):
    assert tomllib.loads(f"a = {literal(value)}") == {"a": value}
