"""Plug-ins: the toy of docs/extend.md, a distribution outside the package, works wherever its parts are named."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from waste_edge import plugins
from waste_edge.device.config import read_config
from waste_edge.engines import names
from waste_edge.errors import ConfigError
from waste_edge.plugins import GROUPS, PlugIn, find_plugin, installed_plugins, load_plugin, resolve

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extend.md"
_BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

WasteEdge = Callable[..., Any]


def install(folder: Path, entry_points: dict[str, dict[str, str]], name: str = "waste-edge-toy") -> None:
    """What an installer leaves of a distribution's metadata."""
    metadata = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [
        line
        for group, parts in entry_points.items()
        for line in (f"[{group}]", *(f"{part} = {value}" for part, value in parts.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that holds the toy, as the page has it."""
    folder = tmp_path_factory.mktemp("site")
    files = dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    install(folder, project["entry-points"], project["name"])
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def toy(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The toy is installed, for this process and those that it starts; nothing of it has been imported."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    yield site
    names._plugin_spec.cache_clear()
    for module in [module for module in sys.modules if module.partition(".")[0] == "waste_edge_toy"]:
        del sys.modules[module]


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("waste_edge_toy.")}


def test_each_verb_says_which_plugins_it_takes_and_imports_none(waste_edge: WasteEdge, toy: Path) -> None:
    said = {verb: " ".join(waste_edge(verb, "--help").stdout.split()) for verb in ("run", "doctor", "bench", "train")}
    one = "toy (waste-edge-toy 1.0)"
    assert f"Plug-ins: cameras: {one}; sinks: {one}; engines: {one}." in said["run"]
    assert f"sinks: {one}" in said["doctor"]
    assert f"Plug-ins: engines: {one}." in said["bench"]
    assert f"Plug-ins: networks: {one}." in said["train"]
    assert not imported()


def test_a_station_of_three_plugins_decides(
    waste_edge: WasteEdge, toy: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    station = tmp_path / "station.toml"
    station.write_text(
        f'camera = "toy"\nengine = "toy"\nbundle = "{tiny_bundle}"\nstate = "state"\n[sinks.toy]\npath = "seen.txt"\n',
        encoding="utf-8",
    )
    ended = waste_edge("run", "--config", station, "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    decided = [line for line in map(json.loads, ended.stdout.splitlines()) if line["kind"] == "decision"]
    assert len(decided) == 1
    assert (tmp_path / "state" / "seen.txt").read_text(encoding="utf-8") == f"{decided[0]['label']}\n"
    assert imported() >= {"waste_edge_toy.camera", "waste_edge_toy.sink", "waste_edge_toy.runner"}
    assert "waste_edge_toy.plate" not in imported(), "the camera is opened in the capture process alone"


def test_the_doctor_tries_each(
    waste_edge: WasteEdge, toy: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waste_edge.device.doctor.camera._FRAME_LIMIT_S", 60.0)  # this machine may be busy
    station = tmp_path / "station.toml"
    text = f'camera = "toy"\nengine = "toy"\nbundle = "{tiny_bundle}"\nstate = "."\n[sinks.toy]\n'
    station.write_text(text, encoding="utf-8")
    told = json.loads(waste_edge("doctor", "--config", station, "--json").stdout)
    found = {one["part"]: (one["level"], one["text"]) for one in told["conditions"]}
    assert found["camera"] == ("ok", "toy plate gives frames")
    assert found["sink-toy"] == ("ok", f"can be told: labels go to {tmp_path / 'labels.txt'}")
    assert found["engine-toy"][0] == "ok"
    assert found["engine-toy"][1].startswith("Toy 1.0: ")
    assert not (tmp_path / "labels.txt").exists()


def test_a_benchmark_has_rows_of_the_engine(waste_edge: WasteEdge, toy: Path, tiny_bundle: Path) -> None:
    words = ("bench", tiny_bundle, "--engine", "toy", "--engine-only", "--seconds", "0.2", "--json")
    rows = json.loads(waste_edge(*words).stdout)["rows"]
    keys = {row["key"].partition("/")[2]: row["engine"] for row in rows if row["status"] == "measured"}
    assert {"onnx-fp32/toy/1/ours", "onnx-int8/toy/1/ours"} <= keys.keys()
    assert keys["onnx-int8/toy/1/ours"] == "Toy 1.0"
    assert "onnx-int8/toy/1/bare" not in keys
    assert {"onnx-int8/onnx/1/ours", "onnx-int8/onnx/1/bare"} <= keys.keys()


def test_a_recipe_may_name_the_network(waste_edge: WasteEdge, toy: Path, colour_photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'name = "toy"\n[model]\narchitecture = "toy"\nwidth = 0.5\n[input]\nwidth_px = 32\nheight_px = 32\n'
        "[fit]\nepochs = 1\n",
        encoding="utf-8",
    )
    ended = waste_edge("train", recipe, "--data", colour_photos, "--out", tmp_path / "run", "--json")
    assert ended.exit_code == 0, ended.stderr
    from waste_edge.training.runs import open_run

    assert type(open_run(tmp_path / "run").network).__name__ == "ToyNet"


def test_nothing_is_looked_up_for_a_station_of_the_packages_own_parts(
    waste_edge: WasteEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "installed_plugins", lambda group: pytest.fail(f"looked for {group}"))
    (tmp_path / "station.toml").write_text('camera = "synthetic"\nengine = "onnx"\n[json_lines]\n', encoding="utf-8")
    assert read_config(tmp_path / "station.toml").engine == "onnx"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('engine = "toy"', "broken 1.0: the entry point waste_edge.engines: toy = nowhere:ENGINE cannot be loaded"),
        ("[sinks.toy]", "broken 1.0: the entry point waste_edge.sinks: toy = json:dumps is function; expected type"),
        ("[sinks.list]", "broken 1.0: waste_edge.sinks: list is list; expected a subclass of SinkConfig"),
        ('camera = "toy"', "broken 1.0: the entry point waste_edge.cameras: toy = json:nothing cannot be loaded"),
    ],
)
def test_a_plugin_that_fails_is_one_line(
    waste_edge: WasteEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    parts = {
        "waste_edge.engines": {"toy": "nowhere:ENGINE"},
        "waste_edge.sinks": {"toy": "json:dumps", "list": "builtins:list"},
        "waste_edge.cameras": {"toy": "json:nothing"},
    }
    install(tmp_path / "site", parts, "broken")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "photos" / "0.png")
    given = text if "camera" in text else f'source = "photos"\n{text}'
    (tmp_path / "station.toml").write_text(given + "\n", encoding="utf-8")
    ended = waste_edge("run", "--config", tmp_path / "station.toml", "--state", tmp_path / "state", "--bundle", "small")
    assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert words in ended.stderr


def test_a_key_of_its_table_that_is_wrong_names_the_table(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text('[sinks.toy]\npaht = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"station\.toml: sinks\.toy: unknown key `paht`.*did you mean path\?"):
        read_config(tmp_path / "station.toml")


def test_two_of_one_name_are_refused(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {"waste_edge.cameras": {"toy": "other:CAMERA"}}, "other-toy")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"other-toy 1\.0.*; uninstall one of them"):
        find_plugin("cameras", "toy")


def test_parts_by_their_names(toy: Path) -> None:
    assert {str(one) for group in GROUPS for one in installed_plugins(group)} == {"toy (waste-edge-toy 1.0)"}
    plugin = find_plugin("engines", "toy")
    assert isinstance(plugin, PlugIn)
    assert load_plugin(plugin, names.EngineSpec).format == "onnx"
    assert resolve("json:dumps") is json.dumps
    with pytest.raises(ImportError, match="json has no 'nothing'"):
        resolve("json:nothing")


def test_a_start_does_not_import_the_metadata_of_packages() -> None:
    code = "import sys, waste_edge.device.config, waste_edge.cli.run; print('importlib.metadata' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
