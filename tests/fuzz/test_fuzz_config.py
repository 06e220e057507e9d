"""TOML and JSON: what an installer writes, and what a bundle or a run brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.harness import fuzzed, mutated, survive
from waste_edge.bundle.manifest import Manifest
from waste_edge.device.config import read_config
from waste_edge.engines.graph.rules import read_target
from waste_edge.export.recipe import ExportRecipe
from waste_edge.files.resources import BUNDLES, shipped
from waste_edge.files.strict import read_json, read_text, read_toml
from waste_edge.site import Site
from waste_edge.training.data.cards import read_card

STATION = b"""name = "bin 3"
camera = "/dev/video0"
state = "state"
threads = 2
[outbox]
keep = 1000
[json_lines]
max_mb = 4
[mqtt]
host = "broker"
username = "u"
[answers]
audit = 0.02
[webhook]
url = "https://example.org/a"
[push]
url = "https://ntfy.sh"
topic = "a"
[[gpio.outputs]]
stream = "a"
pin = 4
"""


def files(room: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(shipped(room).glob("*.toml"))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "a.toml"


@fuzzed("station", 0.09, content=mutated([STATION, shipped("device/station.toml").read_bytes()]))
def test_stations(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("station", lambda: read_config(place))


@fuzzed("site", 0.06, content=mutated(files("device/sites")))
def test_sites(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("site", lambda: read_toml(place, Site))


@fuzzed("card", 0.05, content=mutated(files("training/data")))
def test_data_cards(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("card", lambda: read_card(str(place)))


@fuzzed("target", 0.02, content=mutated(files("export/targets")))
def test_targets(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("target", lambda: read_target(str(place)))


@fuzzed("export", 0.02, content=mutated(files("export")))
def test_export_recipes(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("export", lambda: read_toml(place, ExportRecipe))


@fuzzed("manifest", 0.09, content=mutated([(BUNDLES / "small" / "manifest.json").read_bytes()]))
def test_manifests(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("manifest", lambda: read_json(place, Manifest))


@fuzzed("read-text", 0.02, content=mutated([b"\xef\xbb\xbfname = 1", "é".encode("utf-16")]))
def test_text_files(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    survive("read-text", lambda: read_text(place))
