"""The wheel carries everything, brings no torch, and works away from the checkout."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import Environment, call
from waste_edge.bundle.manifest import ARTIFACT_NAMES

BUNDLES = ("small", "accurate")
HEAVY = ("torch", "torchvision", "onnx", "timm", "transformers", "matplotlib", "sklearn", "safetensors")


def test_the_wheel_holds_recipes_units_sites_and_bundles(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = "waste_edge/_shipped/"
    for name in (
        f"{shipped}training/teacher_edgetpu.toml",
        f"{shipped}training/student_small.toml",
        f"{shipped}training/student_mobilenet_v1_025.toml",
        f"{shipped}training/data/trashnet.toml",
        f"{shipped}training/taxonomies/four_bins.toml",
        f"{shipped}export/static_wi8_ai8.toml",
        f"{shipped}systemd/waste-edge.service",
        f"{shipped}device/station.toml",
        f"{shipped}device/install.sh",
        f"{shipped}device/cloud-init/vendor-data",
        f"{shipped}device/sites/six_materials.toml",
        f"{shipped}device/sites/four_bins.toml",
        *(f"waste_edge/bundles/{name}/{file}" for name in BUNDLES for file in ("manifest.json", "MODEL_CARD.md")),
        "waste_edge/demo/clip.mp4",
        "waste_edge/py.typed",
    ):
        assert name in names
    for bundle, networks in zip(BUNDLES, (4, 2), strict=True):
        assert sum(name.startswith(f"waste_edge/bundles/{bundle}/model-") for name in names) == networks
    assert wheel.stat().st_size < 20_000_000
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"waste_edge"}


def test_the_installer_finds_the_layout_of_environments_in_the_wheels_file(wheel: Path, tmp_path: Path) -> None:
    """Before anything is installed: Python imports from the file, without any site-packages."""
    program = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); "
        "from waste_edge.device.service.environments import main; main(['-h'])"
    )
    done = call(sys.executable, "-I", "-S", "-c", program, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--wheels" in done.stdout


@pytest.mark.parametrize("package", HEAVY)
def test_a_runtime_install_brings_nothing_heavy(runtime: Environment, package: str) -> None:
    done = runtime.run("python", "-c", f"import {package}")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_every_module_of_the_device_side_imports_without_them(runtime: Environment) -> None:
    program = """
import importlib, pkgutil, waste_edge
host = ("waste_edge.training", "waste_edge.export", "waste_edge.plots", "waste_edge.__main__")
host += ("waste_edge.device.sinks.mqtt.client",)  # of the extra mqtt, imported when that sink connects
# Of the extras gpio and web, imported when a station has these tables; `server` is a process of its own.
host += ("waste_edge.device.gpio.outputs", "waste_edge.device.gpio.control", "waste_edge.device.page.server.")
# HTML pages, made with jinja2 of the extra train, imported when one is made
host += tuple(f"waste_edge.evaluation.{page}" for page in ("report.page", "report.charts", "domains.page"))
names = [m.name for m in pkgutil.walk_packages(waste_edge.__path__, "waste_edge.") if not m.name.startswith(host)]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    done = runtime.run("python", "-c", program)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_the_verbs_of_a_station_work_with_the_runtime_alone(
    runtime: Environment, tmp_path: Path, colour_photos: Path
) -> None:
    picture = next((colour_photos / "images" / "red").glob("*.png"))
    for bundle in BUNDLES:
        assert runtime.run("waste-edge", "verify", bundle).returncode == 0
    assert "small" in runtime.run("waste-edge", "inspect", "small").stdout
    classified = runtime.run("waste-edge", "classify", picture, "--json")
    assert set(json.loads(classified.stdout)["probabilities"]) >= {"glass", "paper"}
    timed = runtime.run("waste-edge", "bench", "--json", "--seconds", "1", "--cpu-time")  # however busy
    assert timed.returncode == 0, timed.stderr
    assert {row["artifact"] for row in json.loads(timed.stdout)["rows"]} == set(ARTIFACT_NAMES)
    watched = runtime.run("waste-edge", "run", "--source", colour_photos / "images" / "red", "--json")
    assert watched.returncode == 0, watched.stderr
    assert json.loads(watched.stdout.splitlines()[-1])["kind"] == "summary"


def test_a_workstations_verb_says_what_to_install(runtime: Environment, colour_photos: Path, tmp_path: Path) -> None:
    for arguments in (
        ("train", "teacher_mobilenet_v2", "--data", colour_photos, "--out", tmp_path / "run"),
        ("export", tmp_path, "--data", colour_photos, "--out", tmp_path / "bundle"),
    ):
        done = runtime.run("waste-edge", *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "pip install 'waste-edge[" in done.stderr


def test_photographs_are_seen_the_same_with_the_runtime_alone(runtime: Environment, shared: Path) -> None:
    """`evaluate BUNDLE` on a board finds the validation part again and gives the figure in the manifest."""
    done = runtime.run("waste-edge", "evaluate", "small", "--data", shared / "data" / "trashnet", "--json")
    assert done.returncode == 0, done.stderr
    evaluation = json.loads(done.stdout)
    bundle = json.loads(runtime.run("waste-edge", "inspect", "small", "--json").stdout)
    expected = bundle["metrics"]["artifacts"][evaluation["artifact"]]["scores"]
    assert evaluation["scores"]["pictures"] == expected["pictures"]
    assert evaluation["scores"]["accuracy"] == pytest.approx(expected["accuracy"], abs=0.006)


def test_a_folder_of_photographs_runs_through_the_loop(runtime: Environment, shared: Path) -> None:
    folder = shared / "data" / "trashnet" / "images" / "metal"
    done = runtime.run("waste-edge", "run", "--source", folder, "--frames", "20", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in lines].count("decision") == 20
