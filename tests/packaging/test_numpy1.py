"""Raspberry Pi OS Bookworm's world: numpy 1, an older OpenCV, and where need be the older TFLite runtime."""

import json
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import Environment


def test_it_resolves_and_verifies_beside_numpy_1(numpy1: Environment) -> None:
    version = numpy1.run("python", "-c", "import numpy, cv2; print(numpy.__version__, cv2.__version__)")
    numpy_version, opencv_version = version.stdout.split()
    assert numpy_version.startswith("1.")
    assert tuple(map(int, opencv_version.split(".")[:2])) < (4, 12)
    done = numpy1.run("waste-edge", "verify", "small", "--json")
    assert done.returncode == 0, done.stderr
    assert {replay["status"] for replay in json.loads(done.stdout)["artifacts"]} == {"ok"}


@pytest.mark.long
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="tflite-runtime has no wheels for Python 3.12 and later")
def test_tflite_runtime_serves_where_litert_is_missing(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, colour_photos: Path
) -> None:
    environment = Environment(tmp_path_factory.mktemp("tflite"))
    environment.install(
        "numpy<2", "opencv-python-headless<4.12", "pillow", "msgspec", "typer", "rich", "tflite-runtime"
    )
    environment.install("--no-deps", wheel)
    done = environment.run("waste-edge", "verify", "small", "--json")
    assert done.returncode == 0, done.stderr
    replays = {replay["artifact"]: replay for replay in json.loads(done.stdout)["artifacts"]}
    assert replays["tflite-int8"]["status"] == replays["tflite-fp32"]["status"] == "ok"
    assert replays["tflite-int8"]["engine"].startswith("tflite-runtime")
    assert replays["onnx-int8"]["status"] == "skipped"
    picture = next((colour_photos / "images" / "red").glob("*.png"))
    assert environment.run("waste-edge", "classify", picture).returncode == 0
