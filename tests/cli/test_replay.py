"""`waste-edge replay`: what would have been decided otherwise, on the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.device.replay.conftest import pictures as pictures  # fixtures of a station that decided
from tests.device.replay.conftest import state as state

WasteEdge = Callable[..., Any]
SITE = """
name = "two bins"
residual = "residual"
ask = 0.1
[streams]
red = "warm"
green = "cold"
blue = "cold"
"""


@pytest.fixture
def config(tmp_path: Path, tiny_bundle: Path, state: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(f'bundle = "{tiny_bundle}"\nstate = "state"\n', encoding="utf-8")
    return path


def test_the_same_station_decides_the_same(waste_edge: WasteEdge, config: Path) -> None:
    outcome = waste_edge("replay", "--config", config, "--days", 3650, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert (report["schema"], report["bundle"], report["items"], report["identical"]) == (1, "tiny 1.0", 24, 24)
    text = waste_edge("replay", "--config", config, "--days", 3650).stdout
    assert "changed 0 (0 to another stream), unchanged 24" in text


def test_another_site_lists_what_changes(waste_edge: WasteEdge, config: Path, tmp_path: Path) -> None:
    site = tmp_path / "new.toml"
    site.write_text(SITE, encoding="utf-8")
    outcome = waste_edge("replay", "--config", config, "--site", site, "--days", 3650, "--limit", 5)
    assert outcome.exit_code == 0, outcome.stderr
    assert "tiny 1.0, site two bins" in outcome.stdout
    assert outcome.stdout.count(" -> ") == 1 + 5, "a heading, and five items with their reasons"
    assert "older changed items are left out; --limit lists more" in outcome.stdout
    assert waste_edge("replay", "--config", config, "--site", site).stdout.startswith(
        "tiny 1.0, site two bins, from "
    ), "nothing lately is no error"


def test_a_bundle_with_other_thresholds_is_replayed_without_a_configuration(
    waste_edge: WasteEdge, state: Path, bundle_copy: Path, edit_manifest: Callable[..., None]
) -> None:
    edit_manifest(bundle_copy, "calibration.temperature", 5.0)
    outcome = waste_edge("replay", "--state", state, "--bundle", bundle_copy, "--days", 3650, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report["changed"] == len(report["changes"]) > 0
    assert report["changes"][0]["after"]["stream"] == "residual"


def test_what_cannot_be_replayed_is_said_in_one_line(
    waste_edge: WasteEdge,
    config: Path,
    state: Path,
    bundle_copy: Path,
    tmp_path: Path,
    replace_file: Callable[[Path, str, bytes], None],
) -> None:
    for name in ("onnx-fp32", "onnx-int8"):
        replace_file(bundle_copy, f"artifacts.{name}", (bundle_copy / f"{name}.onnx").read_bytes() + b" ")
    for arguments, says in (
        (["--config", config, "--bundle", bundle_copy], "let it run in shadow: waste-edge model install"),
        (["--state", state], "tiny 1.0, which decided last at this station, is not on this machine"),
        (["--state", state, "--bundle", "small"], "has other network files than the one that answered here"),
        (["--config", config, "--site", tmp_path / "no.toml"], "no such file"),
        (["--state", tmp_path / "nowhere"], "no outbox there; give the station's --state DIR\n"),
    ):
        outcome = waste_edge("replay", *arguments)
        assert outcome.exit_code == 2, arguments
        assert outcome.stdout == ""
        assert says in outcome.stderr, outcome.stderr
        assert outcome.stderr.count("\n") == 1
