"""`run` with `[answers]`: what is asked, what falls to the residual stream after a restart, and what is refused."""

from __future__ import annotations

import json
import time

import pytest

from tests.cli.test_run_station import lines_of, of_kind, write_config

SITE = 'name = "yard"\nresidual = "rest"\nask = 0.0\n[streams]\nblue = "b"\ngreen = "g"\nred = "r"\n'
ANSWERS = "[json_lines]\n[answers]\nexpire_s = 1"


@pytest.fixture
def station(tmp_path, photos, tiny_bundle):
    """A station whose site asks about everything, since asking costs nothing; its lines in the file of events."""
    (tmp_path / "yard.toml").write_text(SITE)
    bundle = f"bundle = {json.dumps(str(tiny_bundle))}"
    return write_config(tmp_path, 'source = "photos"', bundle, 'state = "kept"', 'site = "yard.toml"', sinks=ANSWERS)


def kept(config) -> list[dict]:
    return lines_of((config.parent / "kept" / "events.jsonl").read_text())


def test_what_nobody_answers_falls_to_the_residual_stream_after_a_restart(waste_edge, station):
    outcome = waste_edge("run", "--config", station, "--json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    decisions = of_kind(lines_of(outcome.stdout), "decision")
    assert [(line["action"], line["expires_s"], line["audit"]) for line in decisions] == [("ask", 1.0, False)] * 4
    assert {candidate["stream"] for line in decisions for candidate in line["candidates"]} <= {"b", "g", "r"}
    events = of_kind(kept(station), "event")
    assert [event["candidates"] for event in events] == [line["candidates"] for line in decisions]
    time.sleep(1)
    again = waste_edge("run", "--config", station)
    assert again.exit_code == 0
    assert again.stdout.count("not answered in time → rest (was ask)") == 4
    lines = kept(station)
    answers = of_kind(lines, "answer")
    assert [line["id"] for line in answers] == [line["id"] for line in decisions]
    assert {(line["source"], line["stream"], line["action"]) for line in answers} == {("timeout", "rest", "residual")}
    assert [line["sequence"] for line in lines if line["kind"] != "health"] == list(range(1, 13))


def test_without_the_table_nobody_is_awaited(waste_edge, station):
    station.write_text(station.read_text().replace("[answers]\nexpire_s = 1", ""))
    outcome = waste_edge("run", "--config", station, "--json")
    assert {line["expires_s"] for line in of_kind(lines_of(outcome.stdout), "decision")} == {None}
    time.sleep(1)
    waste_edge("run", "--config", station)
    assert of_kind(kept(station), "answer") == []


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ("[answers]\nexpire_s = 0", "expire_s must be 1 to 86400"),
        ("[answers]\naudit = 2.0", "audit is a share from 0 to 1"),
        ('[answers]\nsources = ["post"]', "expected one of gpio, mqtt, page"),
        (
            '[[gpio.outputs]]\nstream = "green"\npin = 4',
            "no stream 'green' at this site; expected one of b, g, r, rest",
        ),
        ('[[gpio.buttons]]\nanswer = "b"\npin = 4', "add the table [answers]"),
        ('[webhook]\nurl = "https://example.org"', "give secret_file or secret_environment"),
    ],
)
def test_a_wrong_table_is_one_line_and_exit_code_2(waste_edge, station, tables, words):
    station.write_text(station.read_text().replace(ANSWERS, tables))
    outcome = waste_edge("run", "--config", station)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_answers_need_a_folder(waste_edge, station):
    station.write_text(station.read_text().replace('state = "kept"', "").replace("[json_lines]", ""))
    outcome = waste_edge("run", "--config", station)
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "[answers]: needs a folder where answers are kept: give --state DIR" in outcome.stderr
